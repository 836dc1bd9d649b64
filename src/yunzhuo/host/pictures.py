"""Small pictures of the machines' screens, and the last one of each beside its disk."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

from yunzhuo.host.entries import Entry
from yunzhuo.host.layout import PICTURE_NAME
from yunzhuo.host.machine import Machine
from yunzhuo.host.monitor import MachineFailed
from yunzhuo.host.registry import Registry
from yunzhuo.phoenix.cloud.errors import CloudUnavailable, NoScreenshot
from yunzhuo.phoenix.cloud.resources import Screenshot
from yunzhuo.phoenix.common import pictures
from yunzhuo.phoenix.common.logging import get_logger

# A person stops a desktop and waits for it: a picture of it is not worth more.
_SECONDS = 1.5
_HEAD_BYTES = 64
_LARGEST_DUMP_BYTES = pictures.MAX_SCREEN_PIXELS * 3 + _HEAD_BYTES

logger = get_logger()


class Pictures:
    """Looking at screens."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def look(self, server_id: str) -> Screenshot:
        """The screen as it is now, or as it was last seen. Raises ServerNotFound, NoScreenshot, CloudUnavailable."""
        entry = self._registry.get(server_id)
        if entry.running is None or entry.change is not None:
            return _last(entry)
        try:
            return Screenshot(await _take(entry.running), datetime.now(UTC))
        except (MachineFailed, OSError, ValueError, TimeoutError) as error:
            raise CloudUnavailable("The desktop's screen does not answer.", why=str(error)) from error


async def keep_picture(entry: Entry) -> None:
    """Keep how the screen looks, while there is one; that it could not be seen stops nobody."""
    if entry.running is None:
        return
    try:
        content = await _take(entry.running)
        partial = _path(entry).with_suffix(".partial")
        partial.write_bytes(content)
        partial.replace(_path(entry))
    except (MachineFailed, OSError, ValueError, TimeoutError) as error:
        logger.info("picture_not_kept", server_id=entry.id, why=str(error))
        forget_picture(entry)


def forget_picture(entry: Entry) -> None:
    """What it shows is not so any more."""
    _path(entry).unlink(missing_ok=True)


async def _take(machine: Machine) -> bytes:
    # QEMU writes into memory of ours: its user needs no right to a file, and nobody finds one.
    dump = os.memfd_create("screen")
    try:
        # QEMU takes a descriptor of a set only in the mode that it wants to open (util/osdep.c).
        writing = os.open(f"/proc/self/fd/{dump}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            async with asyncio.timeout(_SECONDS), machine.monitor.lend(writing) as file:
                await machine.monitor.execute("screendump", {"filename": file})
        finally:
            os.close(writing)
        return await asyncio.to_thread(_small, dump)
    finally:
        os.close(dump)


def _small(dump: int) -> bytes:
    size = os.fstat(dump).st_size
    if size > _LARGEST_DUMP_BYTES:
        raise ValueError("the screen is too large")
    return pictures.small_of_ppm(os.pread(dump, size, 0))


def _last(entry: Entry) -> Screenshot:
    try:
        content = _path(entry).read_bytes()
        return Screenshot(content, datetime.fromtimestamp(_path(entry).stat().st_mtime, UTC))
    except FileNotFoundError:
        raise NoScreenshot(entry.id) from None


def _path(entry: Entry) -> Path:
    return entry.folder / PICTURE_NAME
