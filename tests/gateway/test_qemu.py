"""The gateway in front of QEMU's own VNC server: a password on a unix socket, and a picture."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gateway.conftest import fixture
from tests.gateway.managers import StandInManager
from tests.gateway.running import RunningGateway
from tests.gateway.screens import PASSWORD, Screen
from tests.gateway.viewers import Viewer
from tests.gateway.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.machine]


@dataclass
class Machine:
    """A machine without a disk. Its firmware says so on the screen."""

    process: asyncio.subprocess.Process
    screen: Screen


@fixture("function")
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    path, secret = tmp_path / "vnc.sock", tmp_path / "vnc.password"
    secret.write_text(PASSWORD)
    process = await asyncio.create_subprocess_exec(
        "qemu-system-x86_64",
        *("-nodefaults", "-display", "none", "-vga", "std", "-accel", "tcg", "-m", "32"),
        *("-object", f"secret,id=vnc,file={secret}"),
        *("-vnc", f"unix:{path},password-secret=vnc"),
    )

    async def listens() -> bool:
        assert process.returncode is None
        return path.is_socket()

    await eventually(listens, 20)
    yield Machine(process, Screen(target={"unix_path": str(path), "password": PASSWORD}))
    if process.returncode is None:
        process.kill()
        await process.wait()


async def test_a_picture_comes_through(gateway: RunningGateway, manager: StandInManager, machine: Machine) -> None:
    ticket = manager.issue(machine.screen)
    viewer = await Viewer.open(gateway, ticket)
    await viewer.write(b"\1")  # ClientInit: shared
    head = await viewer.read(24)  # ServerInit, RFC 6143 section 7.3.2
    width, height = int.from_bytes(head[:2], "big"), int.from_bytes(head[2:4], "big")
    name = await viewer.read(int.from_bytes(head[20:24], "big"))
    assert b"QEMU" in name
    await viewer.write(b"\2\0\0\1\0\0\0\0")  # SetEncodings: raw
    async with asyncio.timeout(60):
        while not any(await frame(viewer, width, height)):
            pass
    await viewer.close()
    ended = await manager.end_of(ticket)
    assert ended["reason"] == "viewer_closed"
    assert ended["bytes_out"] > 100_000


async def frame(viewer: Viewer, width: int, height: int) -> bytes:
    """The colors of one whole picture; QEMU's fourth byte of a pixel is padding."""
    await viewer.write(b"\3\0\0\0\0\0" + width.to_bytes(2, "big") + height.to_bytes(2, "big"))
    assert (await viewer.read(2))[0] == 0
    pixels = b""
    for _ in range(int.from_bytes(await viewer.read(2), "big")):
        rectangle = await viewer.read(12)
        assert rectangle[8:] == bytes(4)
        size = int.from_bytes(rectangle[4:6], "big") * int.from_bytes(rectangle[6:8], "big") * 4
        pixels += await viewer.read(size)
    return bytes(byte for place, byte in enumerate(pixels) if place % 4 != 3)


async def test_a_wrong_password_is_not_the_viewers_to_guess(
    gateway: RunningGateway, manager: StandInManager, machine: Machine
) -> None:
    ticket = manager.issue(machine.screen, password="wrong")
    with pytest.raises(Exception, match="HTTP 502"):
        await Viewer.open(gateway, ticket)
    assert (await manager.end_of(ticket))["reason"] == "screen_refused"


async def test_a_machine_that_is_killed(gateway: RunningGateway, manager: StandInManager, machine: Machine) -> None:
    ticket = manager.issue(machine.screen)
    viewer = await Viewer.open(gateway, ticket)
    await viewer.write(b"\1")
    await viewer.read(24)
    machine.process.kill()
    await machine.process.wait()
    assert (await viewer.closed())[0] == 4001
    assert (await manager.end_of(ticket))["reason"] == "screen_closed"
