"""Native SPICE at the same port: the ticket is the password, read with the gateway's own key; and real viewers."""

import asyncio
import os
import shutil
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.gateway.conftest import StartGateway, fixture
from tests.gateway.machines import Machine, a_machine
from tests.gateway.managers import StandInManager
from tests.gateway.running import RunningGateway
from tests.gateway.screens import Screen
from tests.gateway.spice import SpiceServer, link_message
from tests.gateway.test_stopping import free_port
from tests.gateway.test_tls import certificate
from tests.gateway.waiting import eventually
from yunzhuo.services.rules.viewer_file import viewer_file

PERMISSION_DENIED, NEED_SECURED, NOT_AVAILABLE = 7, 5, 9
KEY_PRESS = struct.pack("<HI", 101, 4) + b"\x1e\0\0\0"
ACK = struct.pack("<HI", 2, 0)

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.slow]


class NativeViewer:
    """One channel of a native viewer: the link stage, then bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def link(self, password: str, *, channel: int = 1) -> int:
        """Goes through the link stage; answers the verdict."""
        self.writer.write(link_message(channel))
        reply = await self.reply()
        error = int.from_bytes(reply[:4], "little")
        if error:
            return error
        key = load_der_public_key(reply[4:166])
        assert isinstance(key, rsa.RSAPublicKey)
        oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
        self.writer.write(b"\1\0\0\0" + key.encrypt(password.encode() + b"\0", oaep))
        return int.from_bytes(await self.read(4), "little")

    async def reply(self) -> bytes:
        header = await self.read(16)
        assert header[:4] == b"REDQ"
        return await self.read(int.from_bytes(header[12:], "little"))

    async def read(self, size: int) -> bytes:
        async with asyncio.timeout(30):
            return await self.reader.readexactly(size)

    async def ended(self) -> bytes:
        """All that still comes, until the other side has closed."""
        async with asyncio.timeout(30):
            return await self.reader.read()


Connect = Callable[..., Awaitable[NativeViewer]]


@fixture("function")
async def native() -> AsyncIterator[Connect]:
    """Connects native viewers, and closes them at the end."""
    opened: list[NativeViewer] = []

    async def connect(gateway: RunningGateway, *, tls: ssl.SSLContext | None = None) -> NativeViewer:
        viewer = NativeViewer(*await asyncio.open_connection("127.0.0.1", gateway.port, ssl=tls))
        opened.append(viewer)
        return viewer

    yield connect
    for viewer in opened:
        viewer.writer.transport.abort()


@fixture("function")
async def server(tmp_path: Path) -> AsyncIterator[SpiceServer]:
    server = SpiceServer()
    await server.start(tmp_path)
    yield server
    await server.stop()


def ticket_for(manager: StandInManager, server: SpiceServer, **options: object) -> str:
    return manager.issue(Screen(target=server.target), protocol="spice", **options)  # type: ignore[arg-type]


@pytest.mark.servers
async def test_a_server_that_has_much_to_say_at_once(
    native: Connect, start_gateway: StartGateway, manager: StandInManager, server: SpiceServer, tmp_path: Path
) -> None:
    """It comes before there is a session, in one piece that is larger than what is read for a viewer behind TLS."""
    chain, private = certificate(tmp_path)
    gateway = await start_gateway(listen={"tls_certificate_file": chain.name, "tls_private_file": private.name, "plain": True})
    server.greeting = os.urandom(250_000)
    for tls in (None, ssl.create_default_context(cafile=str(chain))):
        viewer = await native(gateway, tls=tls)
        assert await viewer.link(ticket_for(manager, server)) == 0
        assert await viewer.read(len(server.greeting)) == server.greeting


async def test_a_channel_is_linked_with_the_servers_own_password(
    native: Connect, gateway: RunningGateway, manager: StandInManager, server: SpiceServer
) -> None:
    ticket = ticket_for(manager, server)
    viewer = await native(gateway)
    assert await viewer.link(ticket) == 0
    viewer.writer.write(b"bytes as they are")
    assert await viewer.read(17) == b"bytes as they are"
    assert server.passwords == ["sesame42"]
    assert manager.redeemed[-1] == {"ticket": ticket, "client_address": "127.0.0.1", "channel": "main"}
    viewer.writer.close()
    ended = await manager.end_of(ticket)
    assert (ended["bytes_in"], ended["reason"]) == (17, "viewer_lost")


async def test_what_is_no_ticket(
    native: Connect, gateway: RunningGateway, manager: StandInManager, server: SpiceServer, screen: Screen
) -> None:
    spent = ticket_for(manager, server)
    first = await native(gateway)
    assert await first.link(spent) == 0
    for wrong in (spent, "made-up-by-somebody-else", "short", "", manager.issue(screen)):
        viewer = await native(gateway)
        assert await viewer.link(wrong) == PERMISSION_DENIED
        assert await viewer.ended() == b""


async def test_channels_share_a_ticket_across_processes(
    native: Connect, start_gateway: StartGateway, manager: StandInManager, server: SpiceServer
) -> None:
    gateway = await start_gateway(processes=2, listen={"port": free_port()})
    ticket = ticket_for(manager, server, times=8)

    async def all_there() -> bool:
        return (await gateway.get("/healthz")).status_code == 200

    await eventually(all_there, 60)
    viewers = [await native(gateway) for _ in range(8)]
    for channel, viewer in enumerate(viewers, 1):
        assert await viewer.link(ticket, channel=channel) == 0
        viewer.writer.write(ACK)
        assert await viewer.read(len(ACK)) == ACK


async def test_what_a_policy_keeps_out(
    native: Connect, gateway: RunningGateway, manager: StandInManager, server: SpiceServer
) -> None:
    inputs = await native(gateway)
    assert await inputs.link(ticket_for(manager, server, policy={"view_only": True}), channel=3) == 0
    inputs.writer.write(KEY_PRESS + ACK + KEY_PRESS + ACK)
    assert await inputs.read(2 * len(ACK)) == ACK + ACK
    usb = await native(gateway)
    assert await usb.link(ticket_for(manager, server, policy={"usb": False}), channel=9) == PERMISSION_DENIED


async def test_tls_is_asked_for_where_there_is_a_certificate(
    native: Connect, start_gateway: StartGateway, manager: StandInManager, server: SpiceServer, tmp_path: Path
) -> None:
    chain, private = certificate(tmp_path)
    gateway = await start_gateway(listen={"tls_certificate_file": chain.name, "tls_private_file": private.name})
    plain = await native(gateway)
    assert await plain.link("whatever") == NEED_SECURED
    secured = await native(gateway, tls=ssl.create_default_context(cafile=str(chain)))
    assert await secured.link(ticket_for(manager, server)) == 0
    secured.writer.write(b"inside TLS")
    assert await secured.read(10) == b"inside TLS"


@pytest.mark.parametrize(
    "sent", [b"REDQ" + b"\xff" * 40, b"REDQ" + b"\0" * 12, b"REDX" * 10, b"REDQ\2\0\0\0\2\0\0\0\0\x10\0\0"]
)
async def test_nonsense_gets_no_further(native: Connect, gateway: RunningGateway, sent: bytes) -> None:
    viewer = await native(gateway)
    viewer.writer.write(sent)
    viewer.writer.write_eof()
    assert b"REDQ" not in await viewer.ended()


@fixture("function")
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    async with a_machine(tmp_path) as found:
        yield found


@pytest.mark.machine
async def test_a_picture_by_a_real_viewer(
    gateway: RunningGateway, manager: StandInManager, machine: Machine, tmp_path: Path
) -> None:
    """spicy-screenshot is spice-gtk, as remote-viewer is."""
    ticket = manager.issue(machine.spice, protocol="spice", times=10)
    picture = tmp_path / "screen.ppm"
    program = shutil.which("spicy-screenshot")
    assert program, "the Debian package spice-client-gtk is missing: make setup"
    viewer = await asyncio.create_subprocess_exec(
        *(program, "-h", "127.0.0.1", "-p", str(gateway.port), "-w", ticket, "-o", str(picture)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    async with asyncio.timeout(60):
        said, _ = await viewer.communicate()
    assert picture.exists(), said.decode()
    head, _, pixels = picture.read_bytes().partition(b"255\n")
    assert head.startswith(b"P6\n")
    assert any(pixels)


@pytest.mark.machine
async def test_remote_viewer_opens_the_file_and_deletes_it(
    start_gateway: StartGateway, manager: StandInManager, machine: Machine, tmp_path: Path
) -> None:
    chain, private = certificate(tmp_path)
    gateway = await start_gateway(
        listen={"tls_certificate_file": chain.name, "tls_private_file": private.name}, report_seconds=0.3
    )
    ticket = manager.issue(machine.spice, protocol="spice", times=10)
    file = tmp_path / "desktop.vv"
    url = f"wss://127.0.0.1:{gateway.port}"
    file.write_text(viewer_file(url=url, ticket=ticket, title="Lin's desktop", certificate=chain.read_text()))
    programs = [shutil.which(name) for name in ("xvfb-run", "remote-viewer")]
    assert all(programs), "the Debian packages xvfb, xauth and virt-viewer are missing: make setup"
    viewer = await asyncio.create_subprocess_exec(
        *(programs[0], "-a", programs[1], "--debug", str(file)),  # type: ignore[arg-type]
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, "HOME": str(tmp_path), "GDK_BACKEND": "x11", "NO_AT_BRIDGE": "1"},
    )

    async def four_channels() -> bool:
        channels = [asked.get("channel") for asked in manager.redeemed if asked["ticket"] == ticket]
        return {"main", "display", "inputs", "cursor"} <= set(channels) and not file.exists()

    try:
        await eventually(four_channels, 60)
    finally:
        os.killpg(viewer.pid, 15)
        await viewer.communicate()
