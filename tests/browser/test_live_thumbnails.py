"""Small pictures on the cards: live while they are looked at, dimmed when the desktop is off, and only one's own."""

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.support.portal import Portal, ask_for_desktop, sign_in
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.servers, pytest.mark.xdist_group("portal")]


def test_a_card_shows_the_screen_and_what_was_there_before(yunzhuo: Portal, page: Page, email: str, api: httpx.Client) -> None:
    sign_in(page, yunzhuo, email)
    desktop_id = ask_for_desktop(api, "Maths")
    card = page.locator(f"#desktop-{desktop_id}")
    picture = card.locator(".has-picture .view-picture")
    expect(picture).to_be_visible()
    first = picture.get_attribute("src")
    eventually(lambda: picture.get_attribute("src") != first, 15, what="another picture")
    assert picture.evaluate("(image) => image.naturalWidth") == 480
    card.get_by_role("button", name="Stop").click()
    expect(card).to_have_attribute("data-state", "stopped")
    expect(card.locator(".view-dusk.has-picture .view-picture")).to_be_visible()


def test_a_card_out_of_sight_or_a_page_in_the_background_asks_for_nothing(
    yunzhuo: Portal, page: Page, email: str, api: httpx.Client
) -> None:
    ids = [ask_for_desktop(api, f"Desktop {number}") for number in range(4)]
    for desktop_id in ids:
        eventually(lambda: api.get(f"desktops/{desktop_id}").json()["state"] == "available", 20)  # noqa: B023 (called at once)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/thumbnail") else None)
    page.set_viewport_size({"width": 400, "height": 500})
    sign_in(page, yunzhuo, email)
    expect(page.locator(".has-picture")).to_have_count(1)
    assert {url.split("/")[-2] for url in asked} == {ids[-1]}
    page.locator(f"#desktop-{ids[0]}").scroll_into_view_if_needed()
    expect(page.locator(f"#desktop-{ids[0]} .has-picture")).to_be_visible()
    page.evaluate("() => Object.defineProperty(document, 'hidden', {value: true})")
    page.wait_for_timeout(300)
    asked.clear()
    page.wait_for_timeout(6500)
    assert asked == []
