"""Several processes behind one port: the first process starts them, starts them again when they die, replaces them without
cutting anyone off, and stops them."""

import asyncio
import contextlib
import multiprocessing
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from multiprocessing.context import SpawnProcess
from typing import Final

import uvloop

from yunzhuo.gateway.config import GatewayConfig
from yunzhuo.gateway.listening import open_listener
from yunzhuo.gateway.memory import give_back_large_pieces
from yunzhuo.gateway.metrics import Counters, CounterTable, Row, Slot
from yunzhuo.gateway.worker import Orders, Worker
from yunzhuo.phoenix.common.logging import configure, get_logger

_log = get_logger()

_RESTART_PAUSE_SECONDS: Final = 1.0
_KILL_AFTER_SECONDS: Final = 10.0
_COME_UP_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.05
# The order to take no new connection, and to end with the last open one.
RETIRE: Final = signal.SIGUSR1
READ_AGAIN: Final = signal.SIGHUP
# How many rows of counters there are for each process that serves: one for it, the others for those that it replaced.
GENERATIONS: Final = 4


@dataclass(slots=True)
class _Child:
    """A worker process, and the row that it counts in. ``ended`` is set when it is no more."""

    process: SpawnProcess
    row: int
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Fleet:
    """The worker processes of one gateway. ``read_config`` gives the configuration as it is now, for new processes."""

    def __init__(
        self, config: GatewayConfig, key: str, counters: CounterTable, read_config: Callable[[], GatewayConfig]
    ) -> None:
        self._config = config
        self._key = key
        self._counters = counters
        self._read_config = read_config
        self._context = multiprocessing.get_context("spawn")
        self._free_rows = set(range(config.processes * GENERATIONS))
        self._retired: set[asyncio.Task[None]] = set()
        self._renewing = asyncio.Event()

    def renew(self) -> None:
        """Put new processes in the place of those that serve; what these have open stays open until it ends by itself."""
        self._renewing.set()

    async def serve(self, stopping: asyncio.Event) -> None:
        """Keeps all processes running until ``stopping``; returns when all have ended."""
        places = [asyncio.Event() for _ in range(self._config.processes)]
        spreading = asyncio.get_running_loop().create_task(self._spread(places))
        await asyncio.gather(*(self._keep(renew, stopping) for renew in places))
        spreading.cancel()
        await asyncio.gather(spreading, *self._retired, return_exceptions=True)

    async def _spread(self, places: list[asyncio.Event]) -> None:
        while True:
            await self._renewing.wait()
            self._renewing.clear()
            try:
                fresh = self._read_config()
                # What all processes share was taken at the start.
                self._config = fresh.model_copy(update={"processes": self._config.processes, "listen": self._config.listen})
            except Exception as error:
                _log.error("gateway_configuration_not_taken", problem=str(error))
            _log.info("gateway_renewing")
            for renew in places:
                renew.set()

    async def _keep(self, renew: asyncio.Event, stopping: asyncio.Event) -> None:
        child = self._start()
        while not stopping.is_set():
            await _first_of(child.ended.wait(), stopping.wait(), renew.wait())
            if stopping.is_set():
                break
            if child.ended.is_set():
                _log.error("gateway_process_died", exit_code=child.process.exitcode)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), _RESTART_PAUSE_SECONDS)
                    break
                renew.clear()
                child = self._start()
            elif renew.is_set():
                renew.clear()
                child = await self._replaced(child, stopping)
        await self._end(child)

    async def _replaced(self, old: _Child, stopping: asyncio.Event) -> _Child:
        """A new process, once it listens; the old one if the new one does not come up."""
        if not self._free_rows:
            _log.warning("gateway_not_renewed", reason="too many earlier processes have open sessions")
            return old
        new = self._start()
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _COME_UP_SECONDS
        while not self._counters.row(new.row).get(Slot.LISTENING):
            if new.ended.is_set() or stopping.is_set() or loop.time() > give_up_at:
                _log.error("gateway_not_renewed", reason="the new process does not listen")
                await self._end(new)
                return old
            await asyncio.sleep(_LOOK_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.kill(old.process.pid or 0, RETIRE)
        retiring = loop.create_task(self._retire(old, stopping))
        self._retired.add(retiring)
        retiring.add_done_callback(self._retired.discard)
        return new

    async def _retire(self, old: _Child, stopping: asyncio.Event) -> None:
        await _first_of(old.ended.wait(), stopping.wait())
        await self._end(old)

    def _start(self) -> _Child:
        row = self._free_rows.pop()
        process = self._context.Process(
            target=run_worker, args=(self._config, self._key, self._counters.shared, row), daemon=True
        )
        process.start()
        child = _Child(process, row)
        loop = asyncio.get_running_loop()

        def ended() -> None:
            loop.remove_reader(process.sentinel)
            process.join()
            self._counters.row(row).clear_gauges()
            self._free_rows.add(row)
            child.ended.set()

        loop.add_reader(process.sentinel, ended)
        return child

    async def _end(self, child: _Child) -> None:
        """Ends a process: politely, then by force."""
        if child.ended.is_set():
            return
        child.process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.ended.wait(), self._config.drain_seconds + _KILL_AFTER_SECONDS)
            return
        child.process.kill()
        await child.ended.wait()


async def _first_of(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def run_worker(config: GatewayConfig, key: str, shared: Row, row: int) -> None:
    """The life of one worker process. It ends with its parent, whatever became of that."""
    configure("gateway", level=config.log.level, style=config.log.style)
    give_back_large_pieces()
    uvloop.run(_serve(config, key, Counters(shared, row)))


async def _serve(config: GatewayConfig, key: str, counters: Counters) -> None:
    # Ctrl-C in a terminal reaches every process of the group, and so may SIGHUP; the parent decides what they mean.
    for ignored in (signal.SIGINT, READ_AGAIN):
        signal.signal(ignored, signal.SIG_IGN)
    loop, orders = asyncio.get_running_loop(), Orders()
    loop.add_signal_handler(signal.SIGTERM, orders.stop.set)
    loop.add_signal_handler(RETIRE, orders.retire.set)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def orphaned() -> None:
            loop.remove_reader(parent.sentinel)
            orders.stop.set()

        loop.add_reader(parent.sentinel, orphaned)
    listener = open_listener(config.listen.host, config.listen.port, shared=True)
    await Worker(config, key, counters).serve(listener, orders)
