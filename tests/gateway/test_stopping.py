"""The end of a gateway: by signal or with its supervisor, always in good order."""

import asyncio
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.gateway.conftest import StartGateway, config_for, folder_with_key
from tests.gateway.managers import StandInManager
from tests.gateway.running import RunningGateway
from tests.gateway.screens import Screen
from tests.gateway.viewers import Viewer
from tests.gateway.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.servers]


@pytest.mark.parametrize("way", ["SIGTERM", "SIGINT", "end of input"])
async def test_open_sessions_are_told(start_gateway: StartGateway, manager: StandInManager, screen: Screen, way: str) -> None:
    gateway = await start_gateway(supervised=way != "SIGINT", drain_seconds=0.5)
    ticket = manager.issue(screen)
    viewer = await Viewer.open(gateway, ticket)
    began = time.monotonic()
    if way == "end of input":
        assert gateway.process.stdin is not None
        gateway.process.stdin.close()
    else:
        gateway.process.send_signal(signal.Signals[way])
    await gateway.logged("gateway_draining")
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", gateway.port)
    assert (await gateway.get("/healthz")).status_code == 503
    await viewer.write(b"a last word")
    assert await viewer.read(11) == b"a last word"
    assert await viewer.closed() == (1012, "the gateway is stopping; connect again")
    assert await gateway.ended() == 0
    assert 0.5 <= time.monotonic() - began < 10
    assert await manager.end_of(ticket) == {"bytes_in": 11, "bytes_out": 11, "reason": "gateway_stopping"}


async def test_nobody_there_nothing_to_wait_for(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(drain_seconds=30)
    assert await gateway.end(timeout_seconds=20) == 0


async def test_those_who_do_not_listen_do_not_hold_it_up(
    start_gateway: StartGateway, manager: StandInManager, screen: Screen
) -> None:
    gateway = await start_gateway(drain_seconds=0.1)
    viewer = await Viewer.open(gateway, manager.issue(screen))
    viewer.socket.transport.pause_reading()
    _, half_a_request = await asyncio.open_connection("127.0.0.1", gateway.port)
    half_a_request.write(b"GET /v1")
    assert await gateway.end(timeout_seconds=30) == 0
    viewer.socket.transport.abort()
    half_a_request.close()


async def test_the_manager_is_away_at_the_end(start_gateway: StartGateway, manager: StandInManager, screen: Screen) -> None:
    gateway = await start_gateway()
    viewer = await Viewer.open(gateway, manager.issue(screen))
    port = manager.port
    await manager.stop()
    try:
        assert await gateway.end(timeout_seconds=30) == 0
        assert await gateway.logged("session_end_not_told")
    finally:
        await manager.start(port)
    await viewer.closed()


async def test_what_is_missing_is_all_said_at_once(manager: StandInManager, tmp_path: Path) -> None:
    taken = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    config = config_for(manager, listen={"port": port, "tls_certificate_file": "none.pem", "tls_private_file": "none.pem"})
    gateway = await RunningGateway.launch(config, tmp_path)
    assert await gateway.ended() == 1
    problems = {entry["what"]: entry["problem"] for entry in gateway.log if entry["event"] == "gateway_cannot_start"}
    assert set(problems) == {"key_file", "certificates", "listen"}
    assert f"port {port}" in problems["listen"]
    taken.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def test_several_processes(start_gateway: StartGateway, manager: StandInManager, screen: Screen) -> None:
    gateway = await start_gateway(processes=2, listen={"port": free_port()}, drain_seconds=0.2)

    async def all_there() -> bool:
        return (await gateway.get("/healthz")).status_code == 200

    await eventually(all_there, 60)
    viewers = [await Viewer.open(gateway, manager.issue(screen)) for _ in range(8)]
    for viewer in viewers:
        await viewer.write(b"hello")
        assert await viewer.read(5) == b"hello"
    assert await gateway.metric("yunzhuo_gateway_sessions_open") == 8
    victim = children(gateway)[0]
    os.kill(victim, signal.SIGKILL)
    await gateway.logged("gateway_process_died")
    await eventually(all_there, 60)
    assert victim not in children(gateway)
    viewer = await Viewer.open(gateway, manager.issue(screen))
    gateway.process.terminate()
    assert (await viewer.closed())[0] == 1012
    assert await gateway.ended() == 0
    for viewer in viewers:
        await viewer.closed()


async def test_processes_do_not_outlive_the_first(start_gateway: StartGateway, manager: StandInManager) -> None:
    gateway = await start_gateway(processes=2, listen={"port": free_port()})

    async def all_there() -> bool:
        return (await gateway.get("/healthz")).status_code == 200

    await eventually(all_there, 60)
    workers = children(gateway)
    gateway.process.kill()
    await gateway.process.wait()

    async def all_gone() -> bool:
        return not any(map(alive, workers))

    await eventually(all_gone, 60)


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def children(gateway: RunningGateway) -> list[int]:
    """The worker processes, not the helper that `multiprocessing` starts beside them."""
    pids = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children").read_text().split()
    return [int(pid) for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def test_a_key_that_everybody_may_read_is_mentioned(manager: StandInManager, tmp_path: Path) -> None:
    (folder_with_key(tmp_path) / "gateway.key").chmod(0o644)
    gateway = await RunningGateway.start(config_for(manager), tmp_path)
    await gateway.logged("gateway_key_open_to_everybody")
    assert await gateway.end() == 0
