"""The whole way on a real OpenStack: portal, operation, Nova, ready, gateway, and a screen that is seen and typed into."""

import re
import secrets
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from tests.support.chromium import launch_chromium
from tests.support.openstack_cloud import OF_THE_SDK
from tests.support.openstack_site import Site, openstack_site
from tests.support.running import PASSWORD
from tests.support.waiting import eventually

from yunzhuo.phoenix.cloud.resources import Console, ConsoleProtocol

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(900), OF_THE_SDK]

_BUILD_MS = 240_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with openstack_site(tmp_path_factory.mktemp("cloud") / "var") as site:
        yield site


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with (
        sync_playwright() as playwright,
        launch_chromium(playwright) as chromium,
        chromium.new_context(viewport={"width": 1280, "height": 800}, locale="en-US") as context,
    ):
        yield context.new_page()


def test_from_the_portal_to_a_screen_that_is_typed_into(site: Site, page: Page, tmp_path: Path) -> None:
    page.goto(f"{site.yunzhuo.url}/register")
    page.get_by_label("E-mail").fill(f"pupil-{secrets.token_hex(4)}@school.local")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name=re.compile("Register|Create account")).click()
    page.get_by_role("button", name=re.compile("Create")).first.click()
    page.wait_for_url(re.compile(r"/desktops/[0-9a-f-]{36}"))
    desktop_id = page.url.rpartition("/")[2]
    expect(page.locator("body")).to_have_attribute("data-console", "connected", timeout=_BUILD_MS)
    page.wait_for_function(_SHOWS_TEXT, timeout=60_000)
    server = site.cloud.servers.find(desktop_id)
    assert server is not None
    assert site.servers() == [server.id]
    assert len(site.ports_of({server.id})) == 1

    assert _speaks_spice(site.cloud.servers.console(server.id, ConsoleProtocol.SPICE))
    word = secrets.token_hex(6)
    page.locator("canvas").click(position={"x": 200, "y": 200})
    page.keyboard.type(f"say {word}\n", delay=40)

    def is_said() -> bool:
        answer: str = site.sdk.compute.get_server_console_output(server.id)["output"]
        return f"SAID {word}" in answer

    eventually(is_said, 60, what="what was typed, on the guest's serial port")
    page.screenshot(path=tmp_path / "screen.png")

    page.goto(site.yunzhuo.url)
    card = page.locator(f"#desktop-{desktop_id}")
    card.get_by_role("button", name="Stop").click()
    expect(card).to_have_attribute("data-state", "stopped", timeout=90_000)
    card.get_by_role("button", name="Start").click()
    expect(card).to_have_attribute("data-state", "available", timeout=_BUILD_MS)
    page.locator(f"#desktop-{desktop_id}-menu-button").click()
    page.locator(f"#desktop-{desktop_id}-delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(card).to_have_count(0, timeout=90_000)
    eventually(lambda: not (site.servers() or site.ports_of({server.id})), 60, what="a cloud in which nothing is left")


def _speaks_spice(console: Console) -> bool:
    """Whether a SPICE server answers a link message (spice-protocol, link.h) where the console is said to be."""
    assert console.host is not None
    assert console.port is not None
    message = struct.pack("<IBBIII", 0, 1, 0, 0, 0, 18)
    with socket.create_connection((console.host, console.port), 10) as screen:
        screen.settimeout(10)
        screen.sendall(b"REDQ" + struct.pack("<III", 2, 2, len(message)) + message)
        return screen.recv(4) == b"REDQ"


# White letters of a text console on black.
_SHOWS_TEXT = """() => {
    const canvas = document.querySelector('canvas')
    if (!canvas || !canvas.width) return false
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
    let light = 0
    for (let i = 0; i < pixels.length; i += 4) if (pixels[i] > 128 && pixels[i + 1] > 128) light += 1
    return light > 200
}"""
