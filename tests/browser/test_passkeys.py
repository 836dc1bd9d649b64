"""Passkeys in a real browser, with its own authenticator in place of a finger; and the pages about what proves a person."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.browser.test_looks import LOW_CONTRASTS
from tests.support.complaints import Complaints
from tests.support.portal import PASSWORD, Portal, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.servers, pytest.mark.xdist_group("portal")]

DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
PAGES = ("", "/password", "/totp", "/passkeys", "/address", "/tokens", "/sign-ins")


@pytest.fixture
def with_device(context: BrowserContext, page: Page) -> Iterator[Page]:
    """A page of a browser that has a finger to be asked for."""
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    yield page
    session.detach()


def prove(page: Page) -> None:
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()


def test_a_passkey_is_made_and_signs_in(yunzhuo: Portal, with_device: Page, email: str) -> None:
    page = with_device
    sign_in(page, yunzhuo, email, "/security")
    page.get_by_role("link", name="Add a passkey").click()
    prove(page)
    page.get_by_label("Name").fill("My phone")
    page.get_by_role("button", name="Make a passkey").click()
    expect(page.locator("#recovery-codes li")).to_have_count(10)
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("My phone")).to_be_visible()

    # Alone: no address, no password.
    page.locator("#person-menu-button").click()
    page.get_by_role("button", name="Sign out", exact=True).first.click()
    page.wait_for_url("**/sign-in")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/desktops")

    # As the second factor.
    page.locator("#person-menu-button").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/sign-in/factor**")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/desktops")


@pytest.mark.parametrize(("width", "locale", "scheme"), [(1280, "en-US", "light"), (360, "zh-CN", "dark")])
def test_the_pages_fit_and_can_be_read(
    browser: Browser,
    yunzhuo: Portal,
    complaints: Complaints,
    tmp_path: Path,
    width: int,
    locale: str,
    scheme: str,
) -> None:
    email = yunzhuo.running.add_user(f"chief-{width}@school.local", "administrator")
    options = {"viewport": {"width": width, "height": 800}, "locale": locale, "color_scheme": scheme}
    with browser.new_context(**options) as context:  # type: ignore[arg-type]  # a dict of what it takes
        page = context.new_page()
        complaints.follow(page)
        for path in ("/sign-in", "/forgot"):
            look(page, f"{yunzhuo.url}{path}", tmp_path / f"door{path.replace('/', '-')}.png")
        page.goto(f"{yunzhuo.url}/sign-in?next=/security/password")
        page.locator("#email").fill(email)
        page.locator("#password").fill(PASSWORD)
        page.locator("#password").press("Enter")
        page.wait_for_url("**/security/password")
        page.locator("#password").fill(PASSWORD)
        page.locator("#password").press("Enter")
        page.wait_for_url("**/security")
        for path in PAGES:
            look(page, f"{yunzhuo.url}/security{path}", tmp_path / f"security{path.replace('/', '-')}.png")
        user_id = user_id_of(yunzhuo, email)
        for path in ("/admin/invitations", "/admin/users/new-service", f"/admin/users/{user_id}/security"):
            look(page, f"{yunzhuo.url}{path}", tmp_path / f"admin-{path.split('/')[-1]}.png")
    assert complaints.errors == []


def user_id_of(yunzhuo: Portal, email: str) -> str:
    with yunzhuo.running.api(email) as api:
        return str(api.get("users/me").json()["id"])


def look(page: Page, address: str, picture: Path) -> None:
    """Open a page and complain of what a reader would."""
    page.goto(address)
    page.screenshot(path=picture, full_page=True)
    overflow = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, address
    assert page.evaluate(LOW_CONTRASTS) == [], address
