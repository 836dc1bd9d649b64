"""What is carried to a desktop and back from its page: clipboard, files, keys that fingers and browsers do not have."""

import hashlib
import os
import re
import zipfile
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.support.complaints import Complaints
from tests.support.portal import Portal, ask_for_desktop, sign_in
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.servers, pytest.mark.xdist_group("portal")]

CONTROL, ALT, TAB, ESCAPE, LEFT = 0xFFE3, 0xFFE9, 0xFF09, 0xFF1B, 0xFF51


@pytest.fixture
def desktop_id(api: httpx.Client) -> str:
    return ask_for_desktop(api, "Maths")


def open_screen(page: Page, yunzhuo: Portal, email: str, desktop_id: str) -> None:
    sign_in(page, yunzhuo, email, f"/desktops/{desktop_id}")
    expect(page.locator("body")).to_have_attribute("data-console", "connected")


def open_panel(page: Page, name: str) -> None:
    page.mouse.move(600, 1)
    page.get_by_role("button", name=name, exact=True).click()


def test_text_goes_both_ways_through_the_box_by_keyboard(
    yunzhuo: Portal, page: Page, email: str, api: httpx.Client, desktop_id: str
) -> None:
    open_screen(page, yunzhuo, email, desktop_id)
    clipboard = f"desktops/{desktop_id}/clipboard"
    page.locator("#open-clipboard").focus()
    page.keyboard.press("Enter")
    box = page.get_by_label("Text to carry over")
    expect(box).to_be_focused()
    page.keyboard.type("from here 从这里")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#clipboard-status")).to_contain_text("The desktop has it")
    assert api.get(clipboard).json() == {"text": "from here 从这里"}

    api.put(clipboard, json={"text": "from there 从那里"})
    page.get_by_role("button", name="From the desktop").click()
    expect(box).to_have_value("from there 从那里")
    page.keyboard.press("Escape")
    expect(page.locator("#clipboard-panel")).to_be_hidden()
    expect(page.locator("#screen canvas")).to_be_focused()


def test_the_devices_own_clipboard_where_the_browser_lets_us(
    yunzhuo: Portal, context: BrowserContext, page: Page, email: str, api: httpx.Client, desktop_id: str
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=yunzhuo.url)
    open_screen(page, yunzhuo, email, desktop_id)
    page.evaluate("() => navigator.clipboard.writeText('copied on this device')")
    open_panel(page, "Clipboard")
    page.get_by_role("button", name="Carry over this device's clipboard").click()
    expect(page.locator("#clipboard-status")).to_contain_text("The desktop has it")
    assert api.get(f"desktops/{desktop_id}/clipboard").json() == {"text": "copied on this device"}
    api.put(f"desktops/{desktop_id}/clipboard", json={"text": "copied in the desktop"})
    page.get_by_role("button", name="From the desktop").click()
    expect(page.locator("#clipboard-status")).to_contain_text("in the clipboard of this device")
    assert page.evaluate("() => navigator.clipboard.readText()") == "copied in the desktop"


def test_text_that_is_too_long_is_not_sent(yunzhuo: Portal, page: Page, email: str, desktop_id: str) -> None:
    open_screen(page, yunzhuo, email, desktop_id)
    open_panel(page, "Clipboard")
    page.get_by_label("Text to carry over").evaluate("(box) => { box.value = 'x'.repeat(1024 * 1024 + 1) }")
    page.get_by_role("button", name="To the desktop").click()
    expect(page.locator("#clipboard-status")).to_have_text("This text is too long for the clipboard.")


def test_files_go_in_and_come_out_whole(
    yunzhuo: Portal, page: Page, email: str, api: httpx.Client, desktop_id: str, tmp_path: Path
) -> None:
    contents = {"课件 1.bin": os.urandom(3 * 1024 * 1024 + 11), "empty.txt": b""}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    open_screen(page, yunzhuo, email, desktop_id)
    open_panel(page, "Files")
    expect(page.get_by_text("The folder is empty.")).to_be_visible()
    page.locator("#files-input").set_input_files([tmp_path / name for name in contents])
    expect(page.locator("#uploads .file-state")).to_have_text(["Done", "Done"])
    expect(page.locator("#files a")).to_have_text(["empty.txt", "课件 1.bin"])
    with page.expect_download() as download:
        page.get_by_role("link", name="课件 1.bin").click()
    assert digest(download.value.path()) == digest(tmp_path / "课件 1.bin")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all as a zip file").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == contents


def test_dropped_files_land_and_bad_ones_are_told(yunzhuo: Portal, page: Page, email: str, desktop_id: str) -> None:
    open_screen(page, yunzhuo, email, desktop_id)
    drop(page, {"dropped.txt": "hello", ".hidden": "no"})
    expect(page.locator("#files-panel")).to_be_visible()
    expect(page.locator("#uploads .file-state")).to_have_text(
        ["Done", "A file with this name cannot be carried. Rename it first."]
    )
    expect(page.locator("#files a")).to_have_text(["dropped.txt"])


def test_an_upload_can_be_cancelled_and_leaves_nothing(
    yunzhuo: Portal, page: Page, email: str, api: httpx.Client, desktop_id: str
) -> None:
    open_screen(page, yunzhuo, email, desktop_id)
    open_panel(page, "Files")
    page.route("**/files/large.bin", lambda route: None)  # the line is stuck
    page.evaluate("""() => {
        const files = new DataTransfer()
        files.items.add(new File([new Uint8Array(5 << 20)], 'large.bin'))
        const input = document.getElementById('files-input')
        input.files = files.files
        input.dispatchEvent(new Event('change'))
    }""")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#uploads .file-state")).to_have_text(["Cancelled"])
    assert api.get(f"desktops/{desktop_id}/files").json()["items"] == []


def test_keys_views_and_the_line(yunzhuo: Portal, page: Page, email: str, desktop_id: str) -> None:
    open_screen(page, yunzhuo, email, desktop_id)
    eventually(lambda: yunzhuo.screen.size == (1280, 800), 10)
    page.mouse.move(600, 1)
    page.locator("#keys-menu > summary").click()
    page.get_by_role("button", name="Alt-Tab").click()
    eventually(lambda: yunzhuo.screen.keys[-2:] == [ALT, TAB], 5)
    page.mouse.move(600, 1)
    page.locator("#view-menu > summary").click()
    page.get_by_role("button", name="One to one").click()
    page.set_viewport_size({"width": 900, "height": 600})
    page.wait_for_function("() => document.querySelector('#screen canvas').getBoundingClientRect().width === 1280")
    assert yunzhuo.screen.size == (1280, 800)
    page.mouse.move(450, 1)
    page.locator("#view-menu > summary").click()
    page.get_by_role("button", name="Fit into the window").click()
    page.wait_for_function("() => document.querySelector('#screen canvas').getBoundingClientRect().width <= 900")
    page.reload()
    expect(page.locator("body")).to_have_attribute("data-console", "connected")
    expect(page.locator("#view-fit")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#line-milliseconds")).to_have_text(re.compile(r"^\d+ ms$"))


def test_fingers_have_keys_of_their_own(
    browser: Browser, yunzhuo: Portal, email: str, desktop_id: str, complaints: Complaints
) -> None:
    with browser.new_context(viewport={"width": 390, "height": 740}, locale="en-US", has_touch=True, is_mobile=True) as context:
        page = context.new_page()
        complaints.follow(page)
        open_screen(page, yunzhuo, email, desktop_id)
        bar = page.get_by_role("toolbar", name="Keys")
        bar.get_by_role("button", name="Esc").tap()
        bar.get_by_role("button", name="Ctrl").tap()
        expect(bar.get_by_role("button", name="Ctrl")).to_have_attribute("aria-pressed", "true")
        bar.get_by_role("button", name="Left").tap()
        expect(bar.get_by_role("button", name="Ctrl")).to_have_attribute("aria-pressed", "false")
        eventually(lambda: yunzhuo.screen.keys[-3:] == [ESCAPE, CONTROL, LEFT], 5)
        bar.get_by_role("button", name="On-screen keyboard").tap()
        expect(page.locator("#touch-input")).to_be_focused()
        page.keyboard.insert_text("a你")
        eventually(lambda: yunzhuo.screen.keys[-2:] == [ord("a"), 0x01000000 + ord("你")], 5)
        assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert complaints.errors == []


def drop(page: Page, files: dict[str, str]) -> None:
    """Drop files onto the screen."""
    transfer = page.evaluate_handle(
        """(files) => {
            const transfer = new DataTransfer()
            for (const [name, text] of Object.entries(files)) transfer.items.add(new File([text], name))
            return transfer
        }""",
        files,
    )
    for event in ("dragover", "drop"):
        page.dispatch_event("#screen", event, {"dataTransfer": transfer})


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
