"""Rights that end close what is open; what stands is told; files are read again; processes renewed: nobody else is cut off."""

import asyncio
import os
import signal
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.conftest import StartGateway, StartScreen
from tests.gateway.managers import StandInManager, session_of
from tests.gateway.running import KEY, RunningGateway
from tests.gateway.screens import Screen
from tests.gateway.test_stopping import children, free_port
from tests.gateway.test_tls import certificate
from tests.gateway.viewers import Viewer
from tests.gateway.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.slow]

POINTER = b"\5\0\0\1\0\1"
KEY_EVENT = b"\4\1\0\0\0\0\0A"
UPDATE_REQUEST = b"\3\1\0\0\0\0\1\0\1\0"


@pytest.fixture(autouse=True)
async def nothing_withdrawn(manager: StandInManager) -> AsyncIterator[None]:
    yield
    manager.withdrawn = {}
    manager.keys = {KEY}


async def test_a_withdrawn_right_closes_within_a_second(
    gateway: RunningGateway, manager: StandInManager, screen: Screen
) -> None:
    ticket, other = manager.issue(screen), manager.issue(screen)
    viewer, bystander = await Viewer.open(gateway, ticket), await Viewer.open(gateway, other)
    began = time.monotonic()
    manager.withdrawn = {session_of(ticket): "user_disabled"}
    assert await viewer.closed() == (4003, "the right to see this desktop has ended")
    assert time.monotonic() - began < 1
    assert (await manager.end_of(ticket))["reason"] == "user_disabled"
    await bystander.write(b"goes on")
    assert await bystander.read(7) == b"goes on"
    await bystander.close()


async def test_a_viewer_that_does_not_read_is_cut_off_all_the_same(
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
    manager.withdrawn = {session_of(ticket): "right_ended"}
    async with asyncio.timeout(2):
        await screen.deserted.wait()
    viewer.socket.transport.abort()


async def test_the_time_of_a_session_is_over(gateway: RunningGateway, manager: StandInManager, screen: Screen) -> None:
    ticket = manager.issue(screen, ends_in_seconds=0.2)
    viewer = await Viewer.open(gateway, ticket)
    assert await viewer.closed() == (4003, "the session's time is over")
    assert (await manager.end_of(ticket))["reason"] == "time_over"


async def test_what_stands_is_told(start_gateway: StartGateway, manager: StandInManager, screen: Screen) -> None:
    gateway = await start_gateway(report_seconds=0.1)
    ticket = manager.issue(screen)
    viewer = await Viewer.open(gateway, ticket)
    await viewer.write(b"\1" + UPDATE_REQUEST)
    assert await viewer.read(11) == b"\1" + UPDATE_REQUEST

    async def told() -> bool:
        return manager.reports.get(session_of(ticket), {}).get("bytes_in") == 11

    await eventually(told)

    async def idle() -> bool:
        return bool(manager.reports[session_of(ticket)]["idle_seconds"] >= 0.5)

    await eventually(idle)  # asking for pictures is nobody's doing
    assert manager.reports[session_of(ticket)]["round_trip_ms"] > 0

    async def says_what_it_can_carry() -> bool:
        return bool(manager.reported["capacity"] == 2000)  # the last words of the one before may come this late

    await eventually(says_what_it_can_carry)
    await viewer.write(POINTER)

    async def moved() -> bool:
        return bool(manager.reports[session_of(ticket)]["idle_seconds"] < 0.5)

    await eventually(moved)
    await viewer.close()


async def test_to_look_and_not_to_touch(gateway: RunningGateway, manager: StandInManager, screen: Screen) -> None:
    viewer = await Viewer.open(gateway, manager.issue(screen, policy={"view_only": True}))
    clipboard = b"\6\0\0\0\0\0\0\5paste"
    for piece in (b"\1" + POINTER, KEY_EVENT[:3], KEY_EVENT[3:] + clipboard + UPDATE_REQUEST[:1], UPDATE_REQUEST[1:]):
        await viewer.write(piece)
    assert await viewer.read(11) == b"\1" + UPDATE_REQUEST
    await viewer.close()


async def test_a_message_that_nobody_knows_passes_only_without_a_policy(
    gateway: RunningGateway, manager: StandInManager, screen: Screen
) -> None:
    viewer = await Viewer.open(gateway, manager.issue(screen))
    await viewer.write(b"\1\x99 of whatever kind")
    assert await viewer.read(18) == b"\1\x99 of whatever kind"[:18]
    await viewer.close()
    ticket = manager.issue(screen, policy={"clipboard_to_desktop": False})
    viewer = await Viewer.open(gateway, ticket)
    await viewer.write(b"\1\x99 of whatever kind")
    assert (await viewer.closed())[0] == 4003
    assert (await manager.end_of(ticket))["reason"] == "policy"


async def test_no_faster_than_a_policy_allows(
    gateway: RunningGateway, manager: StandInManager, start_screen: StartScreen
) -> None:
    async def flood(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(bytes(65536))
            await writer.drain()

    screen = await start_screen(scene=flood)
    viewer = await Viewer.open(gateway, manager.issue(screen, policy={"kib_per_second": 1024}))
    await viewer.read(1024 * 1024)
    began = time.monotonic()
    await viewer.read(2048 * 1024)
    assert time.monotonic() - began > 1
    viewer.socket.transport.abort()


@pytest.mark.servers
async def test_a_certificate_and_a_key_are_swapped_under_an_open_session(
    start_gateway: StartGateway, manager: StandInManager, screen: Screen, tmp_path: Path
) -> None:
    chain, private = certificate(tmp_path)
    gateway = await start_gateway(listen={"tls_certificate_file": chain.name, "tls_private_file": private.name})
    url = f"wss://127.0.0.1:{gateway.port}/v1/console"
    viewer = await Viewer.open(gateway, manager.issue(screen), url=url, ssl=ssl.create_default_context(cafile=str(chain)))
    old = chain.read_text()
    (tmp_path / "fresh").mkdir()
    for fresh in certificate(tmp_path / "fresh"):
        fresh.replace(tmp_path / fresh.name)
    manager.keys = {"another-key-of-the-same-gateway"}
    (tmp_path / "gateway.key").write_text("another-key-of-the-same-gateway\n")
    gateway.process.send_signal(signal.SIGHUP)
    await gateway.logged("gateway_files_read_again")
    other = await Viewer.open(gateway, manager.issue(screen), url=url, ssl=ssl.create_default_context(cafile=str(chain)))
    for one in (viewer, other):
        await one.write(b"still here")
        assert await one.read(10) == b"still here"

    async def told() -> bool:
        return manager.reported.get("certificate") not in ("", old, None)

    await eventually(told)
    chain.write_text("nonsense")
    gateway.process.send_signal(signal.SIGHUP)
    await gateway.logged("gateway_files_not_taken")
    await other.write(b"and here")
    assert await other.read(8) == b"and here"
    for one in (viewer, other):
        await one.close()


@pytest.mark.servers
async def test_processes_are_renewed_without_a_cut(
    start_gateway: StartGateway, manager: StandInManager, screen: Screen
) -> None:
    gateway = await start_gateway(processes=2, listen={"port": free_port()}, drain_seconds=0.2)

    async def all_there() -> bool:
        return (await gateway.get("/healthz")).status_code == 200

    await eventually(all_there, 60)
    before = children(gateway)
    tickets = [manager.issue(screen) for _ in range(6)]
    viewers = [await Viewer.open(gateway, ticket) for ticket in tickets]
    os.kill(gateway.process.pid, signal.SIGHUP)

    async def renewed() -> bool:
        fresh = set(children(gateway)) - set(before)
        return len(fresh) == 2 and await gateway.metric("yunzhuo_gateway_processes") == 2

    await eventually(renewed, 60)
    for viewer in viewers:
        await viewer.write(b"still here")
        assert await viewer.read(10) == b"still here"
    newcomer = await Viewer.open(gateway, manager.issue(screen))
    manager.withdrawn = {session_of(tickets[0]): "right_ended"}
    assert (await viewers[0].closed())[0] == 4003, "processes that retire still hear of it"
    for viewer in (*viewers[1:], newcomer):
        await viewer.close()

    async def old_ones_gone() -> bool:
        return not set(children(gateway)) & set(before)

    await eventually(old_ones_gone, 60)
    assert await gateway.metric("yunzhuo_gateway_sessions_open") == 0
