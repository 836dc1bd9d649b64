"""Who is on what: an operator sees a screen that somebody has open, how good its line is, and closes it."""

import os
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.support.portal import Portal, ask_for_desktop, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.servers, pytest.mark.xdist_group("portal")]


def test_a_screen_is_seen_and_closed(yunzhuo: Portal, browser: Browser, page: Page, email: str) -> None:
    operator = "operator-of-screens@school.local"
    yunzhuo.running.add_user(operator, role="operator")
    with yunzhuo.running.api(email) as api:
        desktop_id = ask_for_desktop(api, "Watched")
    sign_in(page, yunzhuo, email, f"/desktops/{desktop_id}")
    expect(page.locator("body")).to_have_attribute("data-console", "connected")
    with browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US") as other:
        admin = other.new_page()
        sign_in(admin, yunzhuo, operator, "/admin/screens")
        row = admin.get_by_role("row").filter(has_text=email)
        # The gateway tells every five seconds how it stands, and the page asks for it.
        expect(row).to_contain_text(" ms")
        expect(row).to_contain_text("Watched")
        picture(admin, "screens")
        began = time.monotonic()
        row.get_by_role("button", name="Close").click()
        expect(page.locator("body")).to_have_attribute("data-console", "refused")
        assert time.monotonic() - began < 10
        admin.goto(f"{yunzhuo.url}/admin/screens?show=history")
        expect(admin.get_by_role("row").filter(has_text=email)).to_contain_text("Closed by an administrator")
        picture(admin, "history")
        admin.goto(f"{yunzhuo.url}/admin/gateways")
        expect(admin.get_by_role("row").filter(has_text="local")).to_contain_text("Well")
        picture(admin, "gateways")
        admin.set_viewport_size({"width": 390, "height": 800})
        picture(admin, "gateways-narrow")


def picture(page: Page, name: str) -> None:
    """Kept where somebody asks for it."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
