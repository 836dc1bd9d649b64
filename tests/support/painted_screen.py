"""A screen that a browser can look at without a virtual machine: a small RFB server (RFC 6143) that paints, takes another
size, and notes the keys that are pressed."""

import asyncio
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum

from tests.gateway.screens import Screen

FIRST_SIZE = (1024, 640)
_EXTENDED_DESKTOP_SIZE = -308
_PIXEL_FORMAT = struct.pack("!BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)


class _Message(IntEnum):
    """What a client says."""

    SET_PIXEL_FORMAT = 0
    SET_ENCODINGS = 2
    UPDATE_REQUEST = 3
    KEY = 4
    POINTER = 5
    CUT_TEXT = 6
    SET_SIZE = 251


# How many bytes follow the kind; messages with a length inside are read further.
_BODY_LENGTHS = {
    _Message.SET_PIXEL_FORMAT: 19,
    _Message.SET_ENCODINGS: 3,
    _Message.UPDATE_REQUEST: 9,
    _Message.KEY: 7,
    _Message.POINTER: 5,
    _Message.CUT_TEXT: 7,
    _Message.SET_SIZE: 7,
}


@dataclass
class PaintedScreen:
    """What the test sees of the screen. ``port`` is where it listens on loopback."""

    port: int = 0
    size: tuple[int, int] = FIRST_SIZE
    color: tuple[int, int, int] = (38, 70, 120)
    keys: list[int] = field(default_factory=list)
    connections: int = 0
    _is_new: bool = False
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop | None = None

    def cut(self) -> None:
        """Close all connections, as a network that fails."""
        assert self._loop is not None
        for writer in list(self._writers):
            self._loop.call_soon_threadsafe(writer.close)

    async def play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client after its security handshake."""
        self.connections += 1
        self._writers.append(writer)
        try:
            await reader.readexactly(1)  # ClientInit
            name = b"painted"
            writer.write(struct.pack("!HH", *self.size) + _PIXEL_FORMAT + struct.pack("!I", len(name)) + name)
            while True:
                await self._answer(reader, writer)
        finally:
            self._writers.remove(writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kind = _Message((await reader.readexactly(1))[0])
        body = await reader.readexactly(_BODY_LENGTHS[kind])
        if kind is _Message.SET_ENCODINGS:
            await reader.readexactly(4 * struct.unpack("!xH", body)[0])
            writer.write(self._sized(reason=0))
        elif kind is _Message.CUT_TEXT:
            await reader.readexactly(abs(struct.unpack("!3xi", body)[0]))
        elif kind is _Message.SET_SIZE:
            width, height, screens = struct.unpack("!xHHBx", body)
            await reader.readexactly(16 * screens)
            self.size, self._is_new = (width, height), True
            writer.write(self._sized(reason=1))
        elif kind is _Message.UPDATE_REQUEST and (self._is_new or not body[0]):  # incremental ones wait for a change
            self._is_new = False
            writer.write(self._painted())
            await writer.drain()
        elif kind is _Message.KEY and body[0]:
            self.keys.append(struct.unpack("!3xI", body)[0])

    def _sized(self, *, reason: int) -> bytes:
        width, height = self.size
        rectangle = struct.pack("!HHHHi", reason, 0, width, height, _EXTENDED_DESKTOP_SIZE)
        return struct.pack("!BxH", 0, 1) + rectangle + struct.pack("!B3xIHHHHI", 1, 1, 0, 0, width, height, 0)

    def _painted(self) -> bytes:
        width, height = self.size
        red, green, blue = self.color
        rows = []
        for row in range(height):
            light = row * 90 // height
            # The client asks for red first: its own format is what it gets.
            pixel = bytes((min(red + light, 255), min(green + light, 255), min(blue + light, 255), 0))
            rows.append(pixel * width)
        return struct.pack("!BxHHHHHi", 0, 1, 0, 0, width, height, 0) + b"".join(rows)


@contextmanager
def painted_screen() -> Iterator[PaintedScreen]:
    """A screen that listens in a thread of its own."""
    painted = PaintedScreen()
    listening, ending = threading.Event(), asyncio.Event()

    async def serve() -> None:
        painted._loop = asyncio.get_running_loop()
        screen = Screen(scene=painted.play, password=False)
        await screen.start()
        painted.port = screen.target["port"]
        listening.set()
        await ending.wait()
        painted.cut()
        await screen.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert listening.wait(10)
    try:
        yield painted
    finally:
        assert painted._loop is not None
        painted._loop.call_soon_threadsafe(ending.set)
        thread.join(10)
