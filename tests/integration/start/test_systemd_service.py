"""Yunzhuo as a service of systemd: a real one that has booted, and what any other service manager would hear."""

import json
import os
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from tests.support.booted_systemd import CLONE, Booted, booted_systemd
from tests.support.running import free_ports, launch
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers

CONFIG = "/srv/yunzhuo.toml"
MEMORY = '[cloud]\ndriver = "memory"'
YUNZHUO = str(CLONE / ".venv" / "bin" / "yunzhuo")


def test_a_service_manager_hears_of_the_start_of_life_and_of_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "2000000")
        running = launch(tmp_path / "home", free_ports("web", "gateway", "stream"), CLOUD__DRIVER="memory")
        try:
            heard: list[str] = []
            while not any(each.startswith("READY=1") for each in heard):
                heard.append(manager.recv(4096).decode())
            assert httpx.get(f"{running.url}/healthz").status_code == 200
            assert heard[-1] == f"READY=1\nSTATUS=the portal answers at {running.url}"
            assert "WATCHDOG=1" in {*heard, manager.recv(4096).decode()}
        finally:
            assert running.interrupt() == 0
        while heard[-1] != "STOPPING=1\nSTATUS=stopping":
            heard.append(manager.recv(4096).decode())


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Booted]:
    if os.geteuid() != 0:
        pytest.skip("only root makes namespaces with a systemd in them")
    with booted_systemd(tmp_path / "systemd.log") as booted:
        yield booted


def written(systemd: Booted, path: str, *lines: str) -> None:
    """A file there, of these lines."""
    systemd.run("sh", "-c", f"mkdir -p $(dirname {path}) && cat > {path} <<'END'\n" + "\n".join(lines) + "\nEND")


def asked(systemd: Booted, *words: str, exit_code: int = 0) -> str:
    """What `yunzhuo service` says there, good or bad."""
    done = systemd.run(YUNZHUO, "service", *words, check=False)
    assert done.returncode == exit_code, f"{words}: {done.stdout}{done.stderr}{systemd.journal()}"
    return done.stdout + done.stderr


def test_installed_started_killed_stopped_and_removed(systemd: Booted) -> None:
    ports = free_ports("web", "gateway", "stream")
    written(systemd, CONFIG, MEMORY, *(f"[{name}]\nport = {port}" for name, port in ports.items()))
    service = partial(asked, systemd)

    def pids() -> dict[str, int]:
        processes = json.loads(systemd.run("cat", "/srv/home/run/processes.json").stdout)
        return {"supervisor": processes["supervisor"]} | {name: one["pid"] for name, one in processes["processes"].items()}

    service("install", "--config", CONFIG, "--home", "/srv/home")
    service("status", exit_code=3)
    service("start")
    assert httpx.get(f"http://localhost:{ports['web']}/healthz").status_code == 200
    assert systemd.run("stat", "--format=%U %a", "/srv/home").stdout == "yunzhuo 700\n"

    # A child that dies comes back; and so does all of it when the supervisor dies.
    first = pids()
    systemd.run("kill", "-KILL", str(first["web"]))
    eventually(lambda: pids()["web"] not in {None, first["web"]}, 15, what=systemd.journal)
    systemd.run("kill", "-KILL", str(first["supervisor"]))
    eventually(lambda: pids()["supervisor"] != first["supervisor"], 60, what=systemd.journal)
    eventually(lambda: systemd.run("systemctl", "is-active", "yunzhuo", check=False).returncode == 0, 60, what=systemd.journal)

    # The journal has what the processes say, each line with its level and no password.
    warnings = systemd.run("journalctl", "--unit=yunzhuo", "--priority=warning", "--output=cat").stdout
    assert "web ended (SIGKILL); starting it again" in warnings
    assert "web_listening" not in warnings
    everything = systemd.run("journalctl", "--unit=yunzhuo", "--output=cat").stdout
    assert "web_listening" in everything
    assert systemd.run("cat", "/srv/home/secrets/first-password").stdout.strip() not in everything

    service("stop")
    assert not systemd.run("pgrep", "-u", "yunzhuo", check=False).stdout
    service("uninstall")
    service("status", exit_code=4)
    service("start", exit_code=1)
    assert systemd.run("ls", "/srv/home").stdout


def test_what_cannot_run_is_refused_before_and_what_fails_may_be_started_again(systemd: Booted) -> None:
    service = partial(asked, systemd)
    install = ("install", "--config", CONFIG, "--home", "/srv/home")
    written(systemd, CONFIG, MEMORY)
    systemd.run("chmod", "600", CONFIG)
    assert "yunzhuo cannot run Yunzhuo from where it is" in service(*install, exit_code=1)
    systemd.run("chmod", "644", CONFIG)
    systemd.run("chown", "root", "/srv/home")
    assert "/srv/home does not belong to yunzhuo: `chown -R yunzhuo: /srv/home`" in service(*install, exit_code=1)
    service("status", exit_code=4)
    systemd.run("chown", "yunzhuo", "/srv/home")
    assert "Installed." in service(*install)

    # It dies at once, and for systemd one start is as many as may be.
    written(systemd, CONFIG, "[web]", "port = 0", "[web]")
    written(
        systemd, "/etc/systemd/system/yunzhuo.service.d/once.conf", "[Unit]", "StartLimitBurst=1", "[Service]", "Restart=no"
    )
    systemd.run("systemctl", "daemon-reload")
    for _ in range(2):
        assert "`journalctl -u yunzhuo.service` says more." in service("start", exit_code=1)
        assert "Failed" in service("status", exit_code=3)
    assert systemd.journal().count("is not TOML") == 2, "it was tried each time"

    # A gateway has an account of its own and no state; what runs machines gets to where they are let go.
    service("install", "gateway", "--config", "/srv/gateway.toml")
    assert "User=yunzhuo-gateway" in systemd.run("systemctl", "cat", "yunzhuo-gateway").stdout
    service("uninstall", "gateway")
    systemd.run("sh", "-c", "getent group kvm || groupadd --system kvm")
    written(systemd, CONFIG, '[cloud]\ndriver = "local"')
    service(*install)
    assert "SupplementaryGroups=kvm" in systemd.run("systemctl", "cat", "yunzhuo").stdout
