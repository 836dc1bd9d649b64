"""Event streams pass through the web process to the stream process: an open page costs two coroutines, never a thread."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from http import HTTPStatus

import h11

from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.web.upstream import Upstream, asking
from yunzhuo.webkit.asgi import RawHeaders, Receive, Scope, Send, header, raw_headers, send_problem, until_disconnect
from yunzhuo.webkit.problems import Problem
from yunzhuo.webkit.request_ids import HEADER as REQUEST_ID_HEADER
from yunzhuo.webkit.request_ids import sane_or_new

log = get_logger()

Ask = Callable[[str, RawHeaders], AbstractAsyncContextManager[Upstream]]
_PASSED_ON = (b"cookie", b"authorization", b"last-event-id")
_PASSED_BACK = ("content-type", "cache-control", "retry-after", "www-authenticate", "x-accel-buffering")
_AWAY = Problem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "stream_unavailable",
    "The event stream cannot be reached; try again in a moment.",
    headers={"Retry-After": "1"},
)


class EventForwarder:
    """An ASGI application that answers with what the stream process says.

    ``silence_seconds`` is how long the stream process may say nothing at all before it is taken for dead.
    """

    def __init__(self, port: int, *, silence_seconds: float, headers: Mapping[str, str]) -> None:
        self._ask = partial(asking, port, silence_seconds=silence_seconds)
        self._headers = headers
        self._relays: set[asyncio.Task[None]] = set()
        self._is_closing = False

    def close(self) -> None:
        """End all streams, and let none begin."""
        self._is_closing = True
        for relay in self._relays:
            relay.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        relay = _Relay(scope, send, sane_or_new(header(scope, REQUEST_ID_HEADER.lower().encode())), self._headers)
        if self._is_closing:
            await relay.refuse()
            return
        relaying = asyncio.create_task(relay.run(self._ask))
        watching = asyncio.create_task(until_disconnect(receive))
        self._relays.add(relaying)
        watching.add_done_callback(lambda _: relaying.cancel())
        try:
            await asyncio.wait({relaying})
        finally:
            self._relays.discard(relaying)
            watching.cancel()
            relaying.cancel()
            await asyncio.gather(watching, relaying, return_exceptions=True)
        await relay.finish()


class _Relay:
    """One stream on its way through."""

    def __init__(self, scope: Scope, send: Send, request_id: str, headers: Mapping[str, str]) -> None:
        self._scope = scope
        self._send = send
        self._request_id = request_id
        self._headers = headers
        self._has_begun = False

    async def run(self, ask: Ask) -> None:
        """Relay until the other side ends; the response is begun, but not ended."""
        query = self._scope["query_string"].decode("ascii")
        address = self._scope["path"] + (f"?{query}" if query else "")
        try:
            async with ask(address, self._asked()) as upstream:
                await self._begin(upstream)
                async for chunk in upstream.chunks():
                    await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        except (OSError, TimeoutError, h11.RemoteProtocolError) as error:
            # Begun or not: the browser comes again and takes its stream up where it was.
            log.debug("stream_away", error=type(error).__name__)

    async def refuse(self) -> None:
        """Answer that there is no stream now."""
        await send_problem(self._send, _AWAY, self._request_id, self._headers)

    async def finish(self) -> None:
        """End the response; if nothing has been said, say that the stream is away."""
        if not self._has_begun:
            await self.refuse()
            return
        with contextlib.suppress(OSError):  # the client has gone
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def _asked(self) -> RawHeaders:
        passed = [(name, value) for name, value in self._scope["headers"] if name in _PASSED_ON]
        return [*passed, (REQUEST_ID_HEADER.lower().encode(), self._request_id.encode())]

    async def _begin(self, upstream: Upstream) -> None:
        own = {**self._headers, REQUEST_ID_HEADER: self._request_id}
        passed = [(name, upstream.headers[name]) for name in _PASSED_BACK if name in upstream.headers]
        headers = raw_headers(own) + raw_headers(passed)
        await self._send({"type": "http.response.start", "status": upstream.status, "headers": headers})
        self._has_begun = True
