"""Several processes behind one port: the first process starts them, starts them again when they die, and stops them."""

import asyncio
import contextlib
import multiprocessing
import signal
from multiprocessing.context import SpawnProcess
from typing import Final

import uvloop

from yunzhuo.gateway.config import GatewayConfig
from yunzhuo.gateway.listening import open_listener
from yunzhuo.gateway.metrics import Counters, CounterTable, Row
from yunzhuo.gateway.worker import Worker
from yunzhuo.phoenix.common.logging import configure, get_logger

_log = get_logger()

_RESTART_PAUSE_SECONDS: Final = 1.0
_KILL_AFTER_SECONDS: Final = 10.0


class Fleet:
    """The worker processes of one gateway, numbered from 0."""

    def __init__(self, config: GatewayConfig, key: str, counters: CounterTable) -> None:
        self._config = config
        self._key = key
        self._counters = counters
        self._context = multiprocessing.get_context("spawn")

    async def serve(self, stopping: asyncio.Event) -> None:
        """Keeps all processes running until ``stopping``; returns when all have ended."""
        await asyncio.gather(*(self._keep(number, stopping) for number in range(self._config.processes)))

    async def _keep(self, number: int, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            process = self._context.Process(
                target=run_worker, args=(self._config, self._key, self._counters.shared, number), daemon=True
            )
            process.start()
            await self._until_ended(process, stopping)
            self._counters.row(number).clear_gauges()
            if not stopping.is_set():
                _log.error("gateway_process_died", number=number, exit_code=process.exitcode)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), _RESTART_PAUSE_SECONDS)

    async def _until_ended(self, process: SpawnProcess, stopping: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(process.sentinel, ended.set)
        ending = loop.create_task(self._end(process, stopping))
        await ended.wait()
        loop.remove_reader(process.sentinel)
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)
        process.join()

    async def _end(self, process: SpawnProcess, stopping: asyncio.Event) -> None:
        """Once asked to, ends ``process``: politely, then by force."""
        await stopping.wait()
        process.terminate()
        await asyncio.sleep(self._config.drain_seconds + _KILL_AFTER_SECONDS)
        process.kill()


def run_worker(config: GatewayConfig, key: str, shared: Row, number: int) -> None:
    """The life of one worker process. It ends with its parent, whatever became of that."""
    configure("gateway", level=config.log.level, style=config.log.style)
    uvloop.run(_serve(config, key, Counters(shared, number)))


async def _serve(config: GatewayConfig, key: str, counters: Counters) -> None:
    # Ctrl-C in a terminal reaches every process of the group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def orphaned() -> None:
            loop.remove_reader(parent.sentinel)
            stopping.set()

        loop.add_reader(parent.sentinel, orphaned)
    listener = open_listener(config.listen.host, config.listen.port, shared=True)
    await Worker(config, key, counters).serve(listener, stopping)
