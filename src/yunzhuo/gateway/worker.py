"""One event loop of a gateway: listens, watches over its connections, and comes to an end in good order."""

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Final

from yunzhuo.gateway.admission import Admission
from yunzhuo.gateway.arrival import Arrival, Reception
from yunzhuo.gateway.certificates import Certificates
from yunzhuo.gateway.client_door import ClientDoor
from yunzhuo.gateway.config import GatewayConfig
from yunzhuo.gateway.door import Door
from yunzhuo.gateway.manager import ManagerLink
from yunzhuo.gateway.metrics import Counters, Slot
from yunzhuo.gateway.reports import Ended, EndReports
from yunzhuo.gateway.spice_door import SpiceDoor
from yunzhuo.gateway.state import Connection, SessionName, WorkerState
from yunzhuo.gateway.watch import ManagerWatch
from yunzhuo.phoenix.common.logging import get_logger

_log = get_logger()

_LONGEST_TICK_SECONDS: Final = 1.0
_LOOK_AT_FILES_SECONDS: Final = 5.0
_CLOSING_SECONDS: Final = 2.5
_FLUSH_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker is told: to stop; to retire, which is to stop once the last open connection has ended; and to read its
    certificate and its key again at once (it does so by itself, too)."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    retire: asyncio.Event = field(default_factory=asyncio.Event)
    read_again: asyncio.Event = field(default_factory=asyncio.Event)


class Worker:
    """Serves one listening socket until it is told to stop."""

    def __init__(self, config: GatewayConfig, key: str, counters: Counters) -> None:
        self._config = config
        self._manager = ManagerLink(config, key)
        self._certificates = Certificates(config, self._manager.show_key)
        self._reports = EndReports(self._manager, counters)
        self._empty = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        idle = min(config.limits.idle_ping_seconds, config.limits.pong_timeout_seconds)
        self._state = WorkerState(
            config=config,
            allowed_origins=frozenset(config.allowed_origins),
            counters=counters,
            admit=Admission(self._manager, config.limits, self._report_end).admit,
            report_end=self._report_end,
            tick_seconds=min(_LONGEST_TICK_SECONDS, idle / 4),
            trusted_proxies=tuple(ip_network(network) for network in config.trusted_proxies),
            refuses_plain=self._certificates.context is not None and not config.listen.plain,
            on_empty=self._empty.set,
        )
        if config.serves_clients:
            self._state.client_door = self._serve_client
        self._watch = ManagerWatch(self._manager, self._state, lambda: self._certificates.chain)

    async def serve(self, listener: socket.socket, orders: Orders) -> None:
        """Serves ``listener`` until it is told to stop, then drains: new connections are not taken, open ones are left
        ``drain_seconds``, then told to come again, and every end is reported. Returns when all is closed."""
        loop = asyncio.get_running_loop()
        reception = Reception(self._state, listener, self._certificates)
        reception.open()
        self._state.counters.add(Slot.LISTENING)
        beside = [loop.create_task(work) for work in (self._reports.run(), self._watch.run(), self._look_at_files(orders))]
        self._tick()
        try:
            await self._until_told(orders, reception)
            self._state.stopping = True
            if not orders.retire.is_set():
                reception.close()
                self._state.counters.add(Slot.LISTENING, -1)
            await self._drain()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await self._reports.flush(_FLUSH_SECONDS)
            self._manager.close()

    def _serve_client(self, before: Connection, transport: asyncio.Transport, address: str, first: bytes) -> None:
        ClientDoor(self._state, self._manager, transport, address).begin(before, first)

    async def _until_told(self, orders: Orders, reception: Reception) -> None:
        """Returns when it is time to drain: because of a stop, or because the last connection of a retired worker is gone."""
        loop = asyncio.get_running_loop()
        stop, retire = loop.create_task(orders.stop.wait()), loop.create_task(orders.retire.wait())
        await asyncio.wait((stop, retire), return_when=asyncio.FIRST_COMPLETED)
        if orders.retire.is_set():
            reception.close()
            self._state.counters.add(Slot.LISTENING, -1)
            _log.info("gateway_process_retires", connections=len(self._state.connections))
            while self._state.connections and not stop.done():
                self._empty.clear()
                empty = loop.create_task(self._empty.wait())
                await asyncio.wait((stop, empty), return_when=asyncio.FIRST_COMPLETED)
                empty.cancel()
        stop.cancel()
        retire.cancel()

    async def _look_at_files(self, orders: Orders) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(orders.read_again.wait(), _LOOK_AT_FILES_SECONDS)
            is_asked = orders.read_again.is_set()
            orders.read_again.clear()
            if self._certificates.look_again(is_asked=is_asked):
                self._watch.tell_all()

    async def _drain(self) -> None:
        _log.info("gateway_draining", connections=len(self._state.connections))
        for connection in tuple(self._state.connections):
            if isinstance(connection, (Arrival, Door, SpiceDoor, ClientDoor)):
                connection.stop()
        await self._until_empty(self._config.drain_seconds)
        for connection in tuple(self._state.connections):
            connection.stop()
        await self._until_empty(_CLOSING_SECONDS)
        for connection in tuple(self._state.connections):
            connection.abort()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=_CLOSING_SECONDS)

    async def _until_empty(self, timeout_seconds: float) -> None:
        """Waits until the last connection is gone, but no longer."""
        if self._state.connections:
            self._empty.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), timeout_seconds)

    def _tick(self) -> None:
        """Armed first, so that a mistake in one connection does not end the watch over the others."""
        self._timer = asyncio.get_running_loop().call_later(self._state.tick_seconds, self._tick)
        for connection in tuple(self._state.connections):
            connection.tick()

    def _report_end(self, name: SessionName, ended: Ended) -> None:
        _log.info(
            "session_ended",
            session_id=name.session_id,
            desktop_id=name.desktop_id,
            reason=ended.reason,
            bytes_in=ended.bytes_in,
            bytes_out=ended.bytes_out,
        )
        self._reports.add(name.session_id, ended)
