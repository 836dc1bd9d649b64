"""From the first page to the deleted desktop without touching the mouse."""

import re

import pytest
from playwright.sync_api import Page, expect
from tests.support.portal import PASSWORD, Portal
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.servers, pytest.mark.xdist_group("portal")]

KEYSYMS = {"h": 0x68, "i": 0x69}


def focused(page: Page) -> str:
    """What has the keyboard: its id, or its text."""
    return str(page.evaluate("() => document.activeElement.id || document.activeElement.textContent.trim()"))


def tab_to(page: Page, wanted: str) -> None:
    """Press Tab until the thing with this id or text has the keyboard; it must be seen that it has."""
    for _ in range(40):
        if focused(page) == wanted:
            width = page.evaluate("() => parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
            assert width >= 2, f"{wanted} has the keyboard and does not show it"
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not come to {wanted}; last at {focused(page)}")


def test_register_create_work_and_delete(yunzhuo: Portal, page: Page) -> None:
    page.goto(f"{yunzhuo.url}/register")
    page.keyboard.type("keys@school.local")  # the first field has the keyboard
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("My desktops")

    tab_to(page, "create-first")
    page.keyboard.press("Enter")
    expect(page.locator("body")).to_have_attribute("data-console", "connected")
    page.keyboard.type("hi")
    eventually(lambda: list(KEYSYMS.values()) == yunzhuo.screen.keys[-2:], 5)

    leave_the_screen(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("My desktops")
    rename_and_delete(page)
    expect(page.get_by_text("Your first desktop is one click away")).to_be_visible()


def leave_the_screen(page: Page) -> None:
    """The screen takes every key but this chord, which brings the bar; Escape gives the keyboard back."""
    for _ in range(2):
        for key in ("Control", "Alt", "Shift"):
            page.keyboard.down(key)
        for key in ("Shift", "Alt", "Control"):
            page.keyboard.up(key)
        expect(page.locator("#console-back")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("#screen canvas")).to_be_focused()
    page.keyboard.press("Control+Alt+Shift")
    expect(page.locator("#console-back")).to_be_focused()
    page.keyboard.press("Enter")


def rename_and_delete(page: Page) -> None:
    menu = str(page.locator("summary[id^=desktop-]").get_attribute("id"))
    tab_to(page, menu)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Reboot by force…")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(f"#{menu}")).to_be_focused()

    for _ in range(3):
        page.keyboard.press("ArrowUp")
    expect(page.get_by_role("link", name="Rename…")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Name")).to_be_focused()
    page.keyboard.type("Maths")  # the old name was selected
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Maths")).to_be_visible()
    expect(page.locator(f"#{menu}")).to_be_focused()

    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name=re.compile("Delete “Maths”"))
    expect(dialog.get_by_role("link", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator(f"#{menu}")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    tab_to(page, "confirm-delete")
    page.keyboard.press("Enter")
