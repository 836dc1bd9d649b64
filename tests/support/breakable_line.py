"""A line between a page and a server that can be cut in the middle, or fall silent without anybody hanging up."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class BreakableLine:
    """``port`` is where the near end listens on loopback."""

    to_port: int
    port: int = 0
    connections: int = 0
    _silent_until: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop | None = None

    def cut(self) -> None:
        """Reset all connections at both ends."""
        assert self._loop is not None
        for writer in tuple(self._writers):
            self._loop.call_soon_threadsafe(writer.transport.abort)

    def is_used_again(self, connections: int) -> bool:
        """Whether there were more connections than so many."""
        return self.connections > connections

    def fall_silent(self) -> None:
        """Carry nothing more over the connections that there are; the next ones are well."""
        self._silent_until = self.connections

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, both ways."""
        self.connections += 1
        number = self.connections
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to_port)
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(self._one_way(number, reader, far_writer), self._one_way(number, far_reader, writer))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            for end in (writer, far_writer):
                self._writers.discard(end)
                end.transport.abort()

    async def _one_way(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if number > self._silent_until:
                writer.write(data)
                await writer.drain()
        writer.close()


@contextmanager
def breakable_line(to_port: int, listener: socket.socket | None = None) -> Iterator[BreakableLine]:
    """A line to a port of loopback, in a thread of its own; its near end is ``listener`` where that is given."""
    line, listening, ending = BreakableLine(to_port), threading.Event(), asyncio.Event()

    async def serve() -> None:
        line._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(line.carry, sock=listener or socket.create_server(("127.0.0.1", 0)))
        line.port = server.sockets[0].getsockname()[1]
        listening.set()
        await ending.wait()
        server.close()
        line.cut()
        await asyncio.sleep(0.1)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert listening.wait(10)
    try:
        yield line
    finally:
        assert line._loop is not None
        line._loop.call_soon_threadsafe(ending.set)
        thread.join(10)
