"""An event stream passes through: as it comes, to its end, and with a plain answer when the other side is away."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.support.asgi import Conversation

from yunzhuo.web.forwarding import EventForwarder

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BEGIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Own: no\r\nTransfer-Encoding: chunked\r\n\r\n"


@asynccontextmanager
async def neighbor(serve: Serve, silence_seconds: float = 20) -> AsyncIterator[EventForwarder]:
    """A forwarder to something that answers like this, once the request's head is read."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield EventForwarder(port, silence_seconds=silence_seconds, headers={"X-Safe": "yes"})


async def test_what_comes_is_passed_on_at_once_and_to_the_end() -> None:
    asked: list[bytes] = []
    go_on = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(BEGIN + b"6\r\nfirst\n\r\n")
        await go_on.wait()
        writer.write(b"7\r\nsecond\n\r\n0\r\n\r\n")
        await writer.drain()

    async with neighbor(serve) as forwarder:
        headers = {"Cookie": "a=b", "Last-Event-ID": "7", "X-Other": "stays here"}
        talk = Conversation(forwarder, "GET", "/events", headers, "last_event_id=7")
        await talk.until("first")
        go_on.set()
        await talk.until("second")
        await talk.end()
    assert asked[0].startswith(b"GET /events?last_event_id=7 HTTP/1.1\r\n")
    assert b"cookie: a=b" in asked[0].lower()
    assert b"stays here" not in asked[0]
    assert talk.status == 200
    assert talk.headers["x-safe"] == "yes"
    assert "x-own" not in talk.headers
    assert talk.messages[-1]["more_body"] is False


async def test_a_neighbor_that_is_silent_is_away() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with neighbor(serve, silence_seconds=0.05) as forwarder:
        talk = Conversation(forwarder, "GET", "/events")
        await talk.end()
    assert talk.status == 503
    assert json.loads(talk.body)["code"] == "stream_unavailable"


async def test_a_neighbor_that_only_says_that_it_will_answer_is_away() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await writer.drain()

    async with neighbor(serve) as forwarder:
        talk = Conversation(forwarder, "GET", "/events")
        await talk.end()
    assert talk.status == 503


async def test_at_the_end_all_streams_end_and_none_begins() -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(BEGIN + b"6\r\nfirst\n\r\n")
        await reader.read(-1)

    async with neighbor(serve) as forwarder:
        talk = Conversation(forwarder, "GET", "/events")
        await talk.until("first")
        forwarder.close()
        await talk.end()
        late = Conversation(forwarder, "GET", "/events")
        await late.end()
    assert talk.messages[-1]["more_body"] is False
    assert (late.status, json.loads(late.body)["code"]) == (503, "stream_unavailable")
    assert len(asked) == 1


async def test_a_stream_that_is_cut_ends() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(BEGIN + b"6\r\nfirst\n\r\n10\r\nhalf")
        await writer.drain()

    async with neighbor(serve) as forwarder:
        talk = Conversation(forwarder, "GET", "/events")
        await talk.end()
    assert talk.body == b"first\nhalf"
    assert talk.messages[-1]["more_body"] is False


async def test_a_client_that_goes_takes_its_connection_along() -> None:
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(BEGIN + b"6\r\nfirst\n\r\n")
        await reader.read(-1)
        gone.set()

    async with neighbor(serve) as forwarder:
        talk = Conversation(forwarder, "GET", "/events")
        await talk.until("first")
        talk.leave()
        async with asyncio.timeout(5):
            await gone.wait()
        await talk.end()
