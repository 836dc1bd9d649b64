"""A client that reaches only the gateway: what it needs of the manager's API to sign in, list its desktops and get a ticket.

A few addresses and no others are passed on, with bounded bodies; what is asked with is the person's own token, never the
gateway's key. ``h11`` speaks HTTP.
"""

import asyncio
import re
from typing import Final

import h11

from yunzhuo.gateway.manager import ManagerAway, ManagerLink
from yunzhuo.gateway.protocol.errors import RequestRefused
from yunzhuo.gateway.protocol.upgrade import answer, refusal
from yunzhuo.gateway.state import Connection, WorkerState
from yunzhuo.phoenix.common.logging import get_logger

_log = get_logger()

_ID: Final = r"[A-Za-z0-9_-]{1,64}"
_PASSED_ON: Final = re.compile(
    rf"POST /api/v1/tokens|DELETE /api/v1/tokens/current|GET /api/v1/desktops(\?[!-~]{{0,512}})?"
    rf"|GET /api/v1/desktops/{_ID}|POST /api/v1/desktops/{_ID}/(connections|viewer-file)"
)
_HEADERS: Final = frozenset({b"authorization", b"content-type", b"accept-language", b"x-organization"})
_BODY_MAX_BYTES: Final = 16384
_LINGER_SECONDS: Final = 1.0


class ClientDoor(asyncio.Protocol):
    """One request, one answer."""

    __slots__ = ("_address", "_body", "_h11", "_lost", "_manager", "_request", "_state", "_task", "_timer", "_transport")

    def __init__(self, state: WorkerState, manager: ManagerLink, transport: asyncio.Transport, address: str) -> None:
        self._state = state
        self._manager = manager
        self._transport = transport
        self._address = address
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=state.config.limits.max_handshake_bytes)
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._lost = False
        timeout_seconds = state.config.limits.handshake_timeout_seconds
        self._timer = asyncio.get_running_loop().call_later(timeout_seconds, transport.abort)

    def begin(self, before: Connection, first: bytes) -> None:
        """Goes on where ``before`` was; ``first`` has come already."""
        self._state.replace(before, self)
        self._transport.set_protocol(self)
        self.data_received(first)

    def data_received(self, data: bytes) -> None:
        if self._task is not None or self._transport.is_closing():
            return
        try:
            self._h11.receive_data(data)
            self._read()
        except h11.ProtocolError:
            self._say(refusal(RequestRefused(400, "bad_request", "this is no request that can be understood")))
        except RequestRefused as refused:
            self._state.counters.refuse(refused.reason)
            self._say(refusal(refused))

    def _read(self) -> None:
        while (event := self._h11.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Request):
                if not _PASSED_ON.fullmatch(f"{event.method.decode()} {event.target.decode()}"):
                    raise RequestRefused(404, "not_found", "there is nothing here")
                self._request = event
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > _BODY_MAX_BYTES:
                    raise RequestRefused(413, "body_too_large", f"a body may have {_BODY_MAX_BYTES} bytes")
            elif isinstance(event, h11.EndOfMessage) and self._request is not None:
                self._timer.cancel()
                self._task = asyncio.get_running_loop().create_task(self._pass_on(self._request))
                self._state.run(self._task)
                return
            else:
                return

    async def _pass_on(self, request: h11.Request) -> None:
        headers = [(name.decode(), value.decode("latin-1")) for name, value in request.headers if name in _HEADERS]
        headers.append(("X-Forwarded-For", self._address))
        try:
            found = await self._manager.send(request.method.decode(), request.target.decode(), headers, bytes(self._body))
        except ManagerAway as error:
            _log.warning("manager_unreachable", error=str(error))
            busy = RequestRefused(503, "manager_unavailable", "the manager does not answer", (("Retry-After", "2"),))
            self._say(refusal(busy))
            return
        self._say(answer(found.status, found.content_type, found.body))

    def _say(self, said: bytes) -> None:
        if not self._lost:
            self._transport.write(said)
            self._transport.close()
            self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._transport.abort)

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        self._timer.cancel()
        self._state.remove(self, self._address)

    def tick(self) -> None:
        """Its time is bounded by its own timer, and by the manager's."""

    def stop(self) -> None:
        if self._task is None:
            self._transport.abort()

    def abort(self) -> None:
        self._transport.abort()
