"""A line breaks and the viewer comes back: the same session, no new ticket, the picture at once; unless the right is gone."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from websockets.exceptions import InvalidMessage, InvalidStatus

from tests.gateway.conftest import fixture
from tests.gateway.running import RunningGateway
from tests.gateway.screens import PASSWORD as SCREEN_PASSWORD
from tests.gateway.screens import Screen
from tests.gateway.spice import SpiceServer
from tests.gateway.test_native_spice import PERMISSION_DENIED, NativeViewer
from tests.gateway.test_stopping import children
from tests.gateway.viewers import Viewer
from tests.gateway.waiting import eventually
from tests.support.installation import PASSWORD, Installation, installation
from tests.support.server_process import free_port
from yunzhuo.gateway.config import GatewayConfig, parse
from yunzhuo.phoenix.config.loader import freeze
from yunzhuo.services.access import Role
from yunzhuo.services.first_start import gateway_key_file

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.servers]

MAIN, INPUTS = 1, 3
AT_ONCE_SECONDS = 2  # for a machine that has much else to do
BACK_SECONDS = 20  # as above; a process is started meanwhile

Came = TypeVar("Came")


@dataclass
class School:
    """A manager that runs, a gateway that runs, a person and their desktop."""

    yunzhuo: Installation
    gateway: RunningGateway
    config: GatewayConfig
    person: httpx.AsyncClient
    boss: httpx.AsyncClient
    desktop_id: str

    def stands_at(self, target: dict[str, Any]) -> None:
        """Where the desktop's screen is."""
        self.yunzhuo.weather.change_options(console_unix_path=target["unix_path"], console_password=target["password"])

    async def connection(self, protocol: str = "vnc", **wishes: object) -> dict[str, Any]:
        asked = {"protocol": protocol, **wishes}
        answer = await self.person.post(f"/desktops/{self.desktop_id}/connections", json=asked)
        told: dict[str, Any] = answer.raise_for_status().json()
        return told

    async def screens(self, kind: str = "") -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self.boss.get(f"/screens{kind}")).raise_for_status().json()["items"]
        return items


@fixture("package")
async def school(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[School]:
    folder = tmp_path_factory.mktemp("school")
    with installation(folder / "home", web={"port": free_port()}) as yunzhuo:
        lin = yunzhuo.person("lin")
        yunzhuo.person("boss", Role.ADMINISTRATOR)
        desktop_id = yunzhuo.available(lin)
        settings = folder / "settings.toml"
        freeze(yunzhuo.settings, settings)
        base = f"http://127.0.0.1:{yunzhuo.settings.web.port}"
        quiet = asyncio.subprocess.DEVNULL
        command = (sys.executable, "-m", "yunzhuo", "web", "--config", str(settings))
        web = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
        config = parse(
            {
                "manager_url": base,
                "key_file": str(gateway_key_file(yunzhuo.settings)),
                "drain_seconds": 0,
                "report_seconds": 0.2,
                "listen": {"port": 0},
                "private": {"enabled": False},
                "log": {"style": "json"},
            }
        )
        gateway = await RunningGateway.start(config, folder)
        try:
            person, boss = await signed_in(base, "lin@school.local"), await signed_in(base, "boss@school.local")
            yield School(yunzhuo, gateway, config, person, boss, desktop_id)
            for client in (person, boss):
                await client.aclose()
        finally:
            assert await gateway.end() == 0
            web.terminate()
            await web.wait()


async def signed_in(base: str, email: str) -> httpx.AsyncClient:
    client = httpx.AsyncClient(base_url=f"{base}/api/v1", trust_env=False, timeout=60)

    async def answers() -> bool:
        try:
            return (await client.get(f"{base}/healthz")).status_code == 200
        except httpx.TransportError:
            return False

    await eventually(answers, 60)
    answer = await client.post("/tokens", json={"email": email, "password": PASSWORD})
    client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['token']}"
    return client


async def picture(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says what it shows as soon as somebody looks, then says back all that is said."""
    await reader.readexactly(1)
    writer.write(b"picture")
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


@fixture("function")
async def screen(school: School, tmp_path: Path) -> AsyncIterator[Screen]:
    screen = Screen(scene=picture)
    await screen.start(tmp_path)
    school.stands_at(screen.target)
    yield screen
    await screen.stop()


async def looking(school: School, ticket: str, gateway: RunningGateway | None = None) -> Viewer:
    """A viewer that sees the picture, whatever it was before."""
    viewer = await Viewer.open(gateway or school.gateway, ticket)
    await viewer.write(b"\1")
    assert await viewer.read(7) == b"picture"
    return viewer


async def refused(school: School, ticket: str) -> str:
    with pytest.raises(InvalidStatus) as refusal:
        await Viewer.open(school.gateway, ticket)
    return refusal.value.response.body.decode() if refusal.value.response.body else ""


async def end_of_all(school: School) -> None:
    async def all_closed() -> bool:
        return await school.screens() == []

    await eventually(all_closed, 20)


async def end_native(school: School, told: dict[str, Any]) -> None:
    (await school.boss.delete(f"/screens/{told['id']}")).raise_for_status()
    await end_of_all(school)


async def test_the_line_breaks_and_the_picture_is_back_at_once(school: School, screen: Screen) -> None:
    told = await school.connection()
    viewer = await looking(school, told["ticket"])
    for _ in range(2):
        viewer.socket.transport.abort()
        began = time.monotonic()
        viewer = await looking(school, told["resume_ticket"])
        assert time.monotonic() - began < AT_ONCE_SECONDS
    assert "ticket_refused" in await refused(school, told["ticket"]), "the ticket itself was spent"
    (shown,) = await school.screens()
    assert (shown["id"], shown["channels"]) == (told["id"], 1)
    await viewer.close()
    await end_of_all(school)
    assert (await school.screens("/history"))[0]["end_reason"] == "viewer_closed"
    assert "ticket_refused" in await refused(school, told["resume_ticket"]), "what was closed is over"


async def test_a_line_that_nobody_noticed_is_let_go(school: School, screen: Screen) -> None:
    """A viewer that changes its network: for the gateway the old connection is still there."""
    told = await school.connection()
    old = await looking(school, told["ticket"])
    new = await looking(school, told["resume_ticket"])
    assert await old.closed() == (4004, "the session goes on over another connection")
    await new.write(b"goes on")
    assert await new.read(7) == b"goes on"
    await new.close()
    await end_of_all(school)


Ending = Callable[[School, dict[str, Any]], Any]
ENDINGS: dict[str, Ending] = {
    "closed by an administrator": lambda school, told: school.boss.delete(f"/screens/{told['id']}"),
    "signed out": lambda school, _: school.person.delete("/tokens/current"),
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
async def test_what_has_ended_is_not_got_back(school: School, screen: Screen, ending: Ending) -> None:
    told = await school.connection()
    viewer = await looking(school, told["ticket"])
    (await ending(school, told)).raise_for_status()
    viewer.socket.transport.abort()
    assert "ticket_refused" in await refused(school, told["resume_ticket"])
    fresh = await signed_in(str(school.person.base_url).removesuffix("/api/v1/"), "lin@school.local")
    school.person.headers = fresh.headers
    await fresh.aclose()
    await end_of_all(school)


async def test_a_native_viewers_channels_come_back_with_one_password(school: School, tmp_path: Path) -> None:
    server = SpiceServer()
    await server.start(tmp_path)
    school.stands_at(server.target)
    told = await school.connection("spice")

    opened: list[NativeViewer] = []

    async def linked(password: str, channel: int, *, verdict: int = 0) -> NativeViewer:
        viewer = NativeViewer(*await asyncio.open_connection("127.0.0.1", school.gateway.port))
        opened.append(viewer)
        assert await viewer.link(password, channel=channel) == verdict
        return viewer

    try:
        before = [await linked(told["ticket"], channel) for channel in (MAIN, INPUTS)]
        await linked(told["resume_ticket"], INPUTS, verdict=PERMISSION_DENIED)
        before[0].writer.transport.abort()
        after = [await linked(told["resume_ticket"], channel) for channel in (MAIN, INPUTS)]
        assert await before[1].ended() == b"", "the channel whose line held goes with the others"
        for viewer in after:
            viewer.writer.write(b"\0\0\4\0\0\0here")
            assert await viewer.read(10) == b"\0\0\4\0\0\0here"
        (shown,) = await school.screens()
        assert (shown["id"], shown["channels"]) == (told["id"], 2)
        after[0].writer.close()
        (shown,) = await school.screens()
        assert shown["id"] == told["id"], "a native viewer says no word when it ends: it may come back"
        await end_native(school, told)
    finally:
        for viewer in opened:
            viewer.writer.transport.abort()
        await server.stop()


async def test_a_killed_process_costs_nobody_the_screen(school: School, screen: Screen, tmp_path: Path) -> None:
    """What it carried, another one of the gateway's processes goes on with, before the manager has heard of anything."""
    server = SpiceServer()
    await server.start(tmp_path)
    config = parse(
        school.config.model_dump(mode="json") | {"processes": 2, "listen": {"port": free_port()}, "private": {"port": 0}}
    )
    gateway = await RunningGateway.start(config, tmp_path)

    async def both_serve() -> bool:
        return (await gateway.get("/healthz")).status_code == 200

    native: list[NativeViewer] = []

    async def linked(password: str) -> NativeViewer:
        native.append(NativeViewer(*await asyncio.open_connection("127.0.0.1", gateway.port)))
        assert await native[-1].link(password, channel=MAIN) == 0
        return native[-1]

    try:
        await eventually(both_serve, 60)
        by_vnc, by_spice = await school.connection(), await school.connection("spice")
        page = await looking(school, by_vnc["ticket"], gateway)
        school.stands_at(server.target)
        client = await linked(by_spice["ticket"])
        for process in children(gateway):
            os.kill(process, signal.SIGKILL)
        began = time.monotonic()
        await page.closed()
        assert await client.ended() == b""
        client = await comes_back(lambda: linked(by_spice["resume_ticket"]))
        school.stands_at(screen.target)
        page = await comes_back(lambda: looking(school, by_vnc["resume_ticket"], gateway))
        assert time.monotonic() - began < BACK_SECONDS
        assert {one["id"] for one in await school.screens()} == {by_vnc["id"], by_spice["id"]}
        await page.close()
        await end_native(school, by_spice)
    finally:
        for viewer in native:
            viewer.writer.transport.abort()
        await gateway.end()
        await server.stop()


async def comes_back(try_once: Callable[[], Awaitable[Came]]) -> Came:
    """What a viewer does whose line broke: tries until it is let in."""
    async with asyncio.timeout(BACK_SECONDS):
        while True:
            with contextlib.suppress(OSError, EOFError, InvalidMessage):
                return await try_once()
            await asyncio.sleep(0.1)


async def test_nothing_secret_is_logged(school: School, screen: Screen) -> None:
    told = await school.connection()
    viewer = await looking(school, told["ticket"])
    viewer.socket.transport.abort()
    await (await looking(school, told["resume_ticket"])).close()
    await end_of_all(school)
    for secret in (told["ticket"], told["resume_ticket"], SCREEN_PASSWORD):
        assert secret not in school.gateway.text
