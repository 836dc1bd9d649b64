"""One event loop of a gateway: listens, watches over its connections, and comes to an end in good order."""

import asyncio
import contextlib
import socket
import ssl
from typing import Final

from yunzhuo.gateway.admission import Admission
from yunzhuo.gateway.config import GatewayConfig
from yunzhuo.gateway.door import Door
from yunzhuo.gateway.metrics import Counters, Slot
from yunzhuo.gateway.reports import Ended, EndReports
from yunzhuo.gateway.state import SessionName, WorkerState
from yunzhuo.gateway.tickets import manager_client
from yunzhuo.phoenix.common.logging import get_logger

_log = get_logger()

_LONGEST_TICK_SECONDS: Final = 1.0
_CLOSING_SECONDS: Final = 2.5
_FLUSH_SECONDS: Final = 2.0


class Worker:
    """Serves one listening socket until it is told to stop."""

    def __init__(self, config: GatewayConfig, key: str, counters: Counters) -> None:
        self._config = config
        self._client = manager_client(config, key)
        self._reports = EndReports(self._client, counters)
        self._empty = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        idle = min(config.limits.idle_ping_seconds, config.limits.pong_timeout_seconds)
        self._state = WorkerState(
            config=config,
            allowed_origins=frozenset(config.allowed_origins),
            counters=counters,
            admit=Admission(self._client, config.limits, self._report_end).admit,
            report_end=self._report_end,
            tick_seconds=min(_LONGEST_TICK_SECONDS, idle / 4),
            on_empty=self._empty.set,
        )

    async def serve(self, listener: socket.socket, stopping: asyncio.Event) -> None:
        """Serves ``listener`` until ``stopping``, then drains: new connections are not taken, open ones are left
        ``drain_seconds``, then told to come again, and every end is reported. Returns when all is closed."""
        loop = asyncio.get_running_loop()
        tls = tls_context(self._config)
        server = await loop.create_server(
            lambda: Door(self._state),
            sock=listener,
            ssl=tls,
            ssl_handshake_timeout=self._config.limits.handshake_timeout_seconds if tls else None,
        )
        self._state.counters.add(Slot.LISTENING)
        reporting = loop.create_task(self._reports.run())
        self._tick()
        try:
            await stopping.wait()
            self._state.stopping = True
            server.close()
            self._state.counters.add(Slot.LISTENING, -1)
            await self._drain()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            reporting.cancel()
            await asyncio.gather(reporting, return_exceptions=True)
            await self._reports.flush(_FLUSH_SECONDS)
            await self._client.aclose()

    async def _drain(self) -> None:
        _log.info("gateway_draining", connections=len(self._state.connections))
        for connection in tuple(self._state.connections):
            if isinstance(connection, Door):
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


def tls_context(config: GatewayConfig) -> ssl.SSLContext | None:
    """What the configured certificate serves with; None when there is none. Raises OSError (SSLError is one)."""
    if not config.listen.tls_certificate_file:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(config.listen.tls_certificate_file, config.listen.tls_private_file)
    return context
