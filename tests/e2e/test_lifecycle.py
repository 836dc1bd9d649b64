"""The first way through the whole house, as a person goes it, with real machines."""

import re
import secrets
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.support.running import PASSWORD, Running
from tests.support.waiting import eventually

from yunzhuo.phoenix import cloud as clouds
from yunzhuo.phoenix.cloud.interface import Cloud

pytestmark = [
    pytest.mark.machine,
    pytest.mark.browser,
    pytest.mark.servers,
    pytest.mark.timeout(1800),
    pytest.mark.xdist_group("e2e"),
]

# Boots of a stopped machine are cold, and take half a minute without KVM.
COLD_BOOT_MS = 180_000


@pytest.fixture
def cloud(yunzhuo: Running) -> Iterator[Cloud]:
    connected = clouds.connect(yunzhuo.settings())
    yield connected
    connected.close()


def test_register_create_type_draw_stop_start_delete(yunzhuo: Running, page: Page, cloud: Cloud) -> None:
    email = f"pupil-{secrets.token_hex(4)}@school.local"
    register(page, yunzhuo.url, email)
    desktop_id = create_desktop(page)
    wait_for_screen(page)
    server = cloud.servers.find(desktop_id)
    assert server is not None
    type_and_read_back(page, cloud, server.id)
    draw_and_see(page, cloud, server.id)

    page.goto(yunzhuo.url)
    card = page.locator(f"#desktop-{desktop_id}")
    card.get_by_role("button", name="Stop").click()
    expect(card).to_have_attribute("data-state", "stopped", timeout=60_000)
    card.get_by_role("button", name="Start").click()
    expect(card).to_have_attribute("data-state", "available", timeout=COLD_BOOT_MS)
    page.locator(f"#desktop-{desktop_id}-menu-button").click()
    page.locator(f"#desktop-{desktop_id}-delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(card).to_have_count(0, timeout=60_000)
    assert cloud.servers.find(desktop_id) is None


def test_two_desktops_are_two_machines(yunzhuo: Running, cloud: Cloud) -> None:
    api = yunzhuo.api(yunzhuo.add_user(f"two-{secrets.token_hex(4)}@school.local"))
    image, flavor = api.get("images").json()["items"][0]["id"], api.get("flavors").json()["items"][0]["id"]
    ids = [
        api.post("desktops", json={"image": image, "flavor": flavor, "name": name}).json()["desktop"]["id"]
        for name in ("One", "Two")
    ]
    for desktop_id in ids:
        eventually(lambda: api.get(f"desktops/{desktop_id}").json()["state"] == "available", 60)  # noqa: B023 (called at once)
    who = "cat /etc/machine-id; hostname; cat /etc/ssh/ssh_host_ed25519_key.pub; date +%s"
    identities = []
    for desktop_id in ids:
        server = cloud.servers.find(desktop_id)
        assert server is not None
        identities.append(cloud.guest.run(server.id, ["/bin/sh", "-c", who]).stdout.decode().splitlines())
    for one, two in zip(identities[0][:3], identities[1][:3], strict=True):
        assert one
        assert one != two
    assert identities[0][1].startswith("one-")
    assert abs(int(identities[0][3]) - int(identities[1][3])) < 30
    for desktop_id in ids:
        assert api.delete(f"desktops/{desktop_id}").status_code == 202
    eventually(lambda: api.get("desktops").json()["items"] == [], 60)


def register(page: Page, url: str, email: str) -> None:
    page.goto(f"{url}/register")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name=re.compile("Register|Create account")).click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def create_desktop(page: Page) -> str:
    """Click through to a new desktop of the default kind; answers its id from the address."""
    page.get_by_role("button", name=re.compile("Create")).first.click()
    page.wait_for_url(re.compile(r"/desktops/[0-9a-f-]{36}"))
    found = re.search(r"/desktops/([0-9a-f-]{36})", page.url)
    assert found is not None
    return found.group(1)


def wait_for_screen(page: Page) -> None:
    """Until the console is connected and its canvas shows something that is not one color."""
    expect(page.locator("body")).to_have_attribute("data-console", "connected", timeout=60_000)
    page.wait_for_function(
        """() => {
            const canvas = document.querySelector('canvas')
            if (!canvas || !canvas.width) return false
            const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
            const seen = new Set()
            for (let i = 0; i < pixels.length; i += 4 * 997) seen.add(pixels[i] << 16 | pixels[i + 1] << 8 | pixels[i + 2])
            return seen.size > 4
        }""",
        timeout=30_000,
    )


def type_and_read_back(page: Page, cloud: Cloud, server_id: str) -> None:
    """Type a command with a random word into the terminal that is open. No key of it needs Shift, which the browser's
    automation does not press."""
    word = secrets.token_hex(6)
    page.locator("canvas").click(position={"x": 300, "y": 300})
    page.keyboard.type(f"touch /tmp/typed-{word}\n", delay=30)

    def read_back() -> bool:
        return cloud.guest.run(server_id, ["/bin/sh", "-c", "ls /tmp"]).stdout.decode().split().count(f"typed-{word}") == 1

    eventually(read_back, 30, what=f"typed {word}")


def draw_and_see(page: Page, cloud: Cloud, server_id: str) -> None:
    """The guest fills a window with a color drawn by chance; many pixels of the canvas have it then."""
    color = [64 + secrets.randbelow(128) for _ in range(3)]
    name = "#" + bytes(color).hex()
    as_user = "DISPLAY=:0 setpriv --reuid=user --regid=user --init-groups"
    show = f"{as_user} gxmessage -center -geometry 500x300 -bg '{name}' -nofocus ' ' >/dev/null 2>&1 &"
    cloud.guest.run(server_id, ["/bin/sh", "-c", show])
    page.wait_for_function(
        """(wanted) => {
            const canvas = document.querySelector('canvas')
            const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
            let found = 0
            for (let i = 0; i < pixels.length; i += 4)
                if (wanted.every((value, channel) => Math.abs(pixels[i + channel] - value) < 3)) found++
            return found > 10000
        }""",
        arg=color,
        timeout=30_000,
    )
