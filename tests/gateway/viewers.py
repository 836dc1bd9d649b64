"""A viewer made of the `websockets` client library, and a raw one for what no library would send."""

import asyncio
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.gateway.running import RunningGateway


def console_url(gateway: RunningGateway) -> str:
    return f"ws://127.0.0.1:{gateway.port}/v1/console"


def offer(ticket: str) -> list[websockets.Subprotocol]:
    """The subprotocols of a browser that has this ticket."""
    return [websockets.Subprotocol("binary"), websockets.Subprotocol(f"ticket.{ticket}")]


class Viewer:
    """A VNC viewer up to the end of its security handshake; then bytes."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._buffer = b""

    @classmethod
    async def open(cls, gateway: RunningGateway, ticket: str, *, url: str = "", **options: Any) -> "Viewer":
        """Opens the WebSocket and gets past the security handshake, which asks for nothing."""
        viewer = await cls.open_bare(gateway, ticket, url=url, **options)
        await viewer.secure()
        return viewer

    @classmethod
    async def open_bare(cls, gateway: RunningGateway, ticket: str, *, url: str = "", **options: Any) -> "Viewer":
        """Opens the WebSocket and says nothing."""
        options = {"compression": None, "proxy": None, "ping_interval": None, "max_size": None, **options}
        viewer = cls(await connect(url or console_url(gateway), subprotocols=offer(ticket), **options))
        assert viewer.socket.subprotocol == "binary"
        return viewer

    async def secure(self) -> None:
        assert await self.read(12) == b"RFB 003.008\n"
        await self.write(b"RFB 003.008\n")
        assert await self.read(2) == b"\1\1"
        await self.write(b"\1")
        assert await self.read(4) == bytes(4)

    async def write(self, data: bytes) -> None:
        await self.socket.send(data)

    async def read(self, size: int, timeout_seconds: float = 30) -> bytes:
        """Exactly ``size`` bytes of payload."""
        async with asyncio.timeout(timeout_seconds):
            while len(self._buffer) < size:
                message = await self.socket.recv()
                assert isinstance(message, bytes)
                self._buffer += message
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    async def close(self) -> None:
        await self.socket.close()

    async def closed(self, timeout_seconds: float = 30) -> tuple[int | None, str | None]:
        """The close code and reason, when the other side has closed."""
        async with asyncio.timeout(timeout_seconds):
            await self.socket.wait_closed()
        return self.socket.close_code, self.socket.close_reason


async def raw(gateway: RunningGateway, sent: bytes, *, timeout_seconds: float = 30) -> bytes:
    """All that the gateway says to ``sent`` until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    async with asyncio.timeout(timeout_seconds):
        try:
            writer.write(sent)
            return await reader.read()
        finally:
            writer.close()


def upgrade(ticket: str, *headers: str, path: str = "/v1/console") -> bytes:
    """A browser's request for a console, by hand."""
    lines = (
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Sec-WebSocket-Protocol: binary, ticket.{ticket}",
        *headers,
    )
    return "\r\n".join((*lines, "", "")).encode()


def masked(first: int, payload: bytes, mask: bytes = b"abcd") -> bytes:
    """A client's frame with a short payload, by hand; ``first`` is its first byte."""
    assert len(payload) < 126
    return bytes((first, 0x80 | len(payload))) + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
