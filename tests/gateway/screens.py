"""A small real RFB server: versions 3.3, 3.7 and 3.8, with and without VNC Authentication. What follows is the test's."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PASSWORD = "sesame42"
CHALLENGE = bytes(range(16))
# openssl enc -des-ecb -nopad, key: the password's bytes with their bits mirrored.
RESPONSE = bytes.fromhex("6eb3a343b49cf8b70d0ece7df88adc42")

Scene = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says back all that is said."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Listens, and says nothing."""
    while await reader.read(65536):
        pass


@dataclass
class Screen:
    """Listens on a unix socket, or on TCP. ``scene`` plays after the security handshake of each connection; ``deserted`` is
    set when all are closed again."""

    scene: Scene = echo
    version: bytes = b"RFB 003.008\n"
    password: bool = True
    security_types: tuple[int, ...] = ()
    opened: int = 0
    open_now: int = 0
    deserted: asyncio.Event = field(default_factory=asyncio.Event)
    target: dict[str, Any] = field(default_factory=dict)
    _server: asyncio.Server | None = None

    async def start(self, folder: Path | None = None) -> None:
        password = PASSWORD if self.password else ""
        if folder is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.target = {"host": "127.0.0.1", "port": self._server.sockets[0].getsockname()[1], "password": password}
        else:
            path = folder / f"screen-{id(self)}.sock"
            self._server = await asyncio.start_unix_server(self._serve, path)
            self.target = {"unix_path": str(path), "password": password}

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.open_now += 1
        self.deserted.clear()
        try:
            if await self._secure(reader, writer):
                await self.scene(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the gateway hung up, as clients do
        finally:
            self.open_now -= 1
            if not self.open_now:
                self.deserted.set()
            writer.close()

    async def _secure(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(self.version)
        assert await reader.readexactly(12) == self.version
        kind = 2 if self.password else 1
        if self.version == b"RFB 003.003\n":
            writer.write(kind.to_bytes(4, "big"))
        else:
            types = bytes(self.security_types or (kind,))
            writer.write(bytes((len(types),)) + types)
            assert (await reader.readexactly(1))[0] in types
        if self.password:
            writer.write(CHALLENGE)
            if await reader.readexactly(16) != RESPONSE:
                writer.write(b"\0\0\0\1" + (b"\0\0\0\7go away" if self.version == b"RFB 003.008\n" else b""))
                return False
        if self.password or self.version == b"RFB 003.008\n":
            writer.write(bytes(4))
        return True
