"""The user that QEMU runs as, so that it never runs as root."""

import grp
import os
import pwd
from collections.abc import Callable
from pathlib import Path

from infras.setup.command import Log, run, say

QEMU_USER = "yunzhuo-qemu"  # [host] qemu_user


def make(root: Path, log: Log) -> None:
    """Make the user where we are root; anyone else's QEMU runs as themselves."""
    if os.geteuid() != 0 or _exists(pwd.getpwnam, QEMU_USER):
        return
    say(f"making the system user {QEMU_USER}, as which QEMU will run")
    groups = ["--groups", "kvm"] if _exists(grp.getgrnam, "kvm") else []
    home = ["--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
    run("making a system user", ["useradd", "--system", "--user-group", *home, *groups, QEMU_USER], log, cwd=root)


def _exists(find: Callable[[str], object], name: str) -> bool:
    try:
        find(name)
    except KeyError:
        return False
    return True
