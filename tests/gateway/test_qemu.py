"""The gateway in front of QEMU's own screens: a password on a unix socket, and a picture."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from tests.gateway.conftest import fixture
from tests.gateway.machines import Machine, a_machine
from tests.gateway.managers import StandInManager
from tests.gateway.running import RunningGateway
from tests.gateway.spice import link_message, proof
from tests.gateway.viewers import Viewer

SPICE_MSG_MAIN_INIT = 103
SPICE_LINK_ERR_PERMISSION_DENIED = 7

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.machine]


@fixture("function")
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    async with a_machine(tmp_path) as found:
        yield found


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


async def test_spice_is_linked_with_the_machines_own_password(
    gateway: RunningGateway, manager: StandInManager, machine: Machine
) -> None:
    ticket = manager.issue(machine.spice, protocol="spice")
    viewer = await Viewer.open_bare(gateway, ticket)
    assert await link(viewer) == bytes(4)
    message_type, size = struct.unpack("<HI", await viewer.read(6))
    assert message_type == SPICE_MSG_MAIN_INIT
    session = int.from_bytes((await viewer.read(size))[:4], "little")
    assert session
    await viewer.close()
    ended = await manager.end_of(ticket)
    assert ended["reason"] == "viewer_closed"
    assert ended["bytes_out"] > 0


async def test_a_wrong_spice_password_is_not_the_viewers_to_guess(
    gateway: RunningGateway, manager: StandInManager, machine: Machine
) -> None:
    ticket = manager.issue(machine.spice, protocol="spice", password="wrong")
    viewer = await Viewer.open_bare(gateway, ticket)
    assert await link(viewer) == SPICE_LINK_ERR_PERMISSION_DENIED.to_bytes(4, "little")
    assert (await viewer.closed())[0] == 4001


async def test_no_spice_where_vnc_is_spoken(gateway: RunningGateway, manager: StandInManager, machine: Machine) -> None:
    ticket = manager.issue(machine.screen, protocol="spice")
    viewer = await Viewer.open_bare(gateway, ticket)
    with suppress(ConnectionClosed):  # QEMU's greeting may already have told the gateway
        await viewer.write(link_message())
    assert (await viewer.closed())[0] == 4001
    # Depends on whether QEMU got its greeting out before it hung up.
    assert (await manager.end_of(ticket))["reason"] in {"screen_violation", "screen_closed"}


async def link(viewer: Viewer) -> bytes:
    """Go through the link stage of the main channel; answers the server's verdict."""
    await viewer.write(link_message())
    header = await viewer.read(16)
    assert header[:4] == b"REDQ"
    await viewer.read(int.from_bytes(header[12:], "little"))
    await viewer.write(proof())
    return await viewer.read(4)
