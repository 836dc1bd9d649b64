"""A lock between processes, held as long as its holder lives: the operating system lets go of it at any kind of death."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yunzhuo.phoenix.common.errors import Conflict


class LockHeld(Conflict):
    """Another process holds the lock. ``holder_pid`` is None when it did not say who it is."""

    def __init__(self, path: Path, holder_pid: int | None) -> None:
        who = f"process {holder_pid}" if holder_pid else "another process"
        super().__init__("lock_held", f"{path} is held by {who}.", path=str(path), holder_pid=holder_pid)
        self.holder_pid = holder_pid


if sys.platform == "win32":
    import msvcrt

    # Windows locks bytes, and keeps others from reading them: so lock one far behind the pid.
    _LOCKED_BYTE = 1 << 30

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock file at ``path`` (made with mode 600, kept afterwards) for the length of a ``with`` block.

    Raises LockHeld at once when another process, or another block of this one, holds it. The file's text is the holder's
    pid: for messages only, it proves nothing.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _try_lock(descriptor):
            raise LockHeld(path, holder(path))
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def holder(path: Path) -> int | None:
    """The pid written in a lock file, or None. Whether it still holds the lock is for :func:`hold` to find out."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
