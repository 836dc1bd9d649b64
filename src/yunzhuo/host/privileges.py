"""Who QEMU runs as: a system user of its own when the host process is root, else the user who started it."""

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from yunzhuo.phoenix.common.errors import Unavailable

_GROUP_READ_WRITE = stat.S_IRGRP | stat.S_IWGRP
KVM_DEVICE = Path("/dev/kvm")


class QemuUserMissing(Unavailable):
    """The system user that QEMU is to run as does not exist."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "qemu_user_missing",
            f"There is no system user {name!r} for QEMU to run as; make it with: "
            f"useradd --system --no-create-home --shell /usr/sbin/nologin {name}",
            user=name,
        )


@dataclass(frozen=True, slots=True)
class QemuAccount:
    """The user QEMU runs as. ``drops_root`` says that it is another one than ours."""

    uid: int
    gid: int
    drops_root: bool

    def let_pass(self, folder: Path) -> None:
        """Let QEMU's user go through ``folder`` to what it knows by name; nobody else gets in."""
        if self.drops_root:
            os.chown(folder, 0, self.gid)
        folder.chmod(0o710)

    def own(self, path: Path, mode: int) -> None:
        """Give ``path`` to QEMU's user."""
        if self.drops_root:
            os.chown(path, self.uid, self.gid)
        path.chmod(mode)

    def prefix(self, *, with_kvm: bool) -> list[str]:
        """What to put before QEMU's command line so that it starts as this user, with no right that it does not need."""
        command = ["setpriv", "--no-new-privs", "--inh-caps=-all"]
        if self.drops_root:
            kvm_group = kvm_device_group() if with_kvm else None
            groups = f"--groups={kvm_group}" if kvm_group is not None else "--clear-groups"
            command += ["--bounding-set=-all", f"--reuid={self.uid}", f"--regid={self.gid}", groups]
        return [*command, "--"]


def qemu_account(user: str) -> QemuAccount:
    """The account for this process. Raises QemuUserMissing when we are root and ``user`` is not there."""
    if os.geteuid() != 0:
        return QemuAccount(os.geteuid(), os.getegid(), drops_root=False)
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise QemuUserMissing(user) from None
    if entry.pw_uid == 0:
        raise QemuUserMissing(user)
    return QemuAccount(entry.pw_uid, entry.pw_gid, drops_root=True)


def kvm_device_group(device: Path = KVM_DEVICE) -> int | None:
    """The group through which /dev/kvm is opened, or None where there is none (or root's own)."""
    try:
        found = device.stat()
        grp.getgrgid(found.st_gid)
    except (OSError, KeyError):
        return None
    may_use = found.st_mode & _GROUP_READ_WRITE == _GROUP_READ_WRITE
    return found.st_gid if may_use and found.st_gid != 0 else None
