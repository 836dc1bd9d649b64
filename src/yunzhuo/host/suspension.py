"""Suspending servers to a file and resuming them in a new QEMU.

The record is what decides, whenever a host process dies: from the moment that it says ``saved``, the memory is in the file and
the machine must not run on; from the moment that it says so no more, the guest runs and the file is worth nothing.
"""

import asyncio
import os
from datetime import UTC, datetime

from yunzhuo.host.entries import Change, Entry
from yunzhuo.host.layout import MEMORY_NAME
from yunzhuo.host.machine import Machine, StateRefused
from yunzhuo.host.making import Maker
from yunzhuo.host.monitor import MachineFailed
from yunzhuo.host.pictures import keep_picture
from yunzhuo.host.power import Power, require_unchanged, require_unplugged
from yunzhuo.host.registry import Registry
from yunzhuo.host.servers import in_words
from yunzhuo.host.store import SavedMemory, Wanted, sync_folder
from yunzhuo.phoenix.cloud.errors import ImageNotFound, ServerBusy
from yunzhuo.phoenix.cloud.resources import ServerStatus
from yunzhuo.phoenix.common.errors import YunzhuoError
from yunzhuo.phoenix.common.logging import get_logger

logger = get_logger()


class Suspension:
    """Suspend and resume."""

    def __init__(self, registry: Registry, maker: Maker, power: Power) -> None:
        self._registry = registry
        self._maker = maker
        self._power = power

    async def suspend(self, server_id: str) -> None:
        """Put the memory to disk and end the machine. Raises ServerNotFound, ServerBusy, NoCapacity."""
        entry = self._registry.get(server_id)
        if entry.change is Change.SUSPENDING or (entry.change is None and entry.status is ServerStatus.SUSPENDED):
            return
        require_unchanged(entry)
        if entry.status is not ServerStatus.RUNNING:
            raise ServerBusy("The server does not run.", server_id=server_id)
        require_unplugged(entry)
        self._registry.require_disk(entry.record.memory_mib)
        await self._power.accept(entry, Change.SUSPENDING, self._suspend, wanted=Wanted.SUSPENDED)

    async def resume(self, server_id: str) -> None:
        """Go on where ``suspend`` stopped. Raises ServerNotFound, ServerBusy, NoCapacity."""
        entry = self._registry.get(server_id)
        if entry.change is Change.RESUMING or (entry.change is None and entry.status is ServerStatus.RUNNING):
            return
        require_unchanged(entry)
        saved = entry.record.saved
        if saved is None or entry.status is not ServerStatus.SUSPENDED:
            raise ServerBusy(entry.fault or "The server is not suspended.", server_id=server_id)
        self._registry.require_room(entry.record.memory_mib)
        await self._power.accept(
            entry, Change.RESUMING, lambda one: self._resume(one, saved), wanted=Wanted.RUNNING, fault=None
        )

    async def go_on(self, entry: Entry) -> None:
        """Finish what an earlier host process had accepted; its machine, if it runs, is followed already."""
        saved = entry.record.saved
        if saved is None:
            if entry.record.wanted is Wanted.SUSPENDED and entry.running:
                self._power.begin(entry, Change.SUSPENDING, self._suspend(entry))
            return
        entry.state_fits = await self._fits(entry, saved)
        if entry.record.wanted is Wanted.RUNNING and entry.state_fits:
            self._power.begin(entry, Change.RESUMING, self._resume(entry, saved))
        elif entry.record.wanted is Wanted.RUNNING:
            await entry.save(wanted=Wanted.SUSPENDED)

    async def look_again(self) -> None:
        """See whether suspended servers can still be resumed, after QEMU has changed."""
        for entry in self._registry:
            if entry.change is None and entry.record.saved is not None:
                entry.state_fits = await self._fits(entry, entry.record.saved)

    async def _suspend(self, entry: Entry) -> None:
        machine = entry.machine
        if machine is None:
            await entry.save(wanted=Wanted.STOPPED, fault="The server could not be suspended: its machine has ended.")
            return
        await keep_picture(entry)
        try:
            saved = await self._write_memory(entry, machine)
        except (YunzhuoError, OSError) as error:
            await self._run_on(entry, machine, in_words(error))
            raise
        await entry.save(saved=saved, fault=None)
        entry.state_fits = True
        # QEMU has flushed its disk and lets nobody write to it any more.
        await self._power.pull_plug(entry)
        await entry.save(process=None)
        logger.info("server_suspended", server_id=entry.id, mib=saved.size_bytes >> 20)

    async def _write_memory(self, entry: Entry, machine: Machine) -> SavedMemory:
        key = entry.record.state_key or await self._maker.state_key(entry.record)
        was_up = machine.readiness.is_ready
        path = entry.folder / MEMORY_NAME
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            await machine.save_state(descriptor)
            await asyncio.to_thread(os.fsync, descriptor)
            size_bytes = os.fstat(descriptor).st_size
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        sync_folder(path.parent)
        return SavedMemory(key=key, saved_at=datetime.now(UTC), size_bytes=size_bytes, desktop_was_up=was_up)

    async def _run_on(self, entry: Entry, machine: Machine, why: str) -> None:
        """What becomes of a server that could not be suspended."""
        fault = f"The server could not be suspended: {why}"
        try:
            await machine.go_on()
        except MachineFailed:
            await self._power.pull_plug(entry)
            await entry.save(wanted=Wanted.STOPPED, process=None, fault=fault)
        else:
            await entry.save(wanted=Wanted.RUNNING, fault=fault)

    async def _resume(self, entry: Entry, saved: SavedMemory) -> None:
        try:
            machine = await self._maker.restore(entry)
        except (YunzhuoError, OSError) as error:
            entry.state_fits = not isinstance(error, StateRefused)
            await entry.save(wanted=Wanted.SUSPENDED, fault=f"The server could not be resumed: {in_words(error)}")
            raise
        await self._power.go_on_from(entry, machine, desktop_is_up=saved.desktop_was_up)
        (entry.folder / MEMORY_NAME).unlink(missing_ok=True)
        logger.info("server_resumed", server_id=entry.id)

    async def _fits(self, entry: Entry, saved: SavedMemory) -> bool:
        try:
            is_whole = (entry.folder / MEMORY_NAME).stat().st_size == saved.size_bytes
            return is_whole and saved.key == await self._maker.state_key(entry.record)
        except MachineFailed:
            return True  # not known: QEMU is not there to be asked
        except (OSError, ImageNotFound):
            return False
