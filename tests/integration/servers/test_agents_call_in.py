"""One story with what ships, as processes: `yunzhuo up` over a cloud that gives no way into its servers, and desktops' agents
that call in over TLS with the keys that their servers were given."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.desktop_agent import AgentInside, agent_inside, door_of
from tests.support.running import Running, answer_of, free_ports, launch, wait_until_ready
from tests.support.waiting import eventually

from yunzhuo.phoenix import cloud as clouds
from yunzhuo.phoenix.cloud.memory import Control, control
from yunzhuo.phoenix.common.clock import SystemClock
from yunzhuo.phoenix.security.authority import load_or_make_authority
from yunzhuo_agent import door as agent_door
from yunzhuo_agent.turns import Line, Rejected, Turns, Unheard

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(240)]

_PIECE = 1024 * 1024


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    ports = free_ports("web", "gateway", "stream", "agents", "line")
    ports["agents__local"] = ports.pop("line")
    url = f"https://localhost:{ports['agents']}"
    named = {name: port for name, port in ports.items() if name != "agents__local"}
    settings = {"CLOUD__DRIVER": "memory", "AGENTS__PUBLIC_URL": url, "AGENTS__LOCAL_PORT": str(ports["agents__local"])}
    started = launch(tmp_path / "home", named, **settings)
    try:
        wait_until_ready(started)
        yield started
    finally:
        for client in started.clients:
            client.close()
        if started.process.poll() is None:
            started.interrupt()


def test_a_desktop_is_reached_by_its_agent_and_by_no_other(running: Running, tmp_path: Path) -> None:
    weather = control(running.settings(), clock=SystemClock())
    # As an OpenStack: no calls into guests; and the console never says "ready".
    weather.change_options(has_guest_calls=False, guests_get_ready=False)
    lin = running.api(running.add_user("lin@school.local"))
    desktop_id = _ask_for_one(lin)
    server_id = eventually(lambda: _server_of(running, desktop_id), 20, what="a server")
    old_door = _door(weather, server_id)
    with agent_inside(tmp_path / "guest", old_door) as agent:
        eventually(lambda: _desktop(lin, desktop_id)["agent"], 20, what=lambda: agent.said)
        assert _desktop(lin, desktop_id)["state"] == "building"
        agent.get_ready()
        _until(lin, desktop_id, "available")
        _carry(lin, desktop_id, agent)
        _is_told(lin, desktop_id, running)
        _others_are_refused(old_door, running, tmp_path)

        answer_of(lin.post(f"/desktops/{desktop_id}/actions", json={"action": "rebuild"}), 202)
        eventually(lambda: _door(weather, server_id) != old_door, 20, what="another key")
        eventually(lambda: "the key does not count" in agent.said, 60, what=lambda: agent.said)
        refused = _desktop(lin, desktop_id)
        assert refused["state"] == "rebuilding", "an old agent's word makes nothing ready"
    with pytest.raises(Rejected):
        _turn(old_door)
    with agent_inside(tmp_path / "restored", _door(weather, server_id)) as agent:
        agent.get_ready()
        _heard_of_the_same_boot(lin, desktop_id)
    with _booted_again(_door(weather, server_id)):
        _until(lin, desktop_id, "available")
    weather.close()


def _carry(lin: httpx.Client, desktop_id: str, agent: AgentInside) -> None:
    content = bytes(range(256)) * 5000 + "末".encode()
    for start in range(0, len(content), _PIECE):
        part = content[start : start + _PIECE]
        span = f"bytes {start}-{start + len(part) - 1}/{len(content)}"
        lin.put(f"/desktops/{desktop_id}/files/课件.bin", content=part, headers={"Content-Range": span}).raise_for_status()
    assert (agent.home / "Downloads" / "课件.bin").read_bytes() == content
    listed = answer_of(lin.get(f"/desktops/{desktop_id}/files"), 200)["items"]
    assert [(file["name"], file["size_bytes"]) for file in listed] == [("课件.bin", len(content))]
    assert lin.get(f"/desktops/{desktop_id}/files/课件.bin").content == content
    lin.put(f"/desktops/{desktop_id}/clipboard", json={"text": "剪贴板 text\n"}).raise_for_status()
    assert (agent.home / "clipboard").read_text() == "剪贴板 text\n"
    assert answer_of(lin.get(f"/desktops/{desktop_id}/clipboard"), 200)["text"] == "剪贴板 text\n"


def _is_told(lin: httpx.Client, desktop_id: str, running: Running) -> None:
    def told() -> bool:
        agent = _desktop(lin, desktop_id)["agent"]
        return agent is not None and agent["is_ready"] and agent["memory_mib"] > 0 and agent["signed_in_since"] is not None

    eventually(told, 20, what="load, memory and who is signed in")
    shown = json.loads(running.command("--json", "desktop", "show", desktop_id))
    assert shown["agent"]["memory_used_mib"] <= shown["agent"]["memory_mib"]
    entries = running.command("audit", "search", "--verb", "agent:arrive")
    assert "agent:arrive" in entries


def _others_are_refused(own: bytes, running: Running, folder: Path) -> None:
    told = json.loads(own)
    head, desktop_id, issue, mark = told["key"].split(".")
    for wrong in (
        f"{head}.{desktop_id}.{issue}.{'A' * 43}",
        f"{head}.{desktop_id[::-1]}.{issue}.{mark}",
        f"{head}.{desktop_id}.{desktop_id}.{mark}",
        "x",
    ):
        with pytest.raises(Rejected):
            _turn(json.dumps({**told, "key": wrong}).encode())
    with _false_server(folder) as (port, heard), pytest.raises(Unheard):
        _turn(json.dumps({**told, "url": f"https://localhost:{port}"}).encode())
    assert told["key"].encode() not in bytes(heard)
    assert b"POST" not in bytes(heard)
    authority = ssl.create_default_context(cadata=told["authority"])
    with httpx.Client(verify=authority, base_url=told["url"]) as stranger:
        assert stranger.get("/").status_code == 404
        assert stranger.post("/v1/servers/x/status", json={}).status_code == 404, "our own processes' way is not here"
        large = stranger.post("/agent/v1/turn", content=b" " * 1_600_000, headers={"Authorization": f"Bearer {told['key']}"})
        assert large.status_code == 400
        assert large.json()["code"] == "too_large"
    line = f"http://127.0.0.1:{running.environment['YUNZHUO_AGENTS__LOCAL_PORT']}/v1/servers/x/status"
    assert httpx.post(line, json={}, headers={"Authorization": f"Bearer {told['key']}"}).status_code == 401


@contextmanager
def _false_server(folder: Path) -> Iterator[tuple[int, bytearray]]:
    """One with a certificate of an authority that the desktop does not believe; and all that it got to read."""
    heard = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        authority = load_or_make_authority(folder / "ca.pem", "Yunzhuo agents", SystemClock().now())
        (folder / "tls.pem").write_text(authority.vouch("localhost", SystemClock().now()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls.pem")

        def serve() -> None:
            accepted, _ = listener.accept()
            with accepted, context.wrap_socket(accepted, server_side=True) as connection:
                while part := connection.recv(4096):
                    heard.extend(part)

        def tolerate() -> None:
            with suppress(OSError):
                serve()

        thread = threading.Thread(target=tolerate)
        thread.start()
        yield listener.getsockname()[1], heard
        thread.join(10)


def _turn(door_text: bytes) -> object:
    status = {"is_ready": True, "load": 0.0, "memory_mib": 1, "memory_used_mib": 1, "signed_in_since": None}
    line = Line(agent_door.parse(door_text))
    try:
        said = {"boot": "0" * 32, "agent": "0", "wait_seconds": 0, "status": status, "answer": None}
        return line.turn(said)
    finally:
        line.close()


def _heard_of_the_same_boot(lin: httpx.Client, desktop_id: str) -> None:
    """This computer cannot be booted again for a test, so an agent on it names the boot that was ended: it is let in, and its
    "ready" does not count."""
    before = _desktop(lin, desktop_id)["agent"]["heard_at"]
    eventually(lambda: _desktop(lin, desktop_id)["agent"]["heard_at"] != before, 40, what="the new agent")
    assert _desktop(lin, desktop_id)["state"] == "rebuilding"


@contextmanager
def _booted_again(door_text: bytes) -> Iterator[None]:
    """The agent's turns, in a system that was started anew."""
    ends = threading.Event()
    status = {"is_ready": True, "load": 0.5, "memory_mib": 512, "memory_used_mib": 100, "signed_in_since": None}
    turns = Turns(
        lambda: agent_door.parse(door_text),
        lambda: {**status, "is_ready": not ends.is_set()},
        lambda question: {"id": question["id"]},
        "1" * 32,
        print,
    )

    def take_turns() -> None:
        while not ends.is_set():
            ends.wait(turns.once())

    thread = threading.Thread(target=take_turns)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join(30)
        turns.close()


def _ask_for_one(lin: httpx.Client) -> str:
    image, flavor = (answer_of(lin.get(path), 200)["items"][0]["id"] for path in ("/images", "/flavors"))
    made: str = answer_of(lin.post("/desktops", json={"image": image, "flavor": flavor}), 202)["desktop"]["id"]
    return made


def _server_of(running: Running, desktop_id: str) -> str | None:
    cloud = clouds.connect(running.settings())
    try:
        server = cloud.servers.find(desktop_id)
        return server.id if server else None
    finally:
        cloud.close()


def _door(weather: Control, server_id: str) -> bytes:
    return door_of(weather.user_data(server_id) or "")


def _desktop(lin: httpx.Client, desktop_id: str) -> dict[str, Any]:
    told: dict[str, Any] = answer_of(lin.get(f"/desktops/{desktop_id}"), 200)
    return told


def _until(lin: httpx.Client, desktop_id: str, state: str) -> None:
    eventually(lambda: _desktop(lin, desktop_id)["state"] == state, 30, what=lambda: str(_desktop(lin, desktop_id)))
