"""Yunzhuo as a service of Windows, really run: Windows' Python, pywin32 and the Services of Wine.

What Wine cannot show is in docs/how-to/service.md.
"""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support.running import free_ports
from tests.support.waiting import eventually
from tests.support.wine import WindowsComputer, windows_computer

pytestmark = [pytest.mark.windows, pytest.mark.timeout(1500)]

CONFIG = "C:\\yunzhuo.toml"
HOME = "C:\\ProgramData\\Yunzhuo state"  # with a blank, as many paths of Windows


@pytest.fixture(scope="module")
def windows() -> Iterator[WindowsComputer]:
    with windows_computer() as computer:
        yield computer


@pytest.fixture
def url(windows: WindowsComputer) -> str:
    """Where the portal will be; the settings file is written."""
    ports = free_ports("web", "gateway", "stream")
    lines = [f"[{name}]\nport = {port}" for name, port in ports.items()]
    windows.path(CONFIG).write_text("\n".join(['[cloud]\ndriver = "memory"', *lines, ""]))
    return f"http://localhost:{ports['web']}"


def status(windows: WindowsComputer) -> dict[str, Any]:
    said = windows.yunzhuo("service", "status", "--json", check=False).stdout
    found: dict[str, Any] = json.loads(said[said.index("{") : said.rindex("}") + 1])
    return found


def pids(windows: WindowsComputer) -> dict[str, int]:
    """By the pids of this computer: those that run which of Yunzhuo's processes."""
    names = ("worker", "scheduler", "stream", "web")
    return {name: pid for pid, line in windows.processes().items() for name in names if f" yunzhuo {name} " in line}


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=10).status_code == 200
    except httpx.TransportError:
        return False


def log(windows: WindowsComputer) -> str:
    folder = windows.path(HOME) / "logs"
    return "\n".join(f"{path.name}: {path.read_text(errors='replace')[-2000:]}" for path in sorted(folder.glob("*.log")))


def test_installed_started_killed_stopped_and_removed(windows: WindowsComputer, url: str) -> None:
    assert status(windows)["state"] == "not installed"
    windows.yunzhuo("service", "install", "--config", CONFIG, "--home", HOME)
    installed = status(windows)
    assert (installed["state"], installed["at_boot"]) == ("stopped", True)

    started = windows.yunzhuo("service", "start", check=False)
    assert started.returncode == 0, started.stdout + log(windows)
    assert answers(url)
    assert "Yunzhuo" in httpx.get(f"{url}/sign-in", timeout=30).text
    assert status(windows)["state"] == "running"
    eventually(lambda: len(pids(windows)) == 4, 30, what=lambda: log(windows))

    before = pids(windows)
    os.kill(before["web"], signal.SIGKILL)
    eventually(lambda: pids(windows).get("web") not in {None, before["web"]}, 60, what=lambda: log(windows))
    eventually(lambda: answers(url), 300, what=lambda: log(windows))
    assert {name: pid for name, pid in pids(windows).items() if name != "web"} == {
        name: pid for name, pid in before.items() if name != "web"
    }

    # Of a supervisor that died nothing is left: all were in one job.
    (up,) = (pid for pid, line in windows.processes().items() if " yunzhuo up " in line and " -c " not in line)
    os.kill(up, signal.SIGKILL)
    eventually(lambda: windows.processes() == {}, 60, what=lambda: log(windows))
    assert status(windows)["state"] in {"failed", "stopped"}

    windows.yunzhuo("service", "start")
    assert answers(url)
    windows.yunzhuo("service", "stop")
    assert windows.processes() == {}
    assert '"event": "stopped"' in (windows.path(HOME) / "logs" / "service.log").read_text()
    assert status(windows)["state"] == "stopped"

    windows.yunzhuo("service", "uninstall")
    assert status(windows)["state"] == "not installed"
    assert (windows.path(HOME) / "yunzhuo.db").exists()


def test_the_services_own_account_is_known_by_its_identifier(windows: WindowsComputer) -> None:
    # The one that every Windows has (Microsoft: "TrustedInstaller", the owner of the system's files).
    code = "from yunzhuo.scheduler.platform.windows_service import service_sid; print(service_sid('TrustedInstaller'))"

    said = windows.python("-c", code).stdout

    assert said.strip() == "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
