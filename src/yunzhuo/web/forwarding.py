"""Event streams pass through the web process to the stream process: an open page costs two coroutines, never a thread."""

import asyncio
import contextlib
from collections.abc import Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Self

import httpx

from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.web.asgi import Receive, Scope, Send, header, raw_headers, send_problem, until_disconnect
from yunzhuo.webkit.problems import Problem
from yunzhuo.webkit.request_ids import HEADER as REQUEST_ID_HEADER
from yunzhuo.webkit.request_ids import sane_or_new

log = get_logger()

_CONNECT_SECONDS = 2.0
_PASSED_ON = (b"cookie", b"authorization", b"last-event-id")
_PASSED_BACK = ("content-type", "cache-control", "retry-after", "www-authenticate", "x-accel-buffering")
_AWAY = Problem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "stream_unavailable",
    "The event stream cannot be reached; try again in a moment.",
    headers={"Retry-After": "1"},
)


class EventForwarder:
    """An ASGI application that answers with what the stream process says. To be entered in the loop that serves it.

    ``silence_seconds`` is how long the stream process may say nothing at all before it is taken for dead.
    """

    def __init__(self, port: int, *, silence_seconds: float, headers: Mapping[str, str]) -> None:
        self._base_url = f"http://127.0.0.1:{port}"
        self._timeout = httpx.Timeout(_CONNECT_SECONDS, read=silence_seconds)
        self._headers = headers
        self._relays: set[asyncio.Task[None]] = set()
        self._is_closing = False

    async def __aenter__(self) -> Self:
        # trust_env: a proxy for the outside world is none for our own loopback.
        unbounded = httpx.Limits(max_connections=None, max_keepalive_connections=8)
        self._client = httpx.AsyncClient(base_url=self._base_url, timeout=self._timeout, limits=unbounded, trust_env=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

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
        relaying = asyncio.create_task(relay.run(self._client))
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

    async def run(self, client: httpx.AsyncClient) -> None:
        """Relay until the other side ends; the response is begun, but not ended."""
        query = self._scope["query_string"].decode("ascii")
        address = self._scope["path"] + (f"?{query}" if query else "")
        try:
            async with client.stream("GET", address, headers=self._asked()) as upstream:
                await self._begin(upstream)
                async for chunk in upstream.aiter_raw():
                    await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        except httpx.TransportError as error:
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

    def _asked(self) -> list[tuple[bytes, bytes]]:
        passed = [(name, value) for name, value in self._scope["headers"] if name in _PASSED_ON]
        return [*passed, (REQUEST_ID_HEADER.lower().encode(), self._request_id.encode())]

    async def _begin(self, upstream: httpx.Response) -> None:
        own = {**self._headers, REQUEST_ID_HEADER: self._request_id}
        passed = [(name, upstream.headers[name]) for name in _PASSED_BACK if name in upstream.headers]
        headers = raw_headers(own) + raw_headers(passed)
        await self._send({"type": "http.response.start", "status": upstream.status_code, "headers": headers})
        self._has_begun = True
