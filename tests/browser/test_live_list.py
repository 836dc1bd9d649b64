"""The list follows what happens, without being loaded again."""

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.support.portal import Portal, ask_for_desktop, sign_in

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind

pytestmark = [pytest.mark.browser, pytest.mark.servers, pytest.mark.xdist_group("portal")]


@pytest.fixture(autouse=True)
def not_loaded_again(page: Page) -> None:
    """Pages that were loaded again have forgotten this."""
    page.add_init_script("window.loads = (Number(sessionStorage.loads) || 0) + 1; sessionStorage.loads = window.loads")


def loads(page: Page) -> int:
    return int(page.evaluate("() => window.loads"))


def test_cards_come_change_and_go(yunzhuo: Portal, page: Page, email: str, api: httpx.Client) -> None:
    sign_in(page, yunzhuo, email)
    before = loads(page)
    desktop_id = ask_for_desktop(api, "Maths")
    card = page.locator(f"#desktop-{desktop_id}")
    expect(card).to_have_attribute("data-state", "available")
    expect(page.get_by_role("link", name="New desktop")).to_be_visible()

    second = page.locator(f"#desktop-{ask_for_desktop(api, 'Physics')}")
    expect(second).to_have_attribute("data-state", "available")
    expect(page.locator("[data-desktop]").first).to_contain_text("Physics")

    api.post(f"desktops/{desktop_id}/actions", json={"action": "stop"})
    expect(card).to_have_attribute("data-state", "stopped")
    expect(page.get_by_role("status").filter(has_text="Maths: Stopped")).to_be_attached()

    card.get_by_role("button", name="Start").click()
    expect(card).to_have_attribute("data-state", "available")
    api.delete(f"desktops/{desktop_id}")
    expect(card).to_have_count(0)
    second.get_by_label("More for Physics").click()
    second.get_by_role("link", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Your first desktop is one click away")).to_be_visible()
    assert loads(page) == before


def test_progress_is_shown_step_by_step_and_a_failure_in_plain_words(
    yunzhuo: Portal, page: Page, email: str, api: httpx.Client
) -> None:
    sign_in(page, yunzhuo, email)
    yunzhuo.weather.change_options(build_seconds=3, ready_seconds=1)
    yunzhuo.weather.faults.set(Fault(operation="guest.ready", kind=FaultKind.REFUSE))
    try:
        card = page.locator(f"#desktop-{ask_for_desktop(api, 'Maths')}")
        expect(card.get_by_role("progressbar")).to_have_attribute("aria-valuetext", "Step 3 of 4: start-up")
        expect(card.locator(".elapsed")).to_have_text("2s")
        expect(card).to_contain_text("The desktop could not be built.")
    finally:
        yunzhuo.weather.change_options(build_seconds=0.2, ready_seconds=0.1)
    card.get_by_role("button", name="Try again").click()
    expect(card).to_have_attribute("data-state", "available")


def test_an_open_menu_and_the_keyboards_place_outlive_a_change(
    yunzhuo: Portal, page: Page, email: str, api: httpx.Client
) -> None:
    desktop_id = ask_for_desktop(api, "Maths")
    sign_in(page, yunzhuo, email)
    card = page.locator(f"#desktop-{desktop_id}")
    expect(card).to_have_attribute("data-state", "available")
    card.get_by_label("More for Maths").click()
    api.post(f"desktops/{desktop_id}/actions", json={"action": "stop"})
    expect(card).to_have_attribute("data-state", "stopped")
    expect(card.get_by_role("link", name="Rename…")).to_be_visible()
    expect(card.get_by_label("More for Maths")).to_be_focused()


def test_the_keyboards_place_inside_an_open_menu_outlives_a_change(
    yunzhuo: Portal, page: Page, email: str, api: httpx.Client
) -> None:
    desktop_id = ask_for_desktop(api, "Maths")
    sign_in(page, yunzhuo, email)
    card = page.locator(f"#desktop-{desktop_id}")
    expect(card).to_have_attribute("data-state", "available")
    card.get_by_label("More for Maths").focus()
    page.keyboard.press("ArrowUp")
    expect(card.get_by_role("link", name="Delete…")).to_be_focused()
    api.patch(f"desktops/{desktop_id}", json={"name": "Physics"})
    expect(card.get_by_role("heading", name="Physics")).to_be_visible()
    expect(card.get_by_role("link", name="Delete…")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Delete “Physics”")).to_be_visible()


def test_without_the_stream_the_page_says_so_and_looks_by_itself(
    yunzhuo: Portal, page: Page, email: str, api: httpx.Client
) -> None:
    page.route("**/events*", lambda route: route.abort())
    sign_in(page, yunzhuo, email)
    expect(page.get_by_text("Reconnecting…")).to_be_visible()
    desktop_id = ask_for_desktop(api, "Maths")
    expect(page.locator(f"#desktop-{desktop_id}")).to_have_attribute("data-state", "available")
    page.unroute("**/events*")
    expect(page.get_by_text("Reconnecting…")).to_be_hidden(timeout=20_000)


def test_a_session_that_ended_leads_to_the_sign_in_page(yunzhuo: Portal, page: Page, email: str, api: httpx.Client) -> None:
    desktop_id = ask_for_desktop(api, "Maths")
    sign_in(page, yunzhuo, email)
    card = page.locator(f"#desktop-{desktop_id}")
    expect(card).to_have_attribute("data-state", "available")
    page.context.clear_cookies(name="yunzhuo_session")
    card.get_by_label("More for Maths").click()
    card.get_by_role("link", name="Rename…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
