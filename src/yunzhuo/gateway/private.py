"""The private listener: is this gateway well, and what has it counted."""

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from typing import Final, cast

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from websockets.http11 import Request

from yunzhuo.gateway.metrics import CounterTable, Slot
from yunzhuo.gateway.protocol.errors import RequestRefused
from yunzhuo.gateway.protocol.upgrade import RequestReader, answer, refusal

_TIMEOUT_SECONDS: Final = 5.0
_HEAD_MAX_BYTES: Final = 8192

# What is wrong with the gateway now, if anything: a stable word.
Trouble = Callable[[], str | None]


class PrivateListener:
    """Answers ``/healthz`` (200, or 503 with the trouble) and ``/metrics`` for all processes of the gateway."""

    def __init__(self, name: str, counters: CounterTable, trouble: Trouble) -> None:
        self._name = name
        self._counters = counters
        self._trouble = trouble

    async def start(self, listener: socket.socket) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(lambda: _Question(self), sock=listener)

    def respond(self, request: Request) -> bytes:
        """The answer to ``request``. Raises RequestRefused."""
        if request.method != "GET":
            raise RequestRefused(405, "method_not_allowed", "only GET is understood", (("Allow", "GET"),))
        if request.path == "/metrics":
            return answer(200, CONTENT_TYPE_PLAIN_0_0_4, self._counters.exposition())
        if request.path == "/healthz":
            trouble = self._trouble()
            return _json(503 if trouble else 200, self._health(trouble))
        raise RequestRefused(404, "not_found", "there is nothing here")

    def _health(self, trouble: str | None) -> Mapping[str, object]:
        return {
            "status": trouble or "ok",
            "name": self._name,
            "connections": self._counters.total(Slot.CONNECTIONS_OPEN),
            "sessions": self._counters.total(Slot.SESSIONS_OPEN),
        }


def _json(status: int, body: Mapping[str, object]) -> bytes:
    return answer(status, "application/json", json.dumps(body).encode())


class _Question(asyncio.Protocol):
    """One request, one answer."""

    def __init__(self, listener: PrivateListener) -> None:
        self._listener = listener
        self._reader = RequestReader(max_bytes=_HEAD_MAX_BYTES)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._timer = asyncio.get_running_loop().call_later(_TIMEOUT_SECONDS, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        try:
            request = self._reader.receive(data)
            said = b"" if request is None else self._listener.respond(request)
        except RequestRefused as refused:
            said = refusal(refused)
        if said:
            self._transport.write(said)
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._timer.cancel()
