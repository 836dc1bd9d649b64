"""Text and a large file into a real desktop and back, through the page, as a person carries them."""

import hashlib
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.support.running import PASSWORD, Running
from tests.support.waiting import eventually

from yunzhuo.phoenix import cloud as clouds

pytestmark = [
    pytest.mark.machine,
    pytest.mark.browser,
    pytest.mark.servers,
    pytest.mark.timeout(1800),
    pytest.mark.xdist_group("e2e"),
]

FILE_BYTES = 50_000_000
PATIENCE_MS = 600_000


def test_text_and_fifty_megabytes_there_and_back(
    yunzhuo: Running, page: Page, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    email = f"carrier-{secrets.token_hex(4)}@school.local"
    api = yunzhuo.api(yunzhuo.add_user(email))
    wish = {kind.rstrip("s"): api.get(kind).json()["items"][0]["id"] for kind in ("images", "flavors")}
    desktop_id = api.post("desktops", json=wish).json()["desktop"]["id"]
    eventually(lambda: api.get(f"desktops/{desktop_id}").json()["state"] == "available", 120)
    open_screen(page, yunzhuo, email, desktop_id)
    with_clipboard(page, yunzhuo, desktop_id)

    sent, received = tmp_path / "五十 MB.bin", tmp_path / "back.bin"
    sent.write_bytes(os.urandom(FILE_BYTES))
    page.keyboard.press("Escape")
    page.locator("#open-files").focus()
    page.keyboard.press("Enter")
    started_at = time.monotonic()
    page.locator("#files-input").set_input_files(sent)
    expect(page.locator("#uploads .file-state")).to_have_text("Done", timeout=PATIENCE_MS)
    there_at = time.monotonic()
    with page.expect_download(timeout=PATIENCE_MS) as download:
        page.get_by_role("link", name=sent.name).click()
    download.value.save_as(received)
    back_at = time.monotonic()
    assert digest(received) == digest(sent)
    assert inside(yunzhuo, desktop_id, f"sha256sum < '/home/user/Downloads/{sent.name}'").split()[0] == digest(sent)
    assert inside(yunzhuo, desktop_id, f"stat -c %U '/home/user/Downloads/{sent.name}'").strip() == "user"
    record_property("seconds_there", round(there_at - started_at, 1))
    record_property("seconds_back", round(back_at - there_at, 1))
    print(f"50 MB: {there_at - started_at:.1f} s there, {back_at - there_at:.1f} s back")
    api.delete(f"desktops/{desktop_id}")


def with_clipboard(page: Page, yunzhuo: Running, desktop_id: str) -> None:
    """Text to the desktop, where a program pastes it; and what a program has copied there, back."""
    xclip = "/etc/desktop/as-user xclip -selection clipboard"
    page.locator("#open-clipboard").focus()
    page.keyboard.press("Enter")
    box = page.get_by_label("Text to carry over")
    box.fill("there 去\nsecond line")
    page.locator("#clipboard-send").click()
    expect(page.locator("#clipboard-status")).to_contain_text("The desktop has it", timeout=30_000)
    assert inside(yunzhuo, desktop_id, f"{xclip} -out -target UTF8_STRING") == "there 去\nsecond line"
    inside(yunzhuo, desktop_id, f"printf 'back 回' | {xclip} -in >/dev/null 2>&1")
    page.locator("#clipboard-take").click()
    expect(box).to_have_value("back 回", timeout=30_000)


def open_screen(page: Page, yunzhuo: Running, email: str, desktop_id: str) -> None:
    page.goto(f"{yunzhuo.url}/sign-in?next=/desktops/{desktop_id}")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("body")).to_have_attribute("data-console", "connected", timeout=60_000)


def inside(yunzhuo: Running, desktop_id: str, command: str) -> str:
    """What a shell in the desktop says, as root."""
    cloud = clouds.connect(yunzhuo.settings())
    try:
        server = cloud.servers.find(desktop_id)
        assert server is not None
        return cloud.guest.run(server.id, ["/bin/sh", "-c", command], timeout_seconds=60).stdout.decode()
    finally:
        cloud.close()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
