"""Listening: one uvicorn in this process, with bounds on how long anybody may take, until the process is to end."""

import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from yunzhuo.phoenix.common import lifeline
from yunzhuo.phoenix.common.errors import Unavailable
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.webkit.asgi import App
from yunzhuo.webkit.intake import MAX_HEAD_BYTES

log = get_logger()

DRAIN_SECONDS = 4
HEAD_SECONDS = 15.0
KEEP_ALIVE_SECONDS = 20
_WANTED_DESCRIPTORS = 65536


class BoundedHead(H11Protocol):
    """HTTP/1.1 with a deadline for a request's head, from the connection's first moment or the head's first byte."""

    head_seconds = HEAD_SECONDS
    _head_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._await_head()
        else:
            self._head_is_here()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        if self._head_deadline is None:
            self._head_deadline = self.loop.call_later(self.head_seconds, self._give_up)

    def _head_is_here(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


class _Server(uvicorn.Server):
    """Ends by our lifeline's word; signals are none of its business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int, *, setting: str) -> socket.socket:
    """A socket bound to this address. Raises Unavailable when it cannot be; ``setting`` is where to choose another one."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise Unavailable("cannot_listen", f"Cannot listen on {host}: {error.strerror}. Look at {setting}.") from error
    try:
        if sys.platform == "win32":  # there SO_REUSEADDR lets two processes have the port, and its absence does not forbid it
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise Unavailable(
            "cannot_listen", f"Cannot listen on {host} port {port}: {error.strerror}. Choose another one with {setting}."
        ) from error
    return listener


def serve(
    app: App,
    listener: socket.socket,
    *,
    supervised: bool,
    beside: AbstractAsyncContextManager[object],
    on_end: Callable[[], None],
    tls: ssl.SSLContext | None = None,
    most_connections: int | None = None,
) -> None:
    """Serve ``app`` until this process is to end, over HTTPS with ``tls``; call from the main thread.

    Whoever comes beyond ``most_connections`` is answered 503.

    ``beside`` is entered before the first request and left after the last. At the end ``on_end`` is called (in the event
    loop: it closes what would last for ever), and requests get a few seconds to finish.
    """
    _allow_many_connections()
    server = _Server(_config(app, tls, most_connections))

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def end(why: lifeline.End) -> None:
            log.info("draining", why=why)
            server.should_exit = True
            on_end()

        lifeline.watch(lambda why: _in_loop(loop, end, why), supervised=supervised)
        async with beside:
            await server.serve(sockets=[listener])

    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(main())


@contextlib.asynccontextmanager
async def served_beside(app: App, listener: socket.socket) -> AsyncIterator[None]:
    """Another application on another socket, in the same event loop as what is inside."""
    server = _Server(_config(app, None))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def tls_of(certificate: str, key: str, *, setting: str) -> ssl.SSLContext:
    """TLS 1.2 or newer with a certificate chain and its key, of PEM files. Raises Unavailable; ``setting`` is where they are
    said."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key or None)
    except OSError as error:  # ssl.SSLError is one
        raise Unavailable("certificate_unusable", f"The certificate cannot be used: {error}. Look at {setting}.") from error
    return context


def _in_loop(loop: asyncio.AbstractEventLoop, end: Callable[[lifeline.End], None], why: lifeline.End) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended already, and everything with it
        loop.call_soon_threadsafe(end, why)


def _config(app: App, tls: ssl.SSLContext | None, most_connections: int | None = None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedHead,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=most_connections,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        ssl_context_factory=(lambda _config, _usual: tls) if tls is not None else None,
    )


def _allow_many_connections() -> None:
    """Every open page costs two descriptors; the usual limit of 1024 would end at five hundred."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 (there is none on Windows)

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_WANTED_DESCRIPTORS, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
