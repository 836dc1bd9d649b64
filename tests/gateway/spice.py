"""Both ends of a SPICE link: a server with a real key, and what a viewer sends."""

import asyncio
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.gateway.screens import PASSWORD

KEY = rsa.generate_private_key(65537, 1024)
MAIN_CHANNEL = 1
SELECTS_AUTH, MINI_HEADER = 1, 8


def link_message(channel: int = MAIN_CHANNEL, *, connection: int = 0, capabilities: int = SELECTS_AUTH | MINI_HEADER) -> bytes:
    """What a viewer begins a channel with."""
    body = struct.pack("<IBBIII", connection, channel, 0, 1, 0, 18) + capabilities.to_bytes(4, "little")
    return b"REDQ" + struct.pack("<III", 2, 2, len(body)) + body


def link_reply(*, capabilities: int = SELECTS_AUTH | MINI_HEADER, error: int = 0, key: bytes | None = None) -> bytes:
    """What a server answers to it."""
    der = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) if key is None else key
    body = struct.pack("<I162sIII", error, der, 1, 0, 178) + capabilities.to_bytes(4, "little")
    return b"REDQ" + struct.pack("<III", 2, 2, len(body)) + body


def proof(*, selects: bool = True) -> bytes:
    """What a viewer then sends: the way of the proof, and a password, which behind a gateway is any."""
    return (b"\1\0\0\0" if selects else b"") + b"\x5a" * 128


def password_of(sent: bytes) -> bytes:
    """What a server decrypts."""
    return KEY.decrypt(sent, padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None))


@dataclass
class SpiceServer:
    """Links any channel with the right password, then says back all that is said. ``passwords`` holds those it was given;
    ``greeting`` is said in one breath with the end of the link."""

    greeting: bytes = b""
    passwords: list[str] = field(default_factory=list)
    target: dict[str, Any] = field(default_factory=dict)
    _server: asyncio.Server | None = None

    async def start(self, folder: Path) -> None:
        path = folder / f"spice-{id(self)}.sock"
        self._server = await asyncio.start_unix_server(self._serve, path)
        self.target = {"unix_path": str(path), "password": PASSWORD}

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            header = await reader.readexactly(16)
            await reader.readexactly(int.from_bytes(header[12:], "little"))
            writer.write(link_reply())
            password = password_of((await reader.readexactly(132))[4:]).rstrip(b"\0").decode()
            self.passwords.append(password)
            writer.write((0 if password == PASSWORD else 7).to_bytes(4, "little") + self.greeting)
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the gateway hung up, as clients do
        finally:
            writer.close()
