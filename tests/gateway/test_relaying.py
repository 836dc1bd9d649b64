"""An open session carries every byte, in both directions, and no more than it may."""

import asyncio
import random

import pytest

from tests.gateway.conftest import StartScreen
from tests.gateway.managers import StandInManager
from tests.gateway.running import RunningGateway
from tests.gateway.screens import Screen
from tests.gateway.viewers import Viewer
from tests.gateway.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.slow]


async def test_bytes_go_through_unchanged(gateway: RunningGateway, manager: StandInManager, screen: Screen) -> None:
    ticket = manager.issue(screen)
    viewer = await Viewer.open(gateway, ticket)
    for size in (1, 125, 126, 127, 65535, 65536, 300_000):
        sent = random.Random(size).randbytes(size)
        await viewer.write(sent)
        assert await viewer.read(size) == sent
    await viewer.close()
    ended = await manager.end_of(ticket)
    total = 1 + 125 + 126 + 127 + 65535 + 65536 + 300_000
    assert ended == {"bytes_in": total, "bytes_out": total, "reason": "viewer_closed"}
    assert {"ticket": ticket, "client_address": "127.0.0.1"} in manager.redeemed


async def test_fragments_and_many_small_messages(gateway: RunningGateway, manager: StandInManager, screen: Screen) -> None:
    ticket = manager.issue(screen)
    viewer = await Viewer.open(gateway, ticket)
    await viewer.socket.send([b"one ", b"message ", b"", b"in parts"])
    assert await viewer.read(20) == b"one message in parts"
    pieces = [random.Random(number).randbytes(number % 40) for number in range(500)]
    for piece in pieces:
        await viewer.write(piece)
    whole = b"".join(pieces)
    assert await viewer.read(len(whole)) == whole
    await viewer.close()


async def test_a_page_can_ask_how_long_the_way_is(gateway: RunningGateway, manager: StandInManager, screen: Screen) -> None:
    ticket = manager.issue(screen)
    viewer = await Viewer.open(gateway, ticket)
    await viewer.write(b"before")
    assert await viewer.read(6) == b"before"
    await viewer.socket.send("echo 12.5")
    assert await viewer.socket.recv() == "echo 12.5"
    await viewer.write(b"after")
    assert await viewer.read(5) == b"after"
    await viewer.close()
    assert (await manager.end_of(ticket))["bytes_in"] == 11  # nothing of it went to the screen


@pytest.mark.parametrize("version", [b"RFB 003.003\n", b"RFB 003.007\n", b"RFB 003.008\n"])
@pytest.mark.parametrize("password", [True, False])
async def test_every_version_of_a_screen(
    gateway: RunningGateway, manager: StandInManager, start_screen: StartScreen, version: bytes, password: bool
) -> None:
    screen = await start_screen(tcp=True, version=version, password=password)
    ticket = manager.issue(screen)
    viewer = await Viewer.open(gateway, ticket)
    await viewer.write(b"\1client init and more")
    assert await viewer.read(21) == b"\1client init and more"
    await viewer.close()


async def test_two_hundred_at_once(gateway: RunningGateway, manager: StandInManager, screen: Screen) -> None:
    async def work(number: int) -> None:
        viewer = await Viewer.open(gateway, tickets[number], open_timeout=60)
        sent = random.Random(number).randbytes(5000)
        await viewer.write(sent)
        assert await viewer.read(len(sent), 60) == sent
        await everybody_there.wait()
        await viewer.close()

    tickets = [manager.issue(screen) for _ in range(200)]
    everybody_there = asyncio.Barrier(200)
    sessions = await gateway.metric("yunzhuo_gateway_sessions_total")
    relayed = await gateway.metric('yunzhuo_gateway_relayed_bytes_total{direction="out"}')
    await asyncio.gather(*(work(number) for number in range(200)))
    assert screen.opened == 200
    for ticket in tickets:
        assert (await manager.end_of(ticket, 60))["bytes_out"] == 5000
    assert await gateway.metric("yunzhuo_gateway_sessions_total") == sessions + 200
    assert await gateway.metric("yunzhuo_gateway_sessions_open") == 0
    assert await gateway.metric('yunzhuo_gateway_relayed_bytes_total{direction="out"}') == relayed + 200 * 5000


async def test_masses_arrive_whole_at_a_browser_that_halts(
    gateway: RunningGateway, manager: StandInManager, start_screen: StartScreen
) -> None:
    """Large reads go past the gateway; what the browser does not take of them is kept, in its order."""
    piece = random.Random(5).randbytes(1 << 20)

    async def pour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(16):
            writer.write(number.to_bytes(2, "big") + piece)
            await writer.drain()
        await asyncio.sleep(3600)

    screen = await start_screen(scene=pour)
    ticket = manager.issue(screen)
    viewer = await Viewer.open(gateway, ticket, max_queue=1)
    for number in range(16):
        assert await viewer.read(2 + len(piece)) == number.to_bytes(2, "big") + piece
        if number % 4 == 0:
            await asyncio.sleep(0.1)
    await viewer.close()
    assert (await manager.end_of(ticket))["bytes_out"] == 16 * (2 + len(piece))


async def test_a_browser_that_does_not_read_costs_bounded_memory(
    gateway: RunningGateway, manager: StandInManager, start_screen: StartScreen
) -> None:
    offered = 0

    async def flood(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal offered
        while offered < 256 << 20:
            writer.write(bytes(65536))
            await writer.drain()
            offered += 65536

    screen = await start_screen(scene=flood)
    before = gateway.memory_kib()
    ticket = manager.issue(screen)
    viewer = await Viewer.open(gateway, ticket, max_queue=1)
    previous = -1
    while offered != previous:
        previous = offered
        await asyncio.sleep(0.3)
    assert offered < 32 << 20  # the rest of it is in the kernel's buffers
    assert gateway.memory_kib() - before < 4096
    viewer.socket.transport.abort()
    assert (await manager.end_of(ticket))["reason"] == "viewer_lost"


async def test_a_screen_that_does_not_read_costs_bounded_memory(
    gateway: RunningGateway, manager: StandInManager, start_screen: StartScreen
) -> None:
    let_go, received_all = asyncio.Event(), asyncio.Event()
    sent = 0

    async def stubborn(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await let_go.wait()
        await reader.readexactly(sent)
        received_all.set()

    async def push() -> None:
        nonlocal sent
        while True:
            await viewer.write(bytes(65536))
            sent += 65536

    screen = await start_screen(scene=stubborn)
    ticket = manager.issue(screen)
    viewer = await Viewer.open(gateway, ticket)
    before = gateway.memory_kib()
    pushing = asyncio.create_task(push())
    await asyncio.sleep(1)
    assert sent < 64 << 20
    assert gateway.memory_kib() - before < 4096
    pushing.cancel()
    let_go.set()
    async with asyncio.timeout(30):
        await received_all.wait()
    await viewer.close()


async def test_pings_of_a_browser_that_does_not_read_are_not_hoarded(
    gateway: RunningGateway, manager: StandInManager, start_screen: StartScreen
) -> None:
    async def flood(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(bytes(65536))
            await writer.drain()

    screen = await start_screen(scene=flood)
    ticket = manager.issue(screen)
    viewer = await Viewer.open(gateway, ticket, max_queue=1)
    await asyncio.sleep(0.5)
    before = gateway.memory_kib()
    for _ in range(20_000):
        viewer.socket.transport.write(bytes((0x89, 0x80 | 125)) + bytes(129))
    await asyncio.sleep(0.5)
    assert gateway.memory_kib() - before < 2048
    viewer.socket.transport.abort()


async def test_pings_are_answered(gateway: RunningGateway, manager: StandInManager, screen: Screen) -> None:
    ticket = manager.issue(screen)
    viewer = await Viewer.open(gateway, ticket)
    async with asyncio.timeout(30):
        await (await viewer.socket.ping(b"are you there"))
        await (await viewer.socket.ping(b""))
    await viewer.close()


async def test_the_end_of_the_screen_is_told(
    gateway: RunningGateway, manager: StandInManager, start_screen: StartScreen
) -> None:
    async def last_words(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(300_000))
        await writer.drain()

    screen = await start_screen(scene=last_words)
    ticket = manager.issue(screen)
    viewer = await Viewer.open(gateway, ticket)
    assert await viewer.read(300_000) == bytes(300_000)
    assert await viewer.closed() == (4001, "the desktop closed its screen")
    assert await manager.end_of(ticket) == {"bytes_in": 0, "bytes_out": 300_000, "reason": "screen_closed"}


async def test_the_end_of_the_viewer_closes_the_screen(
    gateway: RunningGateway, manager: StandInManager, screen: Screen
) -> None:
    ticket = manager.issue(screen)
    viewer = await Viewer.open(gateway, ticket)
    await viewer.socket.close(4999, "enough")
    assert viewer.socket.close_code == 4999
    assert (await manager.end_of(ticket))["reason"] == "viewer_closed"
    ticket = manager.issue(screen)
    viewer = await Viewer.open(gateway, ticket)
    viewer.socket.transport.abort()
    assert (await manager.end_of(ticket))["reason"] == "viewer_lost"
    async with asyncio.timeout(30):
        await screen.deserted.wait()


async def test_a_silent_browser_is_pinged_and_kept(impatient: RunningGateway, manager: StandInManager, screen: Screen) -> None:
    gateway = impatient
    ticket = manager.issue(screen)
    viewer = await Viewer.open(gateway, ticket)
    await asyncio.sleep(2.5)
    await viewer.write(b"still here")
    assert await viewer.read(10) == b"still here"
    await viewer.close()


async def test_a_browser_that_is_gone_without_a_word_is_given_up(
    impatient: RunningGateway, manager: StandInManager, screen: Screen
) -> None:
    gateway = impatient
    ticket = manager.issue(screen)
    viewer = await Viewer.open(gateway, ticket)
    viewer.socket.transport.pause_reading()  # as if its computer slept: the connection stands, nothing answers
    assert (await manager.end_of(ticket))["reason"] == "viewer_silent"
    async with asyncio.timeout(30):
        await screen.deserted.wait()

    async def nobody_is_there() -> bool:
        return not await gateway.metric("yunzhuo_gateway_connections_open")

    await eventually(nobody_is_there)
    viewer.socket.transport.abort()
