"""The user that QEMU runs as, so that it never runs as root."""

import os
import subprocess  # nosec B404 # lists of arguments, never a shell
from pathlib import Path

from infras.setup.command import Log, run, say

QEMU_USER = "yunzhuo-qemu"  # [host] qemu_user


def make(root: Path, log: Log) -> None:
    """Make the user where we are root; anyone else's QEMU runs as themselves."""
    if os.geteuid() != 0 or _exists("passwd", QEMU_USER):
        return
    say(f"making the system user {QEMU_USER}, as which QEMU will run")
    groups = ["--groups", "kvm"] if _exists("group", "kvm") else []
    home = ["--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
    run("making a system user", ["useradd", "--system", "--user-group", *home, *groups, QEMU_USER], log, cwd=root)


def _exists(database: str, name: str) -> bool:
    return subprocess.run(["getent", database, name], capture_output=True, check=False).returncode == 0  # nosec B603, B607 # Debian's own, by name
