"""The public door and people who do not come for a desktop."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.gateway.managers import StandInManager
from tests.gateway.running import RunningGateway
from tests.gateway.screens import Screen
from tests.gateway.viewers import Viewer, console_url, masked, offer, raw, upgrade
from tests.gateway.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.slow]


def status_of(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer[:100]
    return int(answer.split(b" ")[1])


def problem_of(answer: bytes) -> dict[str, Any]:
    problem: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return problem


REQUESTS = {
    "somewhere else": (b"GET /websockify HTTP/1.1\r\nHost: a\r\n\r\n", 404, "not_found"),
    "the path with something behind it": (upgrade("x" * 40, path="/v1/console?token=1"), 404, "not_found"),
    "no upgrade": (b"GET /v1/console HTTP/1.1\r\nHost: a\r\n\r\n", 426, "upgrade_required"),
    "a form": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 404, "not_found"),
    "garbage": (b"\x00\x01\x02garbage", 400, "bad_request"),
    "another protocol": (b"RFB 003.008\n", 400, "bad_request"),
    "no ticket": (upgrade("short"), 403, "ticket_missing"),
    "a stranger's page": (upgrade("x" * 40, "Origin: https://example.test"), 403, "origin_refused"),
    "a long header": (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, 431, "header_too_large"),
}


@pytest.mark.parametrize(("request_bytes", "status", "code"), REQUESTS.values(), ids=REQUESTS.keys())
async def test_refused(gateway: RunningGateway, request_bytes: bytes, status: int, code: str) -> None:
    before = await gateway.metric(f'yunzhuo_gateway_refused_total{{reason="{code}"}}')
    answer = await raw(gateway, request_bytes)
    assert status_of(answer) == status
    assert problem_of(answer)["code"] == code
    assert await gateway.metric(f'yunzhuo_gateway_refused_total{{reason="{code}"}}') == before + 1


async def test_a_curious_person_gets_a_word(gateway: RunningGateway) -> None:
    answer = await raw(gateway, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert status_of(answer) == 200
    assert b"Yunzhuo" in answer


async def test_twenty_megabytes_of_header(gateway: RunningGateway) -> None:
    before = gateway.memory_kib()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    sent = 0
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n")
        line = b"X-Long: " + b"x" * 8000 + b"\r\n"
        async with asyncio.timeout(30):
            while sent < 20 << 20:
                writer.write(line)
                sent += len(line)
                await writer.drain()
            answer = await reader.read()
        assert status_of(answer) == 431
    except ConnectionError:
        pass  # it would hear no more of it
    finally:
        writer.transport.abort()
    assert gateway.memory_kib() - before < 2048


async def test_random_garbage_is_closed(gateway: RunningGateway) -> None:
    for seed in range(20):
        answer = await raw(gateway, random.Random(seed).randbytes(500))
        assert status_of(answer) == 400


async def test_a_request_that_never_ends(impatient: RunningGateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", impatient.port)
    trickled = 0
    async with asyncio.timeout(30):
        answer = asyncio.create_task(reader.read())
        for byte in b"GET /v1/console HTTP/1.1\r\nHost: a\r\n" * 100:
            writer.write(bytes((byte,)))
            trickled += 1
            await asyncio.wait({answer}, timeout=0.05)
            if answer.done():
                break
    assert status_of(answer.result()) == 408
    assert trickled < 60
    writer.close()


async def test_a_viewer_that_never_ends_its_handshake(
    impatient: RunningGateway, manager: StandInManager, screen: Screen
) -> None:
    ticket = manager.issue(screen)
    async with connect(console_url(impatient), subprotocols=offer(ticket), proxy=None) as socket:
        assert await socket.recv() == b"RFB 003.008\n"
        await socket.wait_closed()
    assert (socket.close_code, socket.close_reason) == (4002, "the handshake took too long")
    assert (await manager.end_of(ticket))["reason"] == "handshake_timeout"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x82\x05hello", 1002),
        (b"\x82\xff" + (1 << 40).to_bytes(8, "big") + b"abcd", 1009),
        (masked(0x81, b"hello"), 1003),
        (masked(0x82, b"GET / HTTP/1.1"), 4002),
        (masked(0x88, b"\x03"), 1002),
    ],
    ids=["unmasked", "huge", "text", "not RFB", "half a close code"],
)
async def test_bad_frames(gateway: RunningGateway, manager: StandInManager, screen: Screen, sent: bytes, code: int) -> None:
    ticket = manager.issue(screen)
    answer = await raw(gateway, upgrade(ticket) + sent)
    head, _, frames = answer.partition(b"\r\n\r\n")
    assert status_of(head) == 101
    assert frames.startswith(b"\x82\x0cRFB 003.008\n\x88")
    assert int.from_bytes(frames[16:18], "big") == code
    assert (await manager.end_of(ticket))["reason"] == "viewer_violation"


async def test_a_hasty_client_loses_nothing(gateway: RunningGateway, manager: StandInManager, screen: Screen) -> None:
    """Everything at once, before any answer."""
    hello = masked(0x82, b"RFB 003.008\n") + masked(0x82, b"\1") + masked(0x82, b"echo!") + masked(0x88, b"")
    ticket = manager.issue(screen)
    answer = await raw(gateway, upgrade(ticket) + hello)
    assert answer.partition(b"\r\n\r\n")[2].startswith(b"\x82\x0cRFB 003.008\n\x82\x06\1\1\0\0\0\0")
    assert (await manager.end_of(ticket))["bytes_in"] == 5


async def test_room_for_five(impatient: RunningGateway, manager: StandInManager, screen: Screen) -> None:
    await eventually(nobody_at(impatient))
    viewers = [await Viewer.open(impatient, manager.issue(screen)) for _ in range(5)]
    answer = await raw(impatient, upgrade(manager.issue(screen)))
    assert status_of(answer) == 503
    assert b"Retry-After" in answer
    assert problem_of(answer)["code"] == "too_many_connections"
    for viewer in viewers:
        await viewer.close()
    await eventually(nobody_at(impatient))
    viewer = await Viewer.open(impatient, manager.issue(screen))
    await viewer.close()


async def test_a_crowd_at_the_door(impatient: RunningGateway, manager: StandInManager, screen: Screen) -> None:
    crowd = [await asyncio.open_connection("127.0.0.1", impatient.port) for _ in range(300)]
    await eventually(nobody_at(impatient))
    for _, writer in crowd:
        writer.transport.abort()
    viewer = await Viewer.open(impatient, manager.issue(screen))
    await viewer.close()


def nobody_at(gateway: RunningGateway) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        return not await gateway.metric("yunzhuo_gateway_connections_open")

    return ask


async def test_the_portals_page_may(impatient: RunningGateway, manager: StandInManager, screen: Screen) -> None:
    for origin in ("https://portal.example.test", "http://127.0.0.1:8080"):
        viewer = await Viewer.open(impatient, manager.issue(screen), origin=origin)
        await viewer.close()
