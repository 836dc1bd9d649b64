"""Tickets: good once, and what is said when they are not, or when nobody can tell."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.gateway.conftest import StartGateway
from tests.gateway.managers import Mood, StandInManager
from tests.gateway.running import RunningGateway
from tests.gateway.screens import PASSWORD, Screen
from tests.gateway.viewers import Viewer, console_url, offer

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.slow]


async def refusal(gateway: RunningGateway, ticket: str) -> tuple[int, dict[str, Any]]:
    """How a ticket is refused."""
    with pytest.raises(InvalidStatus) as caught:
        await connect(console_url(gateway), subprotocols=offer(ticket), proxy=None)
    response = caught.value.response
    assert ticket.encode() not in bytes(response.body or b"")
    return response.status_code, json.loads(bytes(response.body or b""))


async def test_a_ticket_is_good_once(gateway: RunningGateway, manager: StandInManager, screen: Screen) -> None:
    ticket = manager.issue(screen)
    viewer = await Viewer.open(gateway, ticket)
    assert await refusal(gateway, ticket) == (
        403,
        {"status": 403, "code": "ticket_not_good", "title": "This ticket is not good."},
    )
    await viewer.close()


async def test_a_ticket_nobody_issued(gateway: RunningGateway) -> None:
    status, problem = await refusal(gateway, "made-up-by-somebody-else")
    assert (status, problem["code"]) == (403, "ticket_not_good")


async def says(status: int, body: bytes) -> tuple[int, bytes] | None:
    return status, body


def always(status: int, body: bytes) -> Mood:
    return lambda _path, _body: says(status, body)


async def hang_up(_path: str, _body: dict[str, Any]) -> tuple[int, bytes] | None:
    return None


GRANT = {"session_id": "s1", "protocol": "vnc", "user_id": "u1", "desktop_id": "d1"}
MOODS: dict[str, Mood] = {
    "hangs up": hang_up,
    "has a mishap": always(500, b"Internal Server Error"),
    "is busy": always(429, b'{"code": "too_many_requests", "message": "slowly"}'),
    "does not know our key": always(401, b'{"code": "gateway_unknown", "message": "no gateway has this key"}'),
    "is another server": always(404, b"<h1>Not Found</h1>"),
    "answers nonsense": always(200, b"[1, 2"),
    "answers half": always(200, json.dumps({**GRANT, "target": {"password": PASSWORD}}).encode()),
    "gives two places": always(
        200, json.dumps({**GRANT, "target": {"unix_path": "/x", "host": "a", "port": 1, "password": PASSWORD}}).encode()
    ),
    "has another protocol": always(200, json.dumps({**GRANT, "protocol": "rdp", "target": {"unix_path": "/x"}}).encode()),
    "has a strange session": always(200, json.dumps({**GRANT, "session_id": "../x", "target": {"unix_path": "/x"}}).encode()),
    "does not come to an end": always(200, b"[" + b" " * 1_000_000 + b"]"),
}


@pytest.fixture(params=MOODS.keys())
def mood(request: pytest.FixtureRequest, manager: StandInManager) -> Any:
    manager.mood = MOODS[request.param]
    yield request.param
    manager.mood = None


async def test_without_a_sound_answer_one_may_come_again(gateway: RunningGateway, manager: StandInManager, mood: str) -> None:
    manager.tickets.append("somebodys-very-own-ticket")
    async with asyncio.timeout(30):
        status, problem = await refusal(gateway, "somebodys-very-own-ticket")
    assert (status, problem["code"]) == (503, "manager_unavailable")


async def test_a_manager_that_does_not_answer(impatient: RunningGateway, manager: StandInManager) -> None:
    async def think(_path: str, _body: dict[str, Any]) -> tuple[int, bytes] | None:
        await go_on.wait()
        return None

    go_on = asyncio.Event()
    manager.mood = think
    async with asyncio.timeout(30):
        status, problem = await refusal(impatient, "somebodys-very-own-ticket")
    assert (status, problem["code"]) == (503, "manager_unavailable")
    manager.mood = None
    go_on.set()


async def test_a_manager_that_is_away(gateway: RunningGateway, manager: StandInManager, screen: Screen) -> None:
    ticket = manager.issue(screen)
    port = manager.port
    viewer = await Viewer.open(gateway, ticket)
    await manager.stop()
    try:
        status, problem = await refusal(gateway, manager.issue(screen))
        assert (status, problem["code"]) == (503, "manager_unavailable")
        await viewer.write(b"open sessions go on")
        assert await viewer.read(19) == b"open sessions go on"
        await viewer.close()
        await asyncio.sleep(0.3)
    finally:
        await manager.start(port)
    assert (await manager.end_of(ticket, 30))["bytes_in"] == 19  # told when it was back
    viewer = await Viewer.open(gateway, manager.issue(screen))
    await viewer.close()


async def test_a_refusal_in_the_words_of_rfc_9457(gateway: RunningGateway, manager: StandInManager) -> None:
    manager.mood = always(409, b'{"code": "desktop_stopped", "title": "Conflict", "detail": "The desktop is stopped."}')
    status, problem = await refusal(gateway, "somebodys-very-own-ticket")
    assert (status, problem["code"], problem["title"]) == (403, "desktop_stopped", "The desktop is stopped.")
    manager.mood = None


async def test_a_screen_in_a_deep_folder(gateway: RunningGateway, manager: StandInManager, tmp_path: Path) -> None:
    """A socket's address holds 107 bytes; state folders are not always that near to the root."""
    screen = Screen()
    await screen.start(tmp_path)
    deep = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 8)
    deep.mkdir(parents=True)
    (deep / "vnc.sock").symlink_to(screen.target["unix_path"])
    viewer = await Viewer.open(gateway, manager.issue(screen, unix_path=str(deep / "vnc.sock")))
    await viewer.write(b"hello")
    assert await viewer.read(5) == b"hello"
    await viewer.close()
    await screen.stop()


SCREENS = {
    "not there": ({"unix_path": "/nowhere/at/all.sock"}, "screen_unreachable"),
    "wrong password": ({"password": "wrong"}, "screen_refused"),
    "no password": ({"password": ""}, "screen_security_unknown"),
}


@pytest.mark.parametrize(("target", "code"), SCREENS.values(), ids=SCREENS.keys())
async def test_a_screen_that_cannot_be_opened(
    gateway: RunningGateway, manager: StandInManager, screen: Screen, target: dict[str, Any], code: str
) -> None:
    ticket = manager.issue(screen, **target)
    status, problem = await refusal(gateway, ticket)
    assert (status, problem["code"]) == (502, code)
    assert await manager.end_of(ticket) == {"bytes_in": 0, "bytes_out": 0, "reason": code}
    async with asyncio.timeout(30):
        if screen.open_now:
            await screen.deserted.wait()


async def listen(said: bytes) -> tuple[asyncio.Server, dict[str, Any]]:
    """A server that says so much and then nothing more, and where it stands."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, {"unix_path": "", "host": "127.0.0.1", "port": server.sockets[0].getsockname()[1]}


async def test_a_screen_that_says_nothing(impatient: RunningGateway, manager: StandInManager) -> None:
    server, target = await listen(b"")
    status, problem = await refusal(impatient, manager.issue(Screen(), **target))
    assert (status, problem["code"]) == (502, "screen_unreachable")
    server.close()


async def test_a_screen_that_is_no_screen(gateway: RunningGateway, manager: StandInManager) -> None:
    server, target = await listen(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    status, problem = await refusal(gateway, manager.issue(Screen(), **target))
    assert (status, problem["code"]) == (502, "rfb_not_spoken")
    server.close()


async def test_a_browser_that_leaves_while_the_manager_thinks(
    gateway: RunningGateway, manager: StandInManager, screen: Screen
) -> None:
    """Its session has begun for the manager, so its end has to be told."""
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def think(path: str, body: dict[str, Any]) -> tuple[int, bytes] | None:
        if path.endswith("/ended"):
            return 204, b""
        asked.set()
        await go_on.wait()
        manager.mood = None
        return 200, json.dumps(manager.grants.pop(body["ticket"])).encode()

    ticket = manager.issue(screen)
    manager.mood = think
    opening = asyncio.create_task(connect(console_url(gateway), subprotocols=offer(ticket), proxy=None).__aenter__())
    await asked.wait()
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    await asyncio.sleep(0.1)
    go_on.set()
    assert (await manager.end_of(ticket))["reason"] == "viewer_lost"
    async with asyncio.timeout(30):
        await screen.deserted.wait()


async def test_proxies_of_the_environment_are_not_asked(
    start_gateway: StartGateway, manager: StandInManager, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    gateway = await start_gateway()
    viewer = await Viewer.open(gateway, manager.issue(screen))
    await viewer.close()


async def test_health_and_metrics(gateway: RunningGateway) -> None:
    health = await gateway.get("/healthz")
    assert health.status_code == 200
    assert health.json()["status"] == "ok"
    assert health.json()["name"] == "gateway"
    metrics = await gateway.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'yunzhuo_gateway_refused_total{reason="ticket_refused"}' in metrics.text
    assert (await gateway.get("/else")).status_code == 404
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.post(f"http://127.0.0.1:{gateway.private_port}/healthz")).status_code == 405
    for path in ("/healthz", "/metrics"):
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://127.0.0.1:{gateway.port}{path}")).status_code == 404
