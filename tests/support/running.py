"""A whole Yunzhuo as a person starts it: `yunzhuo up`, all its processes, in a folder and on ports of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.support.waiting import eventually

from yunzhuo.phoenix.config.loader import load
from yunzhuo.phoenix.config.settings import Settings

# The image may have to be built from packages, and its golden booted, where no cache has them yet.
READY_SECONDS = 1500
PASSWORD = "correct horse battery"


@dataclass
class Running:
    """One Yunzhuo that runs."""

    home: Path
    ports: dict[str, int]
    environment: dict[str, str]
    process: subprocess.Popen[str]
    output: Path
    clients: list[httpx.Client] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The portal's address."""
        return f"http://localhost:{self.ports['web']}"

    def command(self, *arguments: str, text: str | None = None, check: bool = True) -> str:
        """Run the command line on this installation; answers its standard output."""
        done = subprocess.run(
            [sys.executable, "-m", "yunzhuo", *arguments],
            input=text,
            capture_output=True,
            text=True,
            env=self.environment,
            check=False,
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def settings(self) -> Settings:
        """The settings this installation runs with."""
        return load(None, self.environment, {})

    def add_user(self, email: str, role: str = "user") -> str:
        """A new account; answers its address."""
        self.command("user", "add", email, "--role", role, "--password-stdin", text=PASSWORD + "\n")
        return email

    def api(self, email: str) -> httpx.Client:
        """A client of the API as this person; closed with this Yunzhuo."""
        base = f"{self.url}/api/v1"
        answer = httpx.post(f"{base}/tokens", json={"email": email, "password": PASSWORD}, timeout=30)
        assert answer.status_code == 201, answer.text
        token = answer.json()["token"]
        self.clients.append(httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=30))
        return self.clients[-1]

    def pids(self) -> dict[str, int]:
        """Process ids by process name, as the supervisor wrote them down."""
        processes = json.loads((self.home / "run" / "processes.json").read_text())["processes"]
        return {name: entry["pid"] for name, entry in processes.items() if entry["pid"]}

    def cpu_seconds(self) -> dict[str, float]:
        """What each process has used of the CPU since its start, with the children that it has had and has."""
        return {name: sum(_cpu_seconds(each) for each in _with_children(pid)) for name, pid in self.pids().items()}

    def interrupt(self, timeout_seconds: float = 20) -> int:
        """Ctrl-C: SIGINT to the whole process group. Answers the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(timeout_seconds)

    def restart(self) -> None:
        """Stop all of Yunzhuo and start it again; its machines go on meanwhile."""
        assert self.interrupt() == 0
        self.process = _up(self.environment, self.output)
        wait_until_ready(self)


def _with_children(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _with_children(int(child)))]


def _cpu_seconds(pid: int) -> float:
    # proc(5): utime and stime, and those of children that are gone.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def free_ports(*names: str) -> dict[str, int]:
    """A free port for each name."""
    held = [socket.socket() for _ in names]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return {name: each.getsockname()[1] for name, each in zip(names, held, strict=True)}
    finally:
        for each in held:
            each.close()


def launch(home: Path, ports: dict[str, int], **settings: str) -> Running:
    """Start `yunzhuo up`; ``settings`` are variables without their prefix (``CLOUD__DRIVER="memory"``)."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("YUNZHUO_")}
    defaults = {"HOST__IMAGE": "light", "HOST__PREPARED_LANGUAGES": '["en"]'}
    environment |= {f"YUNZHUO_{name}": value for name, value in (defaults | settings).items()}
    environment |= {f"YUNZHUO_{name.upper()}__PORT": str(port) for name, port in ports.items()}
    environment["YUNZHUO_HOME"] = str(home)
    output = home.parent / f"{home.name}-up.log"
    return Running(home, ports, environment, _up(environment, output), output)


def _up(environment: dict[str, str], output: Path) -> subprocess.Popen[str]:
    with output.open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "yunzhuo", "up"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            start_new_session=True,
        )


def wait_until_ready(running: Running, timeout_seconds: float = READY_SECONDS) -> None:
    """Until /readyz answers 200; fails with the log when Yunzhuo ended before."""

    def is_ready() -> bool:
        assert running.process.poll() is None, running.output.read_text()
        try:
            return httpx.get(f"{running.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    eventually(is_ready, timeout_seconds=timeout_seconds, what=lambda: running.output.read_text()[-2000:])


@contextmanager
def running_yunzhuo(home: Path, **settings: str) -> Iterator[Running]:
    """A Yunzhuo that is ready; stopped at the end, and its machines ended."""
    running = launch(home, free_ports("web", "gateway", "stream"), **settings)
    try:
        wait_until_ready(running)
        yield running
    finally:
        for client in running.clients:
            client.close()
        if running.process.poll() is None:
            running.interrupt()
        running.command("host", "stop-all", check=False)


def answer_of(response: httpx.Response, status: int) -> Any:
    """The JSON of a response that must have this status."""
    assert response.status_code == status, f"{response.request.url}: {response.status_code} {response.text}"
    return response.json()
