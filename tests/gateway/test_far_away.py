"""The gateway on another computer than the manager, and a client that reaches nothing but the gateway: three networks."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.installation import PASSWORD, installation
from yunzhuo.phoenix.config.loader import freeze
from yunzhuo.services.access import Role
from yunzhuo.services.gateways import GatewayState

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes networks"),
]

# What runs in the client's network: it signs in, lists, gets a route, and opens the screen, all through one address.
_CLIENT = """
import asyncio, json, sys, urllib.request
from websockets.asyncio.client import connect
base, email, password = sys.argv[1:]
def ask(method, path, body=None, token=None):
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(base + path, data=data, method=method, headers=headers)
    return json.loads(urllib.request.urlopen(request, timeout=30).read())
token = ask("POST", "/api/v1/tokens", {"email": email, "password": password})["token"]
desktop = ask("GET", "/api/v1/desktops", token=token)["items"][0]
route = ask("POST", f"/api/v1/desktops/{desktop['id']}/connections", {"protocol": "vnc"}, token)
async def look():
    async with connect(route["url"], subprotocols=["binary", route["subprotocol"]], proxy=None) as socket:
        return await socket.recv()
try:
    said = asyncio.run(look())
    outcome = said.decode().strip()
except Exception as error:
    outcome = getattr(getattr(error, "response", None), "body", repr(error))
    outcome = bytes(outcome).decode() if isinstance(outcome, (bytes, bytearray)) else outcome
print(json.dumps({"gateway": route["gateway"], "url": route["url"], "outcome": outcome, "desktop": desktop["name"]}))
"""


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def networks(tag: str) -> Iterator[tuple[str, str]]:
    """A network for the gateway, which reaches us, and one for the client, which reaches the gateway alone."""
    gateway, client = f"yz-gw-{tag}", f"yz-cl-{tag}"
    number = int(tag, 16) % 200 + 20
    with ExitStack() as stack:
        for name in (gateway, client):
            run("ip", "netns", "add", name)
            stack.callback(run, "ip", "netns", "del", name)
        run("ip", "link", "add", f"yzm{tag}", "type", "veth", "peer", "name", "outer", "netns", gateway)
        run("ip", "link", "add", "inner", "netns", gateway, "type", "veth", "peer", "name", "outer", "netns", client)
        run("ip", "addr", "add", f"10.213.{number}.1/30", "dev", f"yzm{tag}")
        run("ip", "link", "set", f"yzm{tag}", "up")
        run("ip", "-n", gateway, "addr", "add", f"10.213.{number}.2/30", "dev", "outer")
        run("ip", "-n", gateway, "addr", "add", f"10.214.{number}.1/30", "dev", "inner")
        run("ip", "-n", client, "addr", "add", f"10.214.{number}.2/30", "dev", "outer")
        for name, devices in ((gateway, ("lo", "outer", "inner")), (client, ("lo", "outer"))):
            for device in devices:
                run("ip", "-n", name, "link", "set", device, "up")
        yield gateway, client


@contextmanager
def process(*command: str) -> Iterator[None]:
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        started.terminate()
        started.wait(30)


def test_a_client_that_reaches_only_the_gateway(tmp_path: Path) -> None:
    tag = f"{os.getpid() % 4096:03x}"
    number = int(tag, 16) % 200 + 20
    manager, door = f"10.213.{number}.1", f"10.214.{number}.1"
    with networks(tag) as (gateway_net, client_net), installation(tmp_path / "home", web={"host": manager}) as yunzhuo:
        lin, operator = yunzhuo.person("lin"), yunzhuo.person("op", Role.OPERATOR)
        desktop_id = yunzhuo.available(lin, name="Far away")
        made = yunzhuo.services.gateways.create(operator, "far", f"ws://{door}:8081")
        local = next(each.id for each in yunzhuo.services.gateways.list(operator) if each.name != "far")
        yunzhuo.services.gateways.update(operator, local, state=GatewayState.DRAINING)
        settings = tmp_path / "settings.toml"
        freeze(yunzhuo.settings, settings)
        (tmp_path / "gateway.key").write_text(made.key)
        (tmp_path / "gateway.toml").write_text(
            f'name = "far"\nmanager_url = "http://{manager}:{yunzhuo.settings.web.port}"\nserves_clients = true\n'
            f'[listen]\nhost = "{door}"\n[private]\nenabled = false\n'
        )
        inside, yunzhuo_command = ("ip", "netns", "exec"), (sys.executable, "-m", "yunzhuo")
        with (
            process(*yunzhuo_command, "web", "--config", str(settings)),
            process(
                *inside, gateway_net, sys.executable, "-m", "yunzhuo", "gateway", "--config", str(tmp_path / "gateway.toml")
            ),
        ):
            until_it_answers(f"http://{manager}:{yunzhuo.settings.web.port}/healthz")
            told = client_says(client_net, f"http://{door}:8081", lin.email)
        assert (told["gateway"], told["desktop"], told["url"]) == ("far", "Far away", f"ws://{door}:8081/v1/console")
        # The memory cloud has no screens: that it was asked for one, and for this desktop's, is the end of the way.
        assert json.loads(str(told["outcome"]))["code"] == "screen_unreachable"
        assert [each.desktop_id for each in yunzhuo.services.screens.history(operator)] == [desktop_id]


def until_it_answers(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def client_says(network: str, base: str, email: str) -> dict[str, object]:
    deadline = time.monotonic() + 60
    command = ("ip", "netns", "exec", network, sys.executable, "-c", _CLIENT, base, email, PASSWORD)
    while True:
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        if not said.returncode:
            told: dict[str, object] = json.loads(said.stdout)
            return told
        assert time.monotonic() < deadline, said.stderr
        assert "TypeError" not in said.stderr, said.stderr
        time.sleep(0.3)
