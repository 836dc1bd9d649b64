"""Calling a screen's real server: connect, and for VNC answer its security handshake with its password."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol, TypeVar, cast

from yunzhuo.gateway.protocol.errors import ScreenError
from yunzhuo.gateway.protocol.handshake import Handshake
from yunzhuo.gateway.protocol.rfb import ScreenSecurity, VncHandshake
from yunzhuo.gateway.protocol.spice import SpiceLink
from yunzhuo.gateway.protocol.spice_link import ScreenLink, ViewerLink
from yunzhuo.gateway.tickets import Target

_REASON_MAX_BYTES: Final = 1024
# A real link message has a few dozen bytes, and its answer about two hundred.
_LINK_MAX_BYTES: Final = 4096

_Made = TypeVar("_Made", bound=asyncio.Protocol)


@dataclass(frozen=True, slots=True)
class OpenScreen:
    """A connection that is not read from until a session takes it over, and the handshake that comes first then (None: both
    sides had theirs already, and ``channel`` is what a native SPICE viewer said in its own).

    ``rest`` is what the server said already and the viewer has to hear after the handshake.
    """

    transport: asyncio.Transport
    handshake: Handshake | None
    rest: bytes = b""
    channel: ViewerLink | None = None


class _Security(Protocol):
    """A handshake that the gateway makes in the viewer's place."""

    @property
    def done(self) -> bool: ...

    def receive(self, data: bytes) -> bytes: ...


class _SecurityProtocol(asyncio.Protocol):
    """Runs the handshake; ``finished`` is done with it, or fails with what was wrong."""

    def __init__(self, security: _Security, greeting: bytes = b"") -> None:
        self._security = security
        self._greeting = greeting
        self._transport: asyncio.Transport | None = None
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._greeting)

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


class _Silent(asyncio.Protocol):
    """A connection that waits for its session; nothing is expected of the server before the viewer has spoken."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).pause_reading()


async def open_screen(protocol: Literal["vnc", "spice"], target: Target, *, timeout_seconds: float) -> OpenScreen:
    """Reaches ``target`` and, for VNC, gets past its security. Raises ScreenError."""
    try:
        async with asyncio.timeout(timeout_seconds):
            return await (_open_spice(target) if protocol == "spice" else _open_vnc(target))
    except OSError as error:  # TimeoutError is one
        raise ScreenError("screen_unreachable", f"the screen's server cannot be reached: {_what(error)}") from error


async def _open_spice(target: Target) -> OpenScreen:
    link = SpiceLink(password=target.password.get_secret_value(), max_message_bytes=_LINK_MAX_BYTES)
    transport, _ = await _connect(target, _Silent)
    return OpenScreen(transport, link)


async def _open_vnc(target: Target) -> OpenScreen:
    security = ScreenSecurity(password=target.password.get_secret_value(), max_reason_bytes=_REASON_MAX_BYTES)
    transport = await _secured(target, lambda: _SecurityProtocol(security))
    return OpenScreen(transport, VncHandshake(), security.take_rest())


async def open_linked(link: ViewerLink, target: Target, *, timeout_seconds: float) -> OpenScreen:
    """Reaches ``target`` and links there to the channel that a native SPICE viewer asked for. Raises ScreenError."""
    security = ScreenLink(
        link.hello,
        is_mini=link.is_mini,
        password=target.password.get_secret_value(),
        max_message_bytes=_LINK_MAX_BYTES,
    )
    try:
        async with asyncio.timeout(timeout_seconds):
            transport = await _secured(target, lambda: _SecurityProtocol(security, security.greeting))
    except OSError as error:
        raise ScreenError("screen_unreachable", f"the screen's server cannot be reached: {_what(error)}") from error
    return OpenScreen(transport, None, security.take_rest(), link)


async def _secured(target: Target, make: Callable[[], _SecurityProtocol]) -> asyncio.Transport:
    transport, protocol = await _connect(target, make)
    try:
        await protocol.finished
    except BaseException:  # a cancelled call, too, must not leave the connection open
        transport.abort()
        raise
    return transport


async def _connect(target: Target, make: Callable[[], _Made]) -> tuple[asyncio.Transport, _Made]:
    loop = asyncio.get_running_loop()
    if target.unix_path:
        with _short_name(Path(target.unix_path)) as name:
            return await loop.create_unix_connection(make, name)
    transport, protocol = await loop.create_connection(make, target.host, target.port)
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
