"""A new connection, until it is refused or becomes a session. What it is, its first bytes say."""

import asyncio
from collections.abc import Callable
from typing import Final, cast

from websockets.http11 import Request

from yunzhuo.gateway.protocol.errors import RequestRefused
from yunzhuo.gateway.protocol.proxied import forwarded_for
from yunzhuo.gateway.protocol.spice import MAGIC
from yunzhuo.gateway.protocol.upgrade import CONSOLE_PATH, ConsoleRequest, RequestReader, answer, console_request, refusal
from yunzhuo.gateway.relay import Session
from yunzhuo.gateway.reports import Ended
from yunzhuo.gateway.spice_door import go_on_as_spice
from yunzhuo.gateway.state import Admitted, Connection, WorkerState
from yunzhuo.phoenix.common.logging import get_logger

_log = get_logger()

# What a client of the API begins with (see ``client_door``); the console's address is another one.
CLIENT_START: Final = (b"GET /api/v1/", b"POST /api/v1/", b"DELETE /api/v1/")
_WELCOME: Final = b"This is a Yunzhuo gateway. The portal opens desktops through it.\n"
# A refused peer may still be sending. Hearing it out for a moment lets it read why, which a reset connection would not.
_LINGER_SECONDS: Final = 1.0
_LINGER_MAX_BYTES: Final = 1024 * 1024


class Door(asyncio.Protocol):
    """Reads one request in bounded time and memory, has it admitted, then hands the connection over."""

    __slots__ = (
        *("_address", "_before", "_discarded_bytes", "_early", "_first", "_is_plain", "_lost"),
        *("_reader", "_state", "_task", "_timer", "_transport"),
    )

    def __init__(self, state: WorkerState, address: str, before: Connection) -> None:
        self._state = state
        self._address = address
        self._before = before
        self._reader: RequestReader | None = RequestReader(max_bytes=state.config.limits.max_handshake_bytes)
        self._early = bytearray()
        self._discarded_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._lost = False
        self._is_plain = False
        self._first: bytes | None = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        state = self._state
        self._transport = cast(asyncio.Transport, transport)
        state.replace(self._before, self)
        excess = len(state.connections) - state.config.limits.max_connections
        if excess > 0:
            self._refuse(_busy("too_many_connections", "the gateway has no room; try again in a moment"))
        elif self._is_one_too_many():
            self._refuse(_busy("too_many_from_address", "there are too many connections from this address"))
        elif state.refuses_plain and transport.get_extra_info("ssl_object") is None:
            self._is_plain = True
            self._set_timer(state.config.limits.handshake_timeout_seconds, self._transport.abort)
        else:
            self._set_timer(state.config.limits.handshake_timeout_seconds, self._on_timeout)

    def _may_become(self, data: bytes) -> bool:
        """Whether these few bytes do not yet say what will be spoken."""
        starts = (MAGIC, *CLIENT_START) if self._state.client_door is not None else (MAGIC,)
        return any(len(data) < len(start) and start.startswith(data) for start in starts)

    def _is_one_too_many(self) -> bool:
        state = self._state
        most = state.config.limits.max_connections_per_address
        return state.by_address[self._address] > most and not state.trusts(self._address)

    def data_received(self, data: bytes) -> None:
        if self._first is not None and self._reader is not None:
            data = self._first + data
            if self._may_become(data):
                self._first = data
                return
            self._first = None
            if data.startswith(MAGIC):
                self._clear_timer()
                go_on_as_spice(self._state, self, self._transport, self._address, data)
                return
            if self._state.client_door is not None and data.startswith(CLIENT_START) and not self._is_plain:
                self._clear_timer()
                self._state.client_door(self, self._transport, self._address, data)
                return
            if self._is_plain:
                self._refuse(RequestRefused(400, "tls_required", "this gateway speaks HTTPS only"))
                return
        if self._reader is None:
            self._discard(len(data))
        elif self._task is not None:
            # RFC 6455 section 4.1 has the client wait for our answer; a little more than that is not worth a word.
            self._early += data
            if len(self._early) > self._state.config.limits.max_handshake_bytes:
                self._transport.abort()
        else:
            try:
                request = self._reader.receive(data)
                if request is not None:
                    self._route(request)
            except RequestRefused as refused:
                self._refuse(refused)

    def _discard(self, size: int) -> None:
        self._discarded_bytes += size
        if self._discarded_bytes > _LINGER_MAX_BYTES:
            self._transport.abort()

    def _route(self, request: Request) -> None:
        if request.path == "/" and request.method == "GET":
            self._say(answer(200, "text/plain; charset=utf-8", _WELCOME))
        elif request.path == CONSOLE_PATH:
            wish = console_request(request, allowed_origins=self._state.allowed_origins)
            self._know_client(request)
            self._clear_timer()
            self._task = asyncio.get_running_loop().create_task(self._admit(wish))
            self._state.run(self._task)
        else:
            raise RequestRefused(404, "not_found", "there is nothing here")

    def _know_client(self, request: Request) -> None:
        """Who is there, if a proxy of ours says so."""
        if self._state.trusts(self._address):
            client = forwarded_for(", ".join(request.headers.get_all("X-Forwarded-For")))
            if client is not None:
                self._state.is_really(self._address, client)
                self._address = client

    async def _admit(self, wish: ConsoleRequest) -> None:
        """Goes on when the browser has gone: only so can the session be reported as ended."""
        try:
            self._enter(await self._state.admit(wish.ticket, client_address=self._address), wish.accepted)
        except RequestRefused as refused:
            self._refuse(refused)
        except BaseException:
            self._transport.abort()
            raise

    def _enter(self, admitted: Admitted, accepted: bytes) -> None:
        state = self._state
        if self._lost or state.stopping:
            admitted.screen.transport.abort()
            state.report_end(admitted.name, Ended(0, 0, "viewer_lost" if self._lost else "gateway_stopping"))
            self._refuse(_stopping())
            return
        session = Session(state, admitted, self._transport, is_framed=True)
        state.replace(self, session)
        _log.info(
            "session_opened",
            session_id=admitted.name.session_id,
            user_id=admitted.name.user_id,
            desktop_id=admitted.name.desktop_id,
            client_address=self._address,
        )
        early = (self._reader.take_rest() if self._reader else b"") + bytes(self._early)
        session.open(accepted, early)

    def _refuse(self, refused: RequestRefused) -> None:
        if self._lost:
            return
        self._state.counters.refuse(refused.reason)
        _log.debug("connection_refused", reason=refused.reason, status=refused.status, client_address=self._address)
        self._say(refusal(refused))

    def _say(self, last_words: bytes) -> None:
        """Answers, then hears the peer out for a moment."""
        self._reader = None
        self._early.clear()
        self._transport.write(last_words)
        if self._transport.can_write_eof():
            self._transport.write_eof()
            self._set_timer(_LINGER_SECONDS, self._transport.abort)
        else:
            self._set_timer(_LINGER_SECONDS, self._transport.abort)
            self._transport.close()

    def _on_timeout(self) -> None:
        self._refuse(RequestRefused(408, "handshake_timeout", "the request took too long"))

    def _set_timer(self, seconds: float, action: Callable[[], None]) -> None:
        self._clear_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, action)

    def _clear_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        self._clear_timer()
        self._state.remove(self, self._address)

    def tick(self) -> None:
        """A door's time is bounded by its own timer."""

    def stop(self) -> None:
        if self._reader is not None and self._task is None:
            self._refuse(_stopping())

    def abort(self) -> None:
        self._transport.abort()


def _busy(code: str, message: str) -> RequestRefused:
    return RequestRefused(503, code, message, (("Retry-After", "2"),))


def _stopping() -> RequestRefused:
    return _busy("gateway_stopping", "the gateway is stopping; try again in a moment")
