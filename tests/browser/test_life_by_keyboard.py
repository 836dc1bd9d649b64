"""Questions in dialogs, and a desktop's details that stay true while they are looked at."""

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.support.portal import Portal, ask_for_desktop, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.servers, pytest.mark.xdist_group("portal")]


def test_restoring_is_asked_for_by_keyboard_and_seen_on_the_card(
    yunzhuo: Portal, page: Page, email: str, api: httpx.Client
) -> None:
    desktop_id = ask_for_desktop(api, "Maths")
    sign_in(page, yunzhuo, email)
    card = page.locator(f"#desktop-{desktop_id}")
    expect(card).to_have_attribute("data-state", "available")
    menu = card.locator("summary")
    menu.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    asked = page.get_by_role("heading", name="Restore “Maths” to its image?")
    expect(asked).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(asked).to_be_visible()
    page.locator("#confirm-rebuild").press("Enter")
    expect(page.locator("#dialog")).to_be_hidden()
    expect(card).to_have_attribute("data-state", "available")
    operations = api.get(f"desktops/{desktop_id}/operations").json()["items"]
    assert [operation["action"] for operation in operations] == ["rebuild", "create"]


def test_details_change_by_themselves_and_what_is_typed_stays(
    yunzhuo: Portal, page: Page, email: str, api: httpx.Client
) -> None:
    desktop_id = ask_for_desktop(api, "Maths")
    sign_in(page, yunzhuo, email, f"/desktops/{desktop_id}/details")
    expect(page.locator("#details-state")).to_contain_text("Available")
    page.get_by_label("Name").fill("half a na")
    assert api.post(f"desktops/{desktop_id}/snapshots", json={"name": "Before"}).status_code == 202
    expect(page.locator("#details-snapshots")).to_contain_text("with memory")
    expect(page.get_by_label("Name")).to_have_value("half a na")
    page.get_by_role("link", name="Roll back… Before").click()
    page.locator("#confirm-roll-back").click()
    expect(page.locator("#details-history")).to_contain_text("Roll back: Before")
    expect(page.locator("#details-state")).to_contain_text("Available")
