"""What stands around the relays that bench/gateway.py compares: a manager, and servers behind them.

A client asks for bytes with a message of 16 (a VNC ClientCutText of eight bytes that hold a number), and is sent so many. A
longer message is read to its end, and answered with one byte. The same is understood on a plain connection (behind websockify),
behind a VNC handshake (behind the gateway), and in WebSocket frames (behind proxies that pass them on as they are).
"""

import asyncio
import base64
import hashlib
import json
import socket
import struct
from dataclasses import dataclass, fields
from typing import Final, Self, cast

import uvloop
from gateway_spice import SpiceScreen

ASK_BYTES: Final = 16
_CHUNK: Final = bytes(256 * 1024)
_FRAMED_CHUNK: Final = struct.pack(">BBQ", 0x82, 127, len(_CHUNK)) + _CHUNK
_RFB: Final = b"RFB 003.008\n"
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Feed(asyncio.Protocol):
    """Answers what it is asked on a plain connection, after the byte that begins a VNC session."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._hello = 1
        self._left_to_read = 0
        self._left_to_send = 0
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(1 << 20, 1 << 18)

    def data_received(self, data: bytes) -> None:
        if self._left_to_read:
            self._read(data)
            return
        self._buffer += data
        if self._hello:
            taken = min(self._hello, len(self._buffer))
            del self._buffer[:taken]
            self._hello -= taken
        while len(self._buffer) >= ASK_BYTES and not self._left_to_read:
            length = int.from_bytes(self._buffer[4:8], "big")
            if length == ASK_BYTES - 8:
                self._left_to_send = int.from_bytes(self._buffer[8:16], "big")
                del self._buffer[:ASK_BYTES]
                self._send()
            else:
                rest = bytes(self._buffer[8:])
                self._buffer.clear()
                self._left_to_read = length
                self._read(rest)

    def _read(self, data: bytes) -> None:
        self._left_to_read -= len(data)
        if self._left_to_read <= 0:
            self._left_to_read = 0
            self.answer(b"k")

    def answer(self, data: bytes) -> None:
        self.transport.write(data)

    def chunk(self) -> bytes:
        return _CHUNK

    def _send(self) -> None:
        while self._left_to_send > 0 and not self._paused:
            if self._left_to_send < len(_CHUNK):
                self.answer(bytes(self._left_to_send))
                self._left_to_send = 0
            else:
                self.transport.write(self.chunk())
                self._left_to_send -= len(_CHUNK)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._send()


class Screen(Feed):
    """The same behind a VNC server's handshake without a password."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._steps = [len(_RFB), 1]
        self.transport.write(_RFB)

    def data_received(self, data: bytes) -> None:
        self._before = getattr(self, "_before", b"") + data
        while self._steps and len(self._before) >= self._steps[0]:
            self._before = self._before[self._steps.pop(0) :]
            self.transport.write(b"\1\1" if self._steps else bytes(4))
        if not self._steps and self._before:
            rest, self._before = self._before, b""
            super().data_received(rest)


class FramedFeed(Feed):
    """The same as a WebSocket server. What comes is not unmasked: the mask is zeros."""

    _is_open = False

    def __init__(self) -> None:
        super().__init__()
        self._head = b""
        self._frame_left = 0

    def data_received(self, data: bytes) -> None:
        self._head += data
        if not self._is_open:
            head, end, rest = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            key = next(
                line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
            )
            accepted = base64.b64encode(hashlib.sha1(key + _GUID).digest())
            self.transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Protocol: binary\r\nSec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
            )
            self._is_open, self._head = True, rest
        self._unframe()

    def _unframe(self) -> None:
        data, self._head = self._head, b""
        position = 0
        while position < len(data):
            if not self._frame_left:
                code = data[position + 1] & 127 if position + 1 < len(data) else 0
                size = 2 + 4 + (8 if code == 127 else 2 if code == 126 else 0)
                if len(data) - position < size:
                    self._head = data[position:]
                    return
                self._frame_left = code if code < 126 else int.from_bytes(data[position + 2 : position + size - 4], "big")
                position += size
            taken = min(self._frame_left, len(data) - position)
            super().data_received(data[position : position + taken])
            self._frame_left -= taken
            position += taken

    def answer(self, data: bytes) -> None:
        length = len(data)
        header = bytes((0x82, length)) if length < 126 else struct.pack(">BBQ", 0x82, 127, length)
        self.transport.write(header + data)

    def chunk(self) -> bytes:
        return _FRAMED_CHUNK


async def _manage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, screen_port: int, spice_port: int) -> None:
    """The manager: any ticket is good, no right ends, every report is welcome. Who asks for a channel is a SPICE viewer."""
    number = 0
    policy = {"clipboard_to_desktop": True, "clipboard_from_desktop": False}
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length"))
            question = await reader.readexactly(length)
            number += 1
            answer: dict[str, object] = {}
            if b"/redeem" in head:
                is_spice = b'"channel"' in question
                answer = {
                    "session_id": f"session-{id(writer)}-{number}",
                    "protocol": "spice" if is_spice else "vnc",
                    "user_id": "u",
                    "desktop_id": "d",
                    "target": {"host": "127.0.0.1", "port": spice_port if is_spice else screen_port, "password": ""},
                    "policy": policy,
                }
            body = json.dumps(answer).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


@dataclass(frozen=True)
class Listeners:
    """The manager's, and those of the servers behind the relays."""

    manager: socket.socket
    screen: socket.socket
    plain: socket.socket
    framed: socket.socket
    spice: socket.socket

    @classmethod
    def made(cls) -> Self:
        return cls(*(socket.create_server(("127.0.0.1", 0), backlog=4096) for _ in fields(cls)))


async def _serve(at: Listeners) -> None:
    loop = asyncio.get_running_loop()
    screen, spice = at.screen.getsockname()[1], at.spice.getsockname()[1]
    await asyncio.start_server(lambda reader, writer: _manage(reader, writer, screen, spice), sock=at.manager)
    for listener, kind in ((at.screen, Screen), (at.plain, Feed), (at.framed, FramedFeed), (at.spice, SpiceScreen)):
        await loop.create_server(kind, sock=listener, backlog=4096)
    await asyncio.Event().wait()


def serve(at: Listeners) -> None:
    """Runs until it is killed."""
    uvloop.run(_serve(at))
