"""Calling a screen's real server: connect, and answer its security handshake with its password."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from yunzhuo.gateway.protocol.errors import ScreenError
from yunzhuo.gateway.protocol.rfb import ScreenSecurity
from yunzhuo.gateway.tickets import Target

_REASON_MAX_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class OpenScreen:
    """A connection on which the server waits for ClientInit. It is not read from until a session takes it over."""

    transport: asyncio.Transport
    rest: bytes


class _SecurityProtocol(asyncio.Protocol):
    """Runs the handshake; ``finished`` is done with it, or fails with what was wrong."""

    def __init__(self, security: ScreenSecurity) -> None:
        self._security = security
        self._transport: asyncio.Transport | None = None
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self.finished.done():
            return
        try:
            self._transport.write(self._security.receive(data))
        except ScreenError as error:
            self.finished.set_exception(error)
            return
        if self._security.done:
            self._transport.pause_reading()
            self.finished.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_exception(ScreenError("screen_closed", "the screen's server closed the connection"))


async def open_screen(target: Target, *, timeout_seconds: float) -> OpenScreen:
    """Reaches ``target`` and gets past its security. Raises ScreenError."""
    security = ScreenSecurity(password=target.password.get_secret_value(), max_reason_bytes=_REASON_MAX_BYTES)
    transport: asyncio.Transport | None = None
    try:
        async with asyncio.timeout(timeout_seconds):
            transport, protocol = await _connect(target, security)
            await protocol.finished
        return OpenScreen(transport, security.take_rest())
    except BaseException as error:  # a cancelled call, too, must not leave the connection open
        if transport is not None:
            transport.abort()
        if isinstance(error, OSError):  # TimeoutError is one
            raise ScreenError("screen_unreachable", f"the screen's server cannot be reached: {_what(error)}") from error
        raise


async def _connect(target: Target, security: ScreenSecurity) -> tuple[asyncio.Transport, _SecurityProtocol]:
    loop = asyncio.get_running_loop()
    if target.unix_path:
        with _short_name(Path(target.unix_path)) as name:
            return await loop.create_unix_connection(lambda: _SecurityProtocol(security), name)
    transport, protocol = await loop.create_connection(lambda: _SecurityProtocol(security), target.host, target.port)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return transport, protocol


@contextmanager
def _short_name(path: Path) -> Iterator[str]:
    """A name for ``path`` that fits into the 107 bytes of a socket's address (unix(7)), however deep its folder lies."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _what(error: OSError) -> str:
    return error.strerror or type(error).__name__
