"""Several processes behind one port: the first process starts them, starts them again when they die, and stops them."""

import asyncio
import multiprocessing
import signal
from multiprocessing.context import SpawnProcess
from typing import Final

import uvloop

from yunzhuo.gateway.config import GatewayConfig
from yunzhuo.gateway.listening import open_listener
from yunzhuo.gateway.metrics import Counters, CounterTable, Row
from yunzhuo.gateway.stopping import Stopping
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

    async def serve(self, stopping: Stopping) -> None:
        """Keeps all processes running until ``stopping``; returns when all have ended."""
        await asyncio.gather(*(self._keep(number, stopping) for number in range(self._config.processes)))

    async def _keep(self, number: int, stopping: Stopping) -> None:
        while not stopping.is_asked:
            process = self._context.Process(
                target=run_worker, args=(self._config, self._key, self._counters.shared, number), daemon=True
            )
            process.start()
            await self._until_ended(process, stopping)
            self._counters.row(number).clear_gauges()
            if not stopping.is_asked:
                _log.error("gateway_process_died", number=number, exit_code=process.exitcode)
                await stopping.patiently(stopping.asked(), _RESTART_PAUSE_SECONDS)

    async def _until_ended(self, process: SpawnProcess, stopping: Stopping) -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(process.sentinel, ended.set)
        ending = loop.create_task(self._end(process, ended, stopping))
        await ended.wait()
        loop.remove_reader(process.sentinel)
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)
        process.join()

    async def _end(self, process: SpawnProcess, ended: asyncio.Event, stopping: Stopping) -> None:
        """Once asked to, ends ``process``: politely, then without draining, then by force."""
        await stopping.asked()
        process.terminate()
        await stopping.patiently(ended.wait(), self._config.drain_seconds + _KILL_AFTER_SECONDS)
        process.terminate()
        await asyncio.sleep(_KILL_AFTER_SECONDS)
        process.kill()


def run_worker(config: GatewayConfig, key: str, shared: Row, number: int) -> None:
    """The life of one worker process. It ends with its parent, whatever became of that."""
    configure("gateway", level=config.log.level, style=config.log.style)
    uvloop.run(_serve(config, key, Counters(shared, number)))


async def _serve(config: GatewayConfig, key: str, counters: Counters) -> None:
    # Ctrl-C in a terminal reaches every process of the group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopping = Stopping()
    stopping.watch_signals((signal.SIGTERM,))
    parent = multiprocessing.parent_process()
    if parent is not None:
        stopping.watch_end_of(parent.sentinel)
    listener = open_listener(config.listen.host, config.listen.port, shared=True)
    await Worker(config, key, counters).serve(listener, stopping)
