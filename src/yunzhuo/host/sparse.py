"""Copying files that are mostly holes, and memory that is mostly zeros."""

import errno
import os
import shutil
from pathlib import Path

_CHUNK_BYTES = 64 * 1024
_ZEROS = bytes(_CHUNK_BYTES)


def copy_data(source: int, target: int, *, skip_zeros: bool = False) -> None:
    """Copy what ``source`` holds to the same places in ``target``, which becomes as long; holes stay holes.

    With ``skip_zeros``, zeros become holes too (``target`` must be empty then).
    """
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    position = 0
    while position < size:
        try:
            start = os.lseek(source, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # lseek(2): no more data
                return
            raise
        position = os.lseek(source, start, os.SEEK_HOLE)
        if skip_zeros:
            _copy_unless_zero(source, target, start, position)
        else:
            _copy_range(source, target, start, position)


def link_or_copy(source: Path, target: Path) -> None:
    """Give ``source`` a second name where the file system lets us, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        with source.open("rb") as reading, target.open("wb") as writing:
            copy_data(reading.fileno(), writing.fileno())
        shutil.copymode(source, target)


def _copy_range(source: int, target: int, start: int, end: int) -> None:
    os.lseek(target, start, os.SEEK_SET)
    while start < end:
        sent = os.sendfile(target, source, start, end - start)
        if sent == 0:
            return
        start += sent


def _copy_unless_zero(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        chunk = os.pread(source, min(_CHUNK_BYTES, end - start), start)
        if not chunk:
            return
        if chunk != _ZEROS[: len(chunk)]:
            os.pwrite(target, chunk, start)
        start += len(chunk)
