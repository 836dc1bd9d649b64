"""Brings machines to life: a clone of a golden where one stands, a cold boot of the disk otherwise."""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from yunzhuo.host.argv import Channels, MachineSpec, Memory
from yunzhuo.host.engine import Engine, image_disk, make_overlay, run_qemu_img
from yunzhuo.host.entries import Entry
from yunzhuo.host.goldens import OVERLAY_NAME, STATE_NAME, Golden, Goldens, state_key
from yunzhuo.host.images import StoredImage
from yunzhuo.host.kept_states import LiveDisk
from yunzhuo.host.launch import launch
from yunzhuo.host.layout import DISK_NAME, MEMORY_NAME
from yunzhuo.host.machine import Machine
from yunzhuo.host.monitor import MachineFailed
from yunzhuo.host.server_secrets import new_secrets, save_secrets
from yunzhuo.host.store import ServerRecord, save_record
from yunzhuo.host.waiting import finish
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.config.settings import FlavorSettings

FindGolden = Callable[[StoredImage, FlavorSettings, str | None], Awaitable[Golden | None]]

logger = get_logger()


class Maker:
    """Makes machines. Each method leaves either a running machine or nothing of it, however it ends."""

    def __init__(self, engine: Engine, goldens: Goldens, find_golden: FindGolden) -> None:
        self._engine = engine
        self._goldens = goldens
        self._find_golden = find_golden

    async def write_down(self, entry: Entry) -> None:
        """Make the folder of a new server: its secrets, then its record, which is the moment it exists."""
        await finish(asyncio.to_thread(self._write_down, entry))

    async def make(self, entry: Entry) -> Machine:
        """A new machine on a new disk. Raises MachineFailed, OSError, ImageNotFound."""
        image = self._engine.images.get(entry.record.image_id)
        entry.record = entry.record.but(language=self.spoken(entry.record, None))
        golden = await self._find_golden(image, entry.record.flavor, entry.record.language)
        if golden is not None:
            # Said before anything stands on it, or it might be removed as unused.
            entry.record = entry.record.but(golden=golden.name)
            try:
                return await self._clone(entry, image, golden)
            except (MachineFailed, OSError) as error:
                logger.warning("server_clone_failed", server_id=entry.id, golden=golden.name, why=str(error))
        await self.make_disk(entry)
        return await self.boot(entry)

    async def boot(self, entry: Entry) -> Machine:
        """Switch a machine on that has its disk. Raises MachineFailed, OSError, ImageNotFound."""
        image = self._engine.images.get(entry.record.image_id)
        # Whatever ran in it before it was suspended is over now.
        (entry.folder / MEMORY_NAME).unlink(missing_ok=True)
        machine = await self._launch(entry, image, Memory.PLAIN)
        machine.readiness.begin(begins_session=True, is_silent=not image.has_kernel)
        return machine

    async def restore(self, entry: Entry) -> Machine:
        """The machine of a suspended server, with its memory; its guest stands still.

        Raises StateRefused, MachineFailed, OSError, ImageNotFound.
        """
        image = self._engine.images.get(entry.record.image_id)
        state = os.open(entry.folder / MEMORY_NAME, os.O_RDONLY | os.O_CLOEXEC)
        try:
            machine = await self._launch(entry, image, Memory.PLAIN, state_fd=state)
            await self._or_kill(machine, machine.load_state(state))
        finally:
            os.close(state)
        return machine

    async def restore_kept(self, entry: Entry, tag: str) -> Machine:
        """A machine with the disk and the memory kept under ``tag``; its guest stands still.

        Raises MachineFailed, OSError, ImageNotFound.
        """
        image = self._engine.images.get(entry.record.image_id)
        machine = await self._launch(entry, image, Memory.PLAIN, is_held=True)
        await self._or_kill(machine, LiveDisk(machine.monitor).load(tag))
        (entry.folder / MEMORY_NAME).unlink(missing_ok=True)
        return machine

    async def state_key(self, record: ServerRecord) -> str:
        """What a state saved by this server's machine, started now, would fit. Raises MachineFailed, ImageNotFound."""
        image = self._engine.images.get(record.image_id)
        hardware = await self._engine.hardware(image, vcpus=record.vcpus, memory_mib=record.memory_mib)
        return state_key(record.disk_mib, hardware, await self._engine.version())

    def spoken(self, record: ServerRecord, wish: str | None) -> str | None:
        """What sessions of this server begin in: ``wish``, or what they did before, where its image speaks it.

        Raises ImageNotFound.
        """
        image = self._engine.images.get(record.image_id)
        return image.spoken(wish, record.language, *self._engine.languages)

    async def make_disk(self, entry: Entry) -> None:
        """A new disk, and no machine yet. Raises MachineFailed, OSError, ImageNotFound."""
        image = self._engine.images.get(entry.record.image_id)
        entry.record = entry.record.but(golden=None)
        await self._new_disk(entry, image)

    async def grow_disk(self, entry: Entry, size_mib: int) -> None:
        """Make the disk of a machine that does not run larger. Raises MachineFailed, OSError."""
        await run_qemu_img("resize", "-q", "-f", "qcow2", str(entry.folder / DISK_NAME), f"{size_mib}M")

    async def renew_secrets(self, entry: Entry) -> None:
        """Let the server be somebody else from now on."""
        entry.secrets = new_secrets(new_id())
        await finish(asyncio.to_thread(save_secrets, entry.folder, entry.secrets))

    async def _clone(self, entry: Entry, image: StoredImage, golden: Golden) -> Machine:
        disk = entry.folder / DISK_NAME
        shutil.copyfile(golden.folder / OVERLAY_NAME, disk)
        self._engine.account.own(disk, 0o600)
        memory = await self._goldens.memory(golden)
        state = os.open(golden.folder / STATE_NAME, os.O_RDONLY | os.O_CLOEXEC)
        try:
            machine = await self._launch(entry, image, Memory.PRIVATE_COPY, memory_fd=memory, state_fd=state)
            await self._or_kill(machine, machine.restore(state))
        finally:
            os.close(state)
        machine.readiness.begin(begins_session=True, desktop_is_up=True, is_awaited=golden.manifest.awaits_identity)
        return machine

    async def _launch(
        self,
        entry: Entry,
        image: StoredImage,
        memory: Memory,
        *,
        memory_fd: int = -1,
        state_fd: int = -1,
        is_held: bool = False,
    ) -> Machine:
        record, engine = entry.record, self._engine
        hardware = await engine.hardware(image, vcpus=record.vcpus, memory_mib=record.memory_mib)

        def make_spec(channels: Channels) -> MachineSpec:
            return engine.spec(
                record.id,
                hardware,
                image,
                channels,
                memory=memory,
                memory_fd=memory_fd,
                waits_for_state=state_fd >= 0,
                is_held=is_held,
            )

        inherited = [descriptor for descriptor in (memory_fd, state_fd) if descriptor >= 0]
        launched = launch(
            entry.folder,
            make_spec,
            engine.account,
            engine.network.entrance,
            inherited=inherited,
            niceness=engine.settings.machine_niceness,
        )
        is_clone = memory is Memory.PRIVATE_COPY
        machine = await Machine.after_launch(entry.folder, launched, entry.identity, is_clone=is_clone)
        await self._or_kill(machine, machine.set_screen_passwords(entry.secrets))
        return machine

    async def _or_kill(self, machine: Machine, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except BaseException:
            await machine.kill()
            raise

    async def _new_disk(self, entry: Entry, image: StoredImage) -> None:
        disk = entry.folder / DISK_NAME
        disk.unlink(missing_ok=True)
        await make_overlay(disk, image_disk(image), entry.record.disk_mib)
        self._engine.account.own(disk, 0o600)

    def _write_down(self, entry: Entry) -> None:
        entry.folder.mkdir()
        self._engine.account.let_pass(entry.folder)
        save_secrets(entry.folder, entry.secrets)
        save_record(entry.folder, entry.record)
