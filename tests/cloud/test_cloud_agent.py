"""The agent in a real guest of a real OpenStack: the config drive gives it its key, it calls out through the cloud's router.

From then on the desktop is reached by it; after a restore the old key counts no more.
"""

import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from infras.openstack.layout import Layout
from playwright.sync_api import Page, expect, sync_playwright
from sqlalchemy import text
from tests.support import openstack_desktop
from tests.support.chromium import launch_chromium
from tests.support.desktop_agent import door_of
from tests.support.openstack_cloud import OF_THE_SDK, asked_directly
from tests.support.openstack_outside import OUTSIDE, port_outside
from tests.support.openstack_site import Site, openstack_site
from tests.support.pool_day import rows
from tests.support.running import PASSWORD, answer_of, free_ports
from tests.support.waiting import eventually

from yunzhuo.phoenix.cloud.agents import AgentLine, GuestWithAgent
from yunzhuo.phoenix.security.agent_keys import AgentKeys
from yunzhuo.phoenix.security.keyring import Keyring
from yunzhuo.phoenix.security.secrets import load_or_make

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(2700), OF_THE_SDK]

_BOOT_SECONDS = 600.0
_EMAIL = "lin@school.local"
_MIB = 1024 * 1024


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """With a desktop's image, an agents' door that guests reach, and no line of a console that would count as ready."""
    made = openstack_desktop.build(tmp_path / "image")
    ports = free_ports("agents", "line")
    variables = {
        "AGENTS__PUBLIC_URL": f"https://{OUTSIDE}:{ports['agents']}",
        "AGENTS__PORT": str(ports["agents"]),
        "AGENTS__LOCAL_PORT": str(ports["line"]),
        "OPERATIONS__CREATE_DEADLINE_SECONDS": str(int(_BOOT_SECONDS)),
        "OPERATIONS__DEFAULT_DEADLINE_SECONDS": str(int(_BOOT_SECONDS)),
    }
    with asked_directly("yunzhuo") as sdk, openstack_desktop.uploaded(sdk, made), port_outside(ports["agents"]):
        settings = {"images": (openstack_desktop.NAME,), "flavors": ("real.desktop",), "ready_pattern": "^no such line$"}
        with openstack_site(tmp_path / "var", variables=variables, **settings) as site:
            yield site


def test_the_agent_in_a_guest(site: Site, tmp_path: Path) -> None:
    lin = site.yunzhuo.api(site.yunzhuo.add_user(_EMAIL))
    image, flavor = (answer_of(lin.get(path), 200)["items"][0]["id"] for path in ("/images", "/flavors"))
    desktop_id = answer_of(lin.post("/desktops", json={"image": image, "flavor": flavor}), 202)["desktop"]["id"]
    _until_available(site, lin, desktop_id)
    server = site.cloud.servers.find(desktop_id)
    assert server is not None
    # What agents say is written down every two seconds; whether the guest is ready they are asked themselves.
    eventually(lambda: _told(lin, desktop_id)["agent"]["is_ready"], 10, what=lambda: _told(lin, desktop_id)["agent"])
    told = _told(lin, desktop_id)
    assert told["agent"]["signed_in_since"] is not None
    assert 0 < told["agent"]["memory_used_mib"] < told["agent"]["memory_mib"] <= 768
    assert told["agent"]["load"] >= 0
    _carry(lin, desktop_id)
    with _screen(site, desktop_id) as page:
        _show_message(site, server.id, page)
        page.screenshot(path=tmp_path / "message.png")
        _have_sound(site, desktop_id, page)

    old = _door(site, server.id)
    assert _answered(old) == 400, "the key counts, and nothing was said with it"
    answer_of(lin.post(f"/desktops/{desktop_id}/actions", json={"action": "rebuild"}), 202)
    _until_available(site, lin, desktop_id)
    new = _door(site, server.id)
    assert new["key"] != old["key"]
    assert _answered(old) == 401
    assert _answered(new) == 400
    assert answer_of(lin.get(f"/desktops/{desktop_id}/files"), 200)["items"] == [], "a restored desktop"
    lin.put(f"/desktops/{desktop_id}/clipboard", json={"text": "again"}).raise_for_status()
    assert answer_of(lin.get(f"/desktops/{desktop_id}/clipboard"), 200)["text"] == "again"


def _carry(lin: httpx.Client, desktop_id: str) -> None:
    content = bytes(range(256)) * 5000 + "末".encode()
    for start in range(0, len(content), _MIB):
        part = content[start : start + _MIB]
        span = f"bytes {start}-{start + len(part) - 1}/{len(content)}"
        lin.put(f"/desktops/{desktop_id}/files/课件.bin", content=part, headers={"Content-Range": span}).raise_for_status()
    listed = answer_of(lin.get(f"/desktops/{desktop_id}/files"), 200)["items"]
    assert [(file["name"], file["size_bytes"]) for file in listed] == [("课件.bin", len(content))]
    assert lin.get(f"/desktops/{desktop_id}/files/课件.bin").content == content
    lin.put(f"/desktops/{desktop_id}/clipboard", json={"text": "剪贴板 text\n"}).raise_for_status()
    assert answer_of(lin.get(f"/desktops/{desktop_id}/clipboard"), 200)["text"] == "剪贴板 text\n"


def _show_message(site: Site, server_id: str, page: Page) -> None:
    """A message is a window on the screen, which is looked at in a browser before and after."""
    settings = site.yunzhuo.settings()
    keys = AgentKeys(Keyring(load_or_make(settings.secrets_dir / "account-key")))
    line = AgentLine(settings.agents.local_host, settings.agents.local_port, keys.line_secret())
    page.evaluate(_REMEMBER)
    GuestWithAgent(site.cloud.guest, line).message(server_id, "还有五分钟下课。")
    page.wait_for_function(_CHANGED, timeout=120_000)


def _have_sound(site: Site, desktop_id: str, page: Page) -> None:
    """The page's sound is SPICE: through the gateway to the port that Nova names, its main channel and the one that plays."""
    asked = text("SELECT id, protocol FROM console_sessions WHERE protocol = 'spice' AND desktop_id = :desktop")

    def channels() -> int:
        return len(rows(site.yunzhuo, asked, desktop=desktop_id))

    page.locator("#sound-switch").focus()
    page.keyboard.press("Enter")
    eventually(lambda: channels() == 2, 60, what=lambda: f"SPICE's channels: {channels()}")
    expect(page.locator("#sound-switch")).to_have_attribute("aria-pressed", "true")


@contextmanager
def _screen(site: Site, desktop_id: str) -> Iterator[Page]:
    with (
        sync_playwright() as playwright,
        launch_chromium(playwright) as chromium,
        chromium.new_context(viewport={"width": 1280, "height": 800}, locale="en-US") as context,
    ):
        page = context.new_page()
        page.goto(f"{site.yunzhuo.url}/sign-in?next=/desktops/{desktop_id}")
        page.get_by_label("E-mail address").fill(_EMAIL)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("body")).to_have_attribute("data-console", "connected", timeout=60_000)
        page.wait_for_function(_SHOWS_A_PICTURE, timeout=60_000)
        yield page


def _door(site: Site, server_id: str) -> dict[str, Any]:
    """What the server's config drive says, as Nova tells it to whom its policy lets see it."""
    told = site.sdk.compute.get(f"/servers/{server_id}", microversion="2.90").json()["server"]
    door: dict[str, Any] = json.loads(door_of(base64.b64decode(told["OS-EXT-SRV-ATTR:user_data"]).decode()))
    return door


def _answered(door: dict[str, Any]) -> int:
    """The status by which the agents' door answers to an empty turn with this key, asked on this side of the cloud."""
    authority = ssl.create_default_context(cadata=door["authority"])
    url = door["url"].replace(OUTSIDE, "127.0.0.1") + "/agent/v1/turn"
    headers = {"Authorization": f"Bearer {door['key']}"}
    with httpx.Client(verify=authority) as client:
        return client.post(url, content=b"{}", headers=headers, extensions={"sni_hostname": OUTSIDE}).status_code


def _until_available(site: Site, lin: httpx.Client, desktop_id: str) -> None:
    def is_available() -> bool:
        told = _told(lin, desktop_id)
        assert told["operation"]["status"] != "failed", told
        return bool(told["state"] == "available")

    eventually(is_available, _BOOT_SECONDS, what=lambda: f"{_told(lin, desktop_id)}\n{_console(site, desktop_id)}")


def _console(site: Site, desktop_id: str) -> str:
    """What the guest said on its serial port: where a boot that does not end stands."""
    server = site.cloud.servers.find(desktop_id)
    log = Layout.of_this_computer().data / "nova" / "instances" / (server.id if server else "") / "console.log"
    return log.read_text(errors="replace")[-3000:] if log.is_file() else "nothing"


def _told(lin: httpx.Client, desktop_id: str) -> dict[str, Any]:
    told: dict[str, Any] = answer_of(lin.get(f"/desktops/{desktop_id}"), 200)
    return told


_SHOWS_A_PICTURE = """() => {
    const canvas = document.querySelector('canvas')
    if (!canvas || !canvas.width) return false
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
    const seen = new Set()
    for (let i = 0; i < pixels.length; i += 4 * 997) seen.add(pixels[i] << 16 | pixels[i + 1] << 8 | pixels[i + 2])
    return seen.size > 4
}"""
_PIXELS = """const canvas = document.querySelector('canvas')
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data"""
_REMEMBER = f"() => {{ {_PIXELS}; window.remembered = pixels }}"
# A window is more than a clock that goes on or a cursor that blinks.
_CHANGED = f"""() => {{ {_PIXELS}
    let changed = 0
    for (let i = 0; i < pixels.length; i += 4) if (pixels[i] !== window.remembered[i]) changed += 1
    return changed > 20000
}}"""
