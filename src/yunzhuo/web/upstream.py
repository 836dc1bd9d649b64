"""One request to a neighbor on loopback whose answer is read as it comes.

Each has a connection of its own, closed with it. A pool would keep nothing: a stream is open for hours, and httpx's looks
through all its connections for each new one, which with thousands of open pages takes most of the time of opening one more.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import h11

_CONNECT_SECONDS = 2.0
_READ_BYTES = 65536


class Upstream:
    """An answer that has begun: its ``status`` and ``headers`` (lower-case names)."""

    def __init__(self, reader: asyncio.StreamReader, silence_seconds: float) -> None:
        self._reader = reader
        self._silence_seconds = silence_seconds
        self._http = h11.Connection(h11.CLIENT)
        self.status = 0
        self.headers: dict[str, str] = {}

    async def begin(self, request: h11.Request, writer: asyncio.StreamWriter) -> None:
        """Ask, and read the answer's head."""
        writer.write((self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b""))
        event = await self._next()
        if not isinstance(event, h11.Response):
            raise h11.RemoteProtocolError("no answer")
        self.status = event.status_code
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, as it comes, until it ends."""
        while isinstance(event := await self._next(), h11.Data):
            yield bytes(event.data)

    async def _next(self) -> h11.Event:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            async with asyncio.timeout(self._silence_seconds):
                self._http.receive_data(await self._reader.read(_READ_BYTES))
        if not isinstance(event, h11.Event):
            raise h11.RemoteProtocolError("more than one answer")
        return event


@asynccontextmanager
async def asking(
    port: int, target: str, headers: Iterable[tuple[bytes, bytes]], *, silence_seconds: float
) -> AsyncIterator[Upstream]:
    """GET ``target`` from 127.0.0.1, whose silence of so long is taken for its end.

    Raises OSError, TimeoutError and h11.RemoteProtocolError, here and while the body is read.
    """
    async with asyncio.timeout(_CONNECT_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_READ_BYTES)
    try:
        upstream = Upstream(reader, silence_seconds)
        host = (b"host", f"127.0.0.1:{port}".encode())
        await upstream.begin(h11.Request(method="GET", target=target, headers=[host, *headers]), writer)
        yield upstream
    finally:
        writer.close()
