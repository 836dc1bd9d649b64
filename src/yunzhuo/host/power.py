"""Switching servers on and off, and noticing when they went off by themselves.

Every verb looks at a server's state and says what it is about to do in one go, without awaiting in between: so two verbs
never work on one server at once.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from yunzhuo.host.entries import TAKES_DOWN, Change, Entry
from yunzhuo.host.machine import Machine
from yunzhuo.host.making import Maker
from yunzhuo.host.monitor import MachineFailed
from yunzhuo.host.pictures import keep_picture
from yunzhuo.host.registry import Registry
from yunzhuo.host.store import Phase, Wanted
from yunzhuo.host.waiting import finish, unless
from yunzhuo.phoenix.cloud.errors import ServerBusy
from yunzhuo.phoenix.cloud.resources import RebootKind, ServerStatus
from yunzhuo.phoenix.common.logging import get_logger

_ENDED_UNEXPECTEDLY = "The machine ended unexpectedly."
_EVENTS_SECONDS = 1.0
_RESET_SECONDS = 5.0

logger = get_logger()


def require_unchanged(entry: Entry) -> None:
    """Raises ServerBusy while something is being done to the server."""
    if entry.change is not None:
        raise ServerBusy(f"The server is {entry.change.value} just now.", server_id=entry.id)


def require_not_suspended(entry: Entry) -> None:
    """Raises ServerBusy when the server is suspended."""
    if entry.status is ServerStatus.SUSPENDED:
        raise ServerBusy("The server is suspended; resume it first.", server_id=entry.id)


def require_unplugged(entry: Entry) -> None:
    """Raises ServerBusy while the machine has a volume: memory that knows its files must not meet another state of them."""
    if entry.running is not None and entry.running.volumes:
        raise ServerBusy("A volume is attached to the server; detach it first.", server_id=entry.id)


class Power:
    """Start, stop, reboot. ``shutdown_seconds`` is how long a guest may take to switch itself off."""

    def __init__(self, registry: Registry, maker: Maker, *, shutdown_seconds: float) -> None:
        self._registry = registry
        self._maker = maker
        self._shutdown_seconds = shutdown_seconds
        self._background: set[asyncio.Task[None]] = set()

    async def start(self, server_id: str, language: str | None = None) -> None:
        """Raises ServerNotFound, ServerBusy, NoCapacity, MachineFailed, ImageNotFound."""
        entry = self._registry.get(server_id)
        if entry.comes_up or (entry.running and entry.change in (None, Change.REBOOTING)):
            return
        require_unchanged(entry)
        require_not_suspended(entry)
        if entry.record.phase is Phase.FAILED:
            raise ServerBusy("The server is in error; delete it, or reboot it hard.", server_id=server_id)
        self._registry.require_room(entry.record.memory_mib)
        entry.record = entry.record.but(language=self._maker.spoken(entry.record, language))
        await asyncio.shield(self.begin(entry, Change.STARTING, self._start(entry)))

    async def stop(self, server_id: str) -> None:
        """Raises ServerNotFound, ServerBusy."""
        entry = self._registry.get(server_id)
        if entry.change is None:
            require_not_suspended(entry)
        if entry.change is Change.STOPPING or (entry.change is None and entry.running is None):
            return
        require_unchanged(entry)
        await self.accept(entry, Change.STOPPING, self._stop, wanted=Wanted.STOPPED)

    def begin_stop(self, entry: Entry) -> "asyncio.Task[None]":
        """Stop a server that nothing else is done to; the answer ends when it is off."""
        return self.begin(entry, Change.STOPPING, self._stop(entry))

    async def reboot(self, server_id: str, kind: RebootKind, language: str | None = None) -> None:
        """Raises ServerNotFound, ServerBusy, MachineFailed, ImageNotFound."""
        entry = self._registry.get(server_id)
        require_unchanged(entry)
        if entry.record.phase is Phase.FAILED and kind is RebootKind.HARD:
            self._registry.require_room(entry.record.memory_mib)
            await asyncio.shield(self.begin(entry, Change.MAKING, self.bring_up(entry)))
            return
        machine = entry.running
        if machine is None:
            raise ServerBusy("The server does not run.", server_id=server_id)
        entry.record = entry.record.but(language=self._maker.spoken(entry.record, language))
        machine.was_reset.clear()
        if kind is RebootKind.HARD:
            await asyncio.shield(self.begin(entry, Change.REBOOTING, self._reset(machine)))
            return
        asked = asyncio.Event()
        rebooting = self.begin(entry, Change.REBOOTING, self._reboot_softly(machine, asked))
        await unless(asyncio.shield(rebooting), asked.wait())

    async def accept(
        self, entry: Entry, change: Change, work: Callable[[Entry], Coroutine[Any, Any, None]], **written: object
    ) -> "asyncio.Task[None] | None":
        """Begin a change that a later host process would go on with, because ``written`` is in the record first.

        The answer is None when the server began to be deleted meanwhile. Raises OSError; then nothing has changed.
        """
        entry.change, before = change, entry.record
        try:
            await entry.save(**written)
        except BaseException:
            if entry.change is change:
                entry.change, entry.record = None, before
            raise
        return self.begin(entry, change, work(entry)) if entry.change is change else None

    def begin(self, entry: Entry, change: Change, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Do ``work`` on a server that nothing else is done to; ``change`` says meanwhile what it is."""

        async def to_its_end() -> None:
            try:
                await work
            finally:
                if entry.change is change:
                    entry.change = None

        entry.change = change
        entry.task = self._keep(to_its_end())
        return entry.task

    async def bring_up(self, entry: Entry) -> None:
        """Make the machine of a new server, and write down that it is made. Raises what Maker.make raises."""
        machine = await self._maker.make(entry)
        self.follow(entry, machine)
        await entry.save(phase=Phase.MADE, fault=None, **await self._now_running(entry, machine))

    async def boot(self, entry: Entry) -> None:
        """Switch on a server that has its disk, and write down that it runs. Raises what Maker.boot raises."""
        machine = await self._maker.boot(entry)
        self.follow(entry, machine)
        await entry.save(**await self._now_running(entry, machine))

    async def switch_off(self, entry: Entry) -> None:
        """Ask the guest to shut down, and pull the plug when it does not; returns when the machine is gone."""
        machine = entry.machine
        if machine is None:
            return
        try:
            await machine.ask_to_shut_down()
            async with asyncio.timeout(self._shutdown_seconds):
                await machine.process.wait()
        except (TimeoutError, MachineFailed):
            logger.info("server_plug_pulled", server_id=entry.id)
        await machine.end()
        await self.after_end(entry, machine)

    async def quit(self, entry: Entry) -> None:
        """End the machine without asking its guest; its disk is whole then."""
        machine, entry.machine = entry.machine, None
        if machine is not None:
            await finish(machine.end())

    async def pull_plug(self, entry: Entry) -> None:
        """End the machine this instant: nobody needs what its guest has not written yet."""
        machine, entry.machine = entry.machine, None
        if machine is not None:
            await finish(machine.kill())

    def follow(self, entry: Entry, machine: Machine) -> None:
        """Take a running machine as the server's, and notice its end."""
        entry.machine = machine
        machine.process.on_end(lambda: self._keep(self.after_end(entry, machine)))

    async def after_end(self, entry: Entry, machine: Machine) -> None:
        """Write down that a machine is gone, and whether that was to be expected."""
        try:
            async with asyncio.timeout(_EVENTS_SECONDS):
                await machine.monitor.hung_up()
        except TimeoutError:
            pass  # then its last words are lost
        await machine.close()
        if entry.machine is not machine or entry.change is Change.DELETING:
            return
        entry.machine = None
        if entry.change in TAKES_DOWN:
            await entry.save(process=None)
        elif entry.change is Change.STOPPING or machine.guest_shut_down:
            await entry.save(process=None, wanted=Wanted.STOPPED, fault=None)
        else:
            logger.warning("server_ended_unexpectedly", server_id=entry.id, exit_code=machine.process.exit_code)
            await entry.save(process=None, fault=_ENDED_UNEXPECTEDLY)

    async def close(self) -> None:
        """Give up what is being done; machines go on."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def _now_running(self, entry: Entry, machine: Machine) -> dict[str, object]:
        key = await self._maker.state_key(entry.record)
        return {"process": machine.process.identity, "state_key": key, "saved": None}

    async def go_on_from(self, entry: Entry, machine: Machine, *, desktop_is_up: bool, **written: object) -> None:
        """Let a restored machine, whose guest stands still, run as the server's: first in the record, then in fact."""
        self.follow(entry, machine)
        await entry.save(**{**await self._now_running(entry, machine), "fault": None, **written})
        await machine.go_on()
        machine.readiness.begin(begins_session=False, desktop_is_up=desktop_is_up, is_silent=entry.record.is_silent)

    def _keep(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("server_change_failed", why=repr(error), exc_info=error)

    async def _start(self, entry: Entry) -> None:
        await entry.save(wanted=Wanted.RUNNING, fault=None)
        try:
            await self.boot(entry)
        except Exception:
            await entry.save(wanted=Wanted.STOPPED)
            raise
        logger.info("server_started", server_id=entry.id)

    async def _stop(self, entry: Entry) -> None:
        await entry.save(wanted=Wanted.STOPPED)
        await keep_picture(entry)
        await self.switch_off(entry)
        logger.info("server_stopped", server_id=entry.id)

    async def _reboot_softly(self, machine: Machine, asked: asyncio.Event) -> None:
        try:
            await machine.ask_to_reboot()
            asked.set()
            async with asyncio.timeout(self._shutdown_seconds):
                await machine.reset_or_end()
        except (TimeoutError, MachineFailed):
            await self._reset(machine)

    async def _reset(self, machine: Machine) -> None:
        await machine.reset()
        async with asyncio.timeout(_RESET_SECONDS):
            await machine.reset_or_end()
