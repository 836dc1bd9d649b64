"""The gateway behind HAProxy and nginx, with the configuration that ships: who is there is known, and every kind of viewer gets
through."""

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.gateway.conftest import StartGateway, fixture
from tests.gateway.managers import StandInManager
from tests.gateway.running import RunningGateway
from tests.gateway.screens import Screen
from tests.gateway.spice import SpiceServer
from tests.gateway.test_native_spice import NativeViewer, ticket_for
from tests.gateway.test_stopping import free_port
from tests.gateway.test_tls import certificate
from tests.gateway.viewers import Viewer, upgrade
from tests.gateway.waiting import eventually
from yunzhuo.gateway.protocol.errors import ProtocolError
from yunzhuo.gateway.protocol.proxied import forwarded_for, take_header

SHIPPED = Path(__file__).parents[2] / "infras" / "proxy"
V2 = b"\r\n\r\n\0\r\nQUIT\n"
V2_TCP4 = V2 + b"\x21\x11\0\x0c" + bytes((192, 0, 2, 9, 10, 0, 0, 1)) + b"\x12\x34\x1f\x91"

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.slow]


@asynccontextmanager
async def proxy(command: list[str], port: int) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE)

    async def listens() -> bool:
        assert process.returncode is None, (await process.stderr.read()).decode() if process.stderr else ""
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    try:
        await eventually(listens)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


def haproxy(folder: Path, gateway: RunningGateway, port: int) -> list[str]:
    (folder / "both.pem").write_bytes((folder / "chain.pem").read_bytes() + (folder / "private.pem").read_bytes())
    text = (SHIPPED / "haproxy.cfg").read_text()
    for shipped, ours in {
        "*:80\n": f"127.0.0.1:{free_port()}\n",
        "*:443 ": f"127.0.0.1:{free_port()} ",
        "*:8443": f"127.0.0.1:{port}",
        "/etc/ssl/yunzhuo/both.pem": str(folder / "both.pem"),
        "127.0.0.1:8081": f"127.0.0.1:{gateway.port}",
    }.items():
        assert shipped in text
        text = text.replace(shipped, ours)
    (folder / "haproxy.cfg").write_text(text)
    return [program("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")]


def nginx(folder: Path, gateway: RunningGateway, port: int) -> list[str]:
    text = (SHIPPED / "nginx-screens.conf").read_text()
    for shipped, ours in {"listen 8443": f"listen 127.0.0.1:{port}", "127.0.0.1:8081": f"127.0.0.1:{gateway.port}"}.items():
        assert shipped in text
        text = text.replace(shipped, ours)
    module = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
    load = f"load_module {module};\n" if module.exists() else ""
    head = f"{load}daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/nginx.log;\nevents {{ }}\n"
    (folder / "nginx.conf").write_text(head + text)
    return [program("nginx"), "-c", str(folder / "nginx.conf"), "-e", str(folder / "nginx.log")]


def program(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin")
    assert found, f"{name} is missing: make setup"
    return found


@fixture("function")
async def server(tmp_path: Path) -> AsyncIterator[SpiceServer]:
    server = SpiceServer()
    await server.start(tmp_path)
    yield server
    await server.stop()


Command = Callable[[Path, RunningGateway, int], list[str]]


@pytest.mark.servers
@pytest.mark.parametrize("command", [haproxy, nginx])
async def test_browsers_and_native_viewers_come_through_one_port(
    start_gateway: StartGateway,
    manager: StandInManager,
    screen: Screen,
    server: SpiceServer,
    tmp_path: Path,
    command: Command,
) -> None:
    chain, private = certificate(tmp_path)
    gateway = await start_gateway(
        listen={"tls_certificate_file": chain.name, "tls_private_file": private.name}, trusted_proxies=["127.0.0.1"]
    )
    port, tls = free_port(), ssl.create_default_context(cafile=str(chain))
    async with proxy(command(tmp_path, gateway, port), port):
        ticket = manager.issue(screen)
        viewer = await Viewer.open(gateway, ticket, url=f"wss://127.0.0.1:{port}/v1/console", ssl=tls)
        await viewer.write(bytes(100_000))
        assert await viewer.read(100_000) == bytes(100_000)
        await viewer.close()
        assert (await manager.end_of(ticket))["bytes_out"] == 100_000
        native = NativeViewer(*await asyncio.open_connection("127.0.0.1", port, ssl=tls))
        assert await native.link(ticket_for(manager, server)) == 0
        native.writer.write(b"through")
        assert await native.read(7) == b"through"
        native.writer.transport.abort()


@pytest.mark.parametrize("header", [b"PROXY TCP4 192.0.2.9 10.0.0.1 4660 8081\r\n", V2_TCP4])
async def test_the_client_is_whom_a_trusted_proxy_names(
    start_gateway: StartGateway, manager: StandInManager, screen: Screen, header: bytes
) -> None:
    gateway = await start_gateway(trusted_proxies=["127.0.0.0/8"])
    ticket = manager.issue(screen)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(header[:9])
    await asyncio.sleep(0.1)
    writer.write(header[9:] + upgrade(ticket))
    async with asyncio.timeout(30):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    writer.transport.abort()
    assert {"ticket": ticket, "client_address": "192.0.2.9"} in manager.redeemed
    ticket = manager.issue(screen)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(upgrade(ticket, "X-Forwarded-For: 203.0.113.1, 198.51.100.7"))
    async with asyncio.timeout(30):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    writer.transport.abort()
    assert {"ticket": ticket, "client_address": "198.51.100.7"} in manager.redeemed


async def test_nobody_else_is_believed(gateway: RunningGateway, manager: StandInManager, screen: Screen) -> None:
    ticket = manager.issue(screen)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(upgrade(ticket, "X-Forwarded-For: 198.51.100.7"))
    async with asyncio.timeout(30):
        await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()
    assert {"ticket": ticket, "client_address": "127.0.0.1"} in manager.redeemed
    for header in (b"PROXY TCP4 192.0.2.9 10.0.0.1 1 2\r\n", V2_TCP4):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(header + upgrade(manager.issue(screen)))
        async with asyncio.timeout(30):
            assert b" 400 " in await reader.read()
        writer.close()


async def test_headers_byte_by_byte() -> None:
    v6 = V2 + b"\x21\x21\0\x24" + bytes(15) + b"\1" + bytes(20)
    whole = {
        b"PROXY TCP4 192.0.2.9 10.0.0.1 1 2\r\n": "192.0.2.9",
        b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n": "2001:db8::1",
        b"PROXY UNKNOWN\r\n": None,
        V2_TCP4: "192.0.2.9",
        v6: "::1",
        V2 + b"\x20\0\0\0": None,
    }
    for header, client in whole.items():
        assert take_header(header + b"GET") == (len(header), client)
        assert all(take_header(header[:end]) is None for end in range(1, len(header)))
    for wrong in (
        b"PROXY TCP4 nonsense 10.0.0.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.9\r\n",
        b"PROXY " + b"x" * 200,
        V2 + b"\x21\x11\xff\xff",
        V2 + b"\x21\x11\0\4" + bytes(4),
        V2 + b"\x31\x11\0\x0c" + bytes(12),
    ):
        with pytest.raises(ProtocolError):
            take_header(wrong)
    assert take_header(b"GET /") == (0, None)
    assert take_header(b"\x16\3\1") == (0, None)
    assert [forwarded_for(header) for header in ("a, 192.0.2.1", "", None, "192.0.2.1, x")] == ["192.0.2.1", None, None, None]
