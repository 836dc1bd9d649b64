"""Whether this computer has room for one more machine. The decision is pure; measuring is apart."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from yunzhuo.phoenix.cloud.errors import NoCapacity

# A clone shares its golden's memory until it writes to it, so a ready machine's real use is in MemAvailable already; one
# that has just been started is still going to take what it was promised.
_MIB = 1024 * 1024

# Room for a new machine's own first writes: an empty overlay and what identity changes.
_NEW_DISK_MIB = 64


@dataclass(frozen=True, slots=True)
class Room:
    """What is left on this computer, MiB."""

    memory_mib: int
    disk_mib: int


@dataclass(frozen=True, slots=True)
class Reserve:
    """What is never given to desktops, MiB."""

    memory_mib: int
    disk_mib: int


def measure(folder: Path) -> Room:
    """Memory available without swapping (proc(5), MemAvailable) and space on the file system of ``folder``."""
    space = os.statvfs(folder)
    return Room(memory_mib=meminfo("MemAvailable"), disk_mib=space.f_bavail * space.f_frsize // _MIB)


def disk_size_mib(folder: Path) -> int:
    """How large the file system of ``folder`` is, full or not."""
    space = os.statvfs(folder)
    return space.f_blocks * space.f_frsize // _MIB


def meminfo(name: str, text: str | None = None) -> int:
    """One line of /proc/meminfo, MiB."""
    text = Path("/proc/meminfo").read_text(encoding="ascii") if text is None else text
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) // 1024
    raise KeyError(name)


def require_room(memory_mib: int, room: Room, reserve: Reserve, promised_mib: Iterable[int] = ()) -> None:
    """Raises NoCapacity, saying what is missing, unless a machine with ``memory_mib`` fits.

    ``promised_mib`` is the memory of machines that were started and have not taken it yet.
    """
    free = room.memory_mib - reserve.memory_mib - sum(promised_mib)
    if free < memory_mib:
        raise NoCapacity(
            f"This computer has no memory left for another desktop: {memory_mib} MiB are needed, {max(free, 0)} MiB are free.",
            needed_mib=memory_mib,
            free_mib=max(free, 0),
        )
    free_disk = room.disk_mib - reserve.disk_mib
    if free_disk < _NEW_DISK_MIB:
        raise NoCapacity(
            f"This computer's disk is full: {max(room.disk_mib, 0)} MiB are left, {reserve.disk_mib} MiB are kept in reserve.",
            free_mib=max(free_disk, 0),
        )


def require_disk(size_mib: int, room: Room, reserve_mib: int) -> None:
    """Raises NoCapacity, saying what is missing, unless ``size_mib`` fit on the disk beside what is kept in reserve."""
    free_mib = max(room.disk_mib - reserve_mib, 0)
    if free_mib < size_mib:
        raise NoCapacity(
            f"This computer's disk has no room for it: {size_mib} MiB may be needed, {free_mib} MiB are free.",
            needed_mib=size_mib,
            free_mib=free_mib,
        )
