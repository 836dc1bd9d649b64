"""Whoever does not get a request's head out in time is let go, and nobody else."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import uvicorn

from yunzhuo.webkit.asgi import Receive, Scope, Send
from yunzhuo.webkit.serving import BoundedHead, listen

pytestmark = pytest.mark.slow

SECONDS = 0.3


class Impatient(BoundedHead):
    head_seconds = SECONDS


async def slow(scope: Scope, receive: Receive, send: Send) -> None:
    """Takes longer to answer than heads may take to come."""
    await asyncio.sleep(SECONDS * 2)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    listener = listen("127.0.0.1", 0, setting="a test")
    config = uvicorn.Config(slow, http=Impatient, ws="none", lifespan="off", log_config=None, log_level="warning")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield listener.getsockname()[1]
    server.should_exit = True
    await serving


async def answer(port: int, *parts: bytes, pause_seconds: float = 0) -> bytes:
    """What comes back until the other side closes, or one answer is there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await asyncio.sleep(pause_seconds)
        async with asyncio.timeout(SECONDS * 20):
            return await reader.read(1000)
    finally:
        writer.close()


async def test_silence_is_not_waited_for(port: int) -> None:
    assert await answer(port) == b""


async def test_a_head_that_never_ends_is_not_waited_for(port: int) -> None:
    drops = [b"GET / HTTP/1.1\r\n", *[b"X-Drop: 1\r\n"] * 20]
    with suppress(ConnectionError):  # the rest of it met a closed door
        assert await answer(port, *drops, pause_seconds=SECONDS / 8) == b""


async def test_an_answer_may_take_longer(port: int) -> None:
    assert (await answer(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 204")


async def test_a_second_request_has_its_own_time(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.read(1000)).startswith(b"HTTP/1.1 204")
    writer.close()


def test_a_taken_port_is_said_with_the_setting() -> None:
    from yunzhuo.phoenix.common.errors import Unavailable

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Unavailable, match=r"\[web\] port"):
            listen("127.0.0.1", taken.getsockname()[1], setting="[web] port")
    with pytest.raises(Unavailable, match=r"Look at \[web\] host"):
        listen("no.such.host.invalid", 1, setting="[web] host")
