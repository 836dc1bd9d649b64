"""The web and the stream process as the supervisor starts them: on real ports, with real sockets."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.installation import PASSWORD
from tests.support.running import free_ports
from tests.support.waiting import eventually

from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.services.access import Role
from yunzhuo.services.assembly import Services, services
from yunzhuo.services.first_start import prepare

pytestmark = pytest.mark.servers

DRAIN_SECONDS = 5
LIMIT = 1024 * 1024


class Process:
    """One process of Yunzhuo's, under a supervisor that is this test."""

    def __init__(self, name: str, settings: Settings) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("YUNZHUO_")}
        environment |= {
            "YUNZHUO_HOME": str(settings.home),
            "YUNZHUO_CLOUD__DRIVER": "memory",
            "YUNZHUO_WEB__PORT": str(settings.web.port),
            "YUNZHUO_STREAM__PORT": str(settings.stream.port),
        }
        self.log = settings.home / f"{name}.log"
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "yunzhuo", name, "--supervised"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def hang_up(self) -> None:
        """The supervisor dies: its end of the pipe is closed."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def ended(self, timeout_seconds: float) -> int:
        """The exit code, in this time at most."""
        return self._process.wait(timeout_seconds)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()


class Site:
    """Web and stream process over one installation; the worker is this test."""

    def __init__(self, settings: Settings, all_services: Services) -> None:
        self.settings = settings
        self.services = all_services
        self.url = f"http://127.0.0.1:{settings.web.port}"
        self.web = Process("web", settings)
        self.stream = Process("stream", settings)
        self._clients: list[httpx.Client] = []

    def wait(self) -> None:
        """Until both answer."""
        for port in (self.settings.web.port, self.settings.stream.port):
            eventually(partial(is_listening, port), 60, what=lambda: self.web.log.read_text() + self.stream.log.read_text())

    def client(self, email: str = "lin@school.local") -> httpx.Client:
        """The API with a token."""
        answer = httpx.post(f"{self.url}/api/v1/tokens", json={"email": email, "password": PASSWORD}, timeout=60)
        headers = {"Authorization": f"Bearer {answer.json()['token']}"}
        client = httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=60)
        self._clients.append(client)
        return client

    def work(self) -> None:
        """Take every step that is due."""
        for operation_id in self.services.engine.due():
            self.services.engine.advance(operation_id)

    def connections_to_stream(self) -> int:
        """How many connections the stream process has."""
        rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
        local = f"0100007F:{self.settings.stream.port:04X}"
        return sum(row.split()[1] == local and row.split()[3] == "01" for row in rows)

    def close(self) -> None:
        self.web.close()
        self.stream.close()
        for client in self._clients:
            client.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    ports = free_ports("web", "stream")
    settings = Settings.model_validate(
        {
            "home": tmp_path / "home",
            "cloud": {"driver": "memory"},
            "web": {"port": ports["web"]},
            "stream": {"port": ports["stream"]},
        }
    )
    prepare(settings)
    with services(settings) as all_services:
        all_services.catalog.synchronize(all_services.accounts.default_organization_id())
        all_services.accounts.add("lin@school.local", PASSWORD, Role.USER)
        site = Site(settings, all_services)
        with closing(site):
            site.wait()
            yield site


def is_listening(port: int) -> bool:
    with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), 5)):
        return True
    return False


class Listener:
    """An open event stream, read in a thread."""

    def __init__(self, api: httpx.Client, headers: dict[str, str] | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self.opened, self.ended = threading.Event(), threading.Event()
        self.leave = threading.Event()
        self.error: Exception | None = None
        threading.Thread(target=self._read, args=(api, headers), daemon=True).start()
        assert self.opened.wait(60)

    def _read(self, api: httpx.Client, headers: dict[str, str] | None) -> None:
        try:
            with api.stream("GET", "/events", headers=headers, timeout=60) as response:
                assert response.status_code == 200, response.read()
                for line in response.iter_lines():
                    self.opened.set()
                    if line.startswith("data: "):
                        self.events.append(json.loads(line[6:]))
                    if self.leave.is_set():
                        return
        except Exception as error:
            self.error = error
        finally:
            self.opened.set()
            self.ended.set()


def raw_request(site: Site, head: str, body: Iterator[bytes]) -> tuple[bytes, int]:
    """Send a request as it is; the beginning of the answer, and how much of the body had been sent when it came."""
    with socket.create_connection(("127.0.0.1", site.settings.web.port), 60) as connection:
        connection.settimeout(60)
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        sent = 0
        connection.setblocking(False)
        deadline = time.monotonic() + 60
        for part in body:
            rest = part
            while rest and time.monotonic() < deadline:
                with suppress(BlockingIOError):
                    return connection.recv(65536), sent
                with suppress(BlockingIOError):
                    count = connection.send(rest)
                    rest, sent = rest[count:], sent + count
        connection.settimeout(60)
        return connection.recv(65536), sent


def test_changes_come_through_the_web_port(site: Site) -> None:
    api = site.client()
    listener = Listener(api)
    wish = {"image": api.get("/images").json()["items"][0]["id"], "flavor": api.get("/flavors").json()["items"][0]["id"]}
    accepted = api.post("/desktops", json=wish)
    assert accepted.status_code == 202

    def is_available() -> bool:
        site.work()
        return any(event["state"] == "available" for event in listener.events)

    eventually(is_available, 60)
    states = [event["state"] for event in listener.events]
    assert states[0] == "building"
    with api.stream("GET", "/events", headers={"Last-Event-ID": "0"}) as again:
        assert again.headers["content-type"].startswith("text/event-stream")
        assert again.headers["x-content-type-options"] == "nosniff"
        assert again.headers["x-request-id"]
        replayed = [line for line, _ in zip(again.iter_lines(), range(12), strict=False)]
    assert "id: 1" in replayed
    refused = httpx.get(f"{site.url}/api/v1/events", timeout=60)
    assert (refused.status_code, refused.json()["code"]) == (401, "not_signed_in")
    assert httpx.get(f"{site.url}/events", timeout=60).status_code == 401
    assert httpx.post(f"{site.url}/api/v1/events", timeout=60).status_code == 405


def test_whoever_leaves_is_not_kept_upstream(site: Site) -> None:
    api = site.client()
    listeners = [Listener(api) for _ in range(3)]
    eventually(lambda: site.connections_to_stream() >= 3, 10)
    for listener in listeners:
        listener.leave.set()
    site.services.desktops.request(
        site.services.accounts.by_email("lin@school.local").actor(),
        image_id=api.get("/images").json()["items"][0]["id"],
        flavor_id=api.get("/flavors").json()["items"][0]["id"],
    )
    for listener in listeners:
        assert listener.ended.wait(10)
    eventually(lambda: site.connections_to_stream() == 0, 10, what="the stream process to be left alone")


def test_without_the_stream_process_everything_else_goes_on(site: Site) -> None:
    api = site.client()
    listener = Listener(api)
    site.stream.signal(signal.SIGKILL)
    site.stream.ended(10)
    assert listener.ended.wait(10)
    assert listener.error is None  # the answer was ended, not torn
    away = api.get("/events")
    assert (away.status_code, away.json()["code"]) == (503, "stream_unavailable")
    assert away.headers["content-type"] == "application/problem+json"
    assert int(away.headers["retry-after"]) > 0
    assert api.get("/users/me").status_code == 200
    site.stream.close()
    site.stream = Process("stream", site.settings)
    site.wait()
    back = Listener(api)
    assert not back.ended.is_set()


@pytest.mark.parametrize("framing", ["Content-Length: 20971520", "Transfer-Encoding: chunked"])
def test_a_huge_body_is_refused_early(site: Site, framing: str) -> None:
    api = site.client()

    def parts() -> Iterator[bytes]:
        part = b"x" * 65536
        for _ in range(20 * LIMIT // len(part)):
            yield part if "Length" in framing else b"10000\r\n" + part + b"\r\n"

    for authorization, status in [(api.headers["Authorization"], b"413"), ("Bearer nobody", b"401")]:
        head = f"POST /api/v1/desktops HTTP/1.1\nHost: x\nAuthorization: {authorization}\n{framing}"
        answer, sent = raw_request(site, head, parts())
        assert answer.split(b" ")[1] == status
        assert b"application/problem+json" in answer
        assert sent < 15 * LIMIT
    assert api.post("/desktops", content=b"[" * LIMIT).status_code == 400
    assert api.get("/users/me").status_code == 200


def test_a_request_that_never_comes_whole_holds_no_thread(site: Site) -> None:
    connections = [socket.create_connection(("127.0.0.1", site.settings.web.port), 10) for _ in range(40)]
    for connection in connections:  # more than there are threads
        connection.sendall(b"POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert httpx.get(f"{site.url}/healthz", timeout=30).status_code == 200
    for connection in connections:
        connection.close()


def test_garbage_and_giants_in_the_head_are_refused(site: Site) -> None:
    for head in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 60_000 + b"\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", site.settings.web.port), 10) as connection:
            connection.sendall(head + b"\r\n\r\n")
            assert connection.recv(1000).split()[1] in {b"400", b"431"}
    assert httpx.get(f"{site.url}/%ff%fe?q=%ff", timeout=30).status_code == 404
    assert httpx.get(f"{site.url}/healthz", timeout=30).status_code == 200


@pytest.mark.parametrize("how", ["signal", "supervisor gone"])
def test_told_to_end_both_drain(site: Site, how: str) -> None:
    api = site.client()
    listener = Listener(api)
    with socket.create_connection(("127.0.0.1", site.settings.web.port), 10) as slow:
        body = json.dumps({"email": "lin@school.local", "password": PASSWORD}).encode()
        slow.sendall(f"POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:-1])
        eventually(lambda: httpx.get(f"{site.url}/healthz", timeout=30).status_code == 200, 10)
        begun = time.monotonic()
        for process in (site.web, site.stream):
            if how == "signal":
                process.signal(signal.SIGTERM)
            else:
                process.hang_up()
        slow.sendall(body[-1:])
        slow.settimeout(30)
        assert slow.recv(1000).startswith(b"HTTP/1.1 201")  # what had begun was finished
    assert listener.ended.wait(DRAIN_SECONDS)
    assert listener.error is None
    for process in (site.web, site.stream):
        assert process.ended(DRAIN_SECONDS + 5) == 0, process.log.read_text()
    assert time.monotonic() - begun < DRAIN_SECONDS + 2  # and the time that an interpreter takes to leave


def test_ctrl_c_is_for_the_supervisor(site: Site) -> None:
    for process in (site.web, site.stream):
        process.signal(signal.SIGINT)
    time.sleep(0.3)
    assert httpx.get(f"{site.url}/healthz", timeout=30).status_code == 200


def test_a_taken_port_is_said_in_a_line(site: Site) -> None:
    second = Process("web", site.settings)
    with closing(second):
        assert second.ended(60) != 0
    last = site.web.log.read_text().strip().splitlines()[-1]
    assert str(site.settings.web.port) in last
    assert "[web] port" in last


def test_no_secret_is_written_to_the_log(site: Site) -> None:
    api = site.client()
    httpx.post(f"{site.url}/api/v1/tokens", json={"email": "lin@school.local", "password": "wrong-secret"}, timeout=60)
    Listener(api).leave.set()
    text = eventually(lambda: site.web.log.read_text() if "/api/v1/tokens" in site.web.log.read_text() else "", 10)
    for secret in (PASSWORD, "wrong-secret", api.headers["Authorization"].split()[1]):
        assert secret not in text
        assert secret not in site.stream.log.read_text()
