"""Finished images as folders: written aside, moved into place whole, kept in a cache between installations."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from yunzhuo.host.images import IMAGE_FILES
from yunzhuo.host.store import sync_folder
from yunzhuo.phoenix.common.errors import LimitReached
from yunzhuo.phoenix.common.logging import get_logger

_MIB = 1024 * 1024
_LOCK_NAME = ".image-build.lock"
_READ_ONLY = 0o444
_FOLDER_MODE = 0o755

logger = get_logger()


def is_whole(folder: Path) -> bool:
    """Whether ``folder`` holds a finished image. They are moved into place whole, so that all files are there is enough."""
    return all((folder / name).is_file() for name in IMAGE_FILES)


def publish(made: Path, place: Path, files: Sequence[str] = IMAGE_FILES) -> None:
    """Move the image ``made`` to ``place`` on the same file system; after a power cut it is there whole, or not at all."""
    made.chmod(_FOLDER_MODE)
    for name in files:
        # Machines start from overlays over it: whoever wrote to it would break them all.
        (made / name).chmod(_READ_ONLY)
        with (made / name).open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(made)
    if place.exists():
        shutil.rmtree(place)
    made.rename(place)
    sync_folder(place.parent)


def transfer(source: Path, place: Path) -> None:
    """Make the image ``source`` appear at ``place``, sharing its blocks where both are on one file system, else copied."""
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_name(f".{place.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        for name in IMAGE_FILES:
            _link_or_copy(source / name, partial / name)
        publish(partial, place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # another file system, one without links, or a file of somebody else's
        shutil.copyfile(source, target)


@contextmanager
def sole_builder(images_dir: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Hold the right to build below ``images_dir``. ``wait`` is called once when another process has it."""
    with (images_dir / _LOCK_NAME).open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            wait()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def require_space(folder: Path, needed_mib: int) -> None:
    """Raises LimitReached when less than ``needed_mib`` are free where ``folder`` is."""
    free_mib = free_space_mib(folder)
    if free_mib < needed_mib:
        raise LimitReached(
            "disk_full",
            f"Building the desktop image needs {needed_mib} MiB of free disk space in {folder}, and {free_mib} MiB are free:"
            " free some, or put the state folder ($YUNZHUO_HOME) on a larger disk.",
            folder=str(folder),
            needed_mib=needed_mib,
            free_mib=free_mib,
        )


def free_space_mib(folder: Path) -> int:
    """Free disk space where ``folder`` is, MiB."""
    return shutil.disk_usage(folder).free // _MIB
