"""What has to be right for virtual machines on this computer: told by `yunzhuo doctor`."""

import json
import os
import pwd
import shutil
import subprocess  # nosec B404 # lists of arguments, never a shell
from collections.abc import Iterator
from pathlib import Path

from yunzhuo.cli import checks
from yunzhuo.cli.checks import Finding, bad, good, note
from yunzhuo.phoenix.config.settings import Settings


def virtual_machines(settings: Settings) -> Iterator[Finding]:
    """All of it."""
    yield checks.qemu()
    yield _qemu_user(settings)
    yield _kvm(settings)
    yield _guest_network(settings)
    yield _namespaces()


def _qemu_user(settings: Settings) -> Finding:
    what, name = "QEMU's user", settings.host.qemu_user
    if os.geteuid() != 0:
        return good(what, f"{pwd.getpwuid(os.geteuid()).pw_name} (you)")
    try:
        pwd.getpwnam(name)
    except KeyError:
        return bad(what, f"there is no user {name}", "run `make setup` as root")
    return good(what, name)


def _kvm(settings: Settings) -> Finding:
    slow = "desktops run in software emulation: slower, nothing else"
    if settings.host.accelerator == "tcg":
        return good("KVM", "not wanted (host.accelerator = tcg)")
    if not Path("/dev/kvm").exists():
        return note("KVM", "not there", f"{slow}; switch virtualization on in the firmware, or allow it in the cloud")
    if os.geteuid() != 0 and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return note("KVM", "not yours to use", f"{slow}; join the group that owns /dev/kvm")
    try:
        found = json.loads((settings.host_dir / "accelerator.json").read_text(encoding="utf-8"))["accelerator"]
    except (OSError, ValueError, KeyError, TypeError):
        return good("KVM", "there; it has to prove itself at the first start")
    if found != "kvm":
        return note("KVM", "there, but guests do not get far on it", slow)
    return good("KVM", "there, and works")


def _guest_network(settings: Settings) -> Finding:
    what = "guests' internet"
    if not settings.host.guest_internet:
        return good(what, "not wanted (host.guest_internet = false)")
    if not shutil.which("slirp4netns"):
        return note(what, "slirp4netns not found", "desktops have no internet: install it with `make setup`")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return note(what, "/dev/net/tun is not there or not yours to open", "desktops have no internet: chmod 666 /dev/net/tun")
    return good(what, "slirp4netns")


def _namespaces() -> Finding:
    if not shutil.which("unshare"):
        return note("namespaces", "unshare not found", "install util-linux")
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    tried = subprocess.run(["unshare", *as_root, "--net", "true"], capture_output=True, text=True, check=False)  # nosec B603, B607 # on the administrator's PATH; nothing of anybody else's in it
    if tried.returncode != 0:
        advice = "desktops have no internet: allow them (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces)"
        return note("namespaces", f"refused: {tried.stderr.strip()}", advice)
    return good("namespaces", "allowed")
