"""The agent's package in a real virtual machine: under systemd with all that its unit takes away from it, over the guests'
network to `yunzhuo agents`, doing what it is asked as the person whose session is on the screen."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.running import Running, answer_of, free_ports, launch, wait_until_ready
from tests.support.waiting import eventually
from yunzhuo.phoenix import cloud as clouds
from yunzhuo.phoenix.cloud.agents import AgentLine, GuestWithAgent
from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.security.agent_keys import AgentKey, AgentKeys
from yunzhuo.phoenix.security.keyring import Keyring
from yunzhuo.phoenix.security.secrets import load_or_make
from yunzhuo.services.agent_door import agents_authority
from yunzhuo.services.rules.first_boot import user_data
from yunzhuo_agent import door

# With `make test-image`: it takes minutes and fetches packages, and is about what images are made of.
pytestmark = [pytest.mark.image, pytest.mark.machine, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[3]
# What an image of a cloud has anyway, since cloud-init is written in it.
_PYTHON = ("python3-minimal", "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib")


class NothingOwn:
    """A cloud's guest as OpenStack's: no way in."""

    def __getattr__(self, call: str) -> object:
        def refuse(*_arguments: object, **_keywords: object) -> None:
            raise CloudNotOffered(call)

        return refuse


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    ports = free_ports("web", "gateway", "stream", "agents")
    line = str(free_ports("line")["line"])
    address = {"AGENTS__PUBLIC_URL": f"https://{_own_address()}:{ports['agents']}", "AGENTS__HOST": "0.0.0.0"}
    started = launch(tmp_path / "home", ports, AGENTS__LOCAL_PORT=line, **address)
    try:
        wait_until_ready(started)
        yield started
    finally:
        for client in started.clients:
            client.close()
        if started.process.poll() is None:
            started.interrupt()
        started.command("host", "stop-all", check=False)


def test_the_package_in_a_machine(running: Running, tmp_path: Path) -> None:
    lin = running.api(running.add_user("lin@school.local"))
    image, flavor = (answer_of(lin.get(path), 200)["items"][0]["id"] for path in ("/images", "/flavors"))
    asked = answer_of(lin.post("/desktops", json={"image": image, "flavor": flavor}), 202)
    desktop_id, issue = asked["desktop"]["id"], asked["operation"]["id"]
    eventually(lambda: _desktop(lin, desktop_id)["state"] == "available", 600, what=lambda: str(_desktop(lin, desktop_id)))
    cloud = clouds.connect(running.settings())
    server = cloud.servers.find(desktop_id)
    assert server is not None
    keys = AgentKeys(Keyring(load_or_make(running.settings().secrets_dir / "account-key")))
    _install(cloud, server.id, tmp_path)
    _tell(cloud, server.id, running, keys.make(AgentKey(desktop_id, issue)))
    heard = eventually(lambda: _desktop(lin, desktop_id)["agent"], 180, what=lambda: _journal(cloud, server.id))
    assert heard["is_ready"]
    assert heard["signed_in_since"] is not None
    assert 0 < heard["memory_used_mib"] < heard["memory_mib"] <= 512

    settings = running.settings().agents
    line = AgentLine(settings.local_host, settings.local_port, keys.line_secret())
    guest = GuestWithAgent(NothingOwn(), line)  # type: ignore[arg-type]
    assert line.is_ready(server.id), _journal(cloud, server.id)
    content = bytes(range(256)) * 1024
    guest.write_piece(server.id, "Downloads/课件.bin", content, offset=0)
    assert [file.name for file in guest.list_files(server.id, "Downloads")] == ["课件.bin"]
    assert guest.read_piece(server.id, "Downloads/课件.bin", offset=0, max_bytes=2**20).content == content
    owner = cloud.guest.run(server.id, ["stat", "-c", "%U", "/home/user/Downloads/课件.bin"])
    assert owner.stdout == b"user\n"
    for path in ("/etc/shadow", "../../etc/shadow"):
        with pytest.raises(InvalidInput):
            guest.read_piece(server.id, path, offset=0, max_bytes=10)
    guest.set_clipboard(server.id, "剪贴板 by the agent")
    assert cloud.guest.get_clipboard(server.id) == guest.get_clipboard(server.id) == "剪贴板 by the agent"
    guest.message(server.id, "还有五分钟下课。")
    eventually(
        lambda: cloud.guest.run(server.id, ["pgrep", "-u", "user", "gxmessage"]).exit_code == 0,
        60,
        what=lambda: _journal(cloud, server.id),
    )
    cloud.close()


def _install(cloud: Cloud, server_id: str, folder: Path) -> None:
    packages = folder / "packages"
    subprocess.run(["python3", str(ROOT / "guest" / "build.py"), str(packages)], check=True)
    subprocess.run(["apt-get", "download", "-qq", *_PYTHON], check=True, cwd=packages, capture_output=True)
    for package in sorted(packages.glob("*.deb")):
        cloud.guest.write_file(server_id, f"/var/tmp/{package.name}", package.read_bytes())  # nosec B108
    unpack = 'for package in /var/tmp/*python3*.deb; do dpkg-deb -x "$package" / || exit 1; done'
    laid = cloud.guest.run(server_id, ["sh", "-c", unpack], timeout_seconds=300)
    assert laid.exit_code == 0, laid.stderr
    install = "dpkg -i --force-depends /var/tmp/yunzhuo-agent_*.deb"
    done = cloud.guest.run(server_id, ["sh", "-c", install], timeout_seconds=300)
    assert done.exit_code == 0, done.stderr


def _tell(cloud: Cloud, server_id: str, running: Running, key: str) -> None:
    """What the config drive would say, where cloud-init would write it: this image has neither."""
    settings = running.settings()
    authority = agents_authority(settings).certificate
    text = user_data(url=settings.agents.public_url, authority=authority, key=key)
    found = door.in_user_data(text.encode())
    assert found is not None
    cloud.guest.write_file(server_id, "/etc/yunzhuo-agent/door.json", found)
    restart = "chmod 600 /etc/yunzhuo-agent/door.json && systemctl restart yunzhuo-agent"
    assert cloud.guest.run(server_id, ["sh", "-c", restart], timeout_seconds=60).exit_code == 0


def _journal(cloud: Cloud, server_id: str) -> str:
    said = cloud.guest.run(server_id, ["journalctl", "-u", "yunzhuo-agent", "-n", "30", "--no-pager"], timeout_seconds=60)
    return said.stdout.decode(errors="replace")


def _desktop(lin: httpx.Client, desktop_id: str) -> dict[str, Any]:
    told: dict[str, Any] = answer_of(lin.get(f"/desktops/{desktop_id}"), 200)
    return told


def _own_address() -> str:
    """An address of this computer that its guests reach: their network leaves the loopback out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        address: str = probe.getsockname()[0]
    return address
