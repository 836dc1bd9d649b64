"""The administration in a real browser: many desktops changed by keyboard alone, and every page on a phone."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.test_by_keyboard import tab_to
from tests.browser.test_looks import LOW_CONTRASTS, wait_for
from tests.support.portal import PASSWORD, Portal, ask_for_desktop, sign_in
from tests.support.waiting import eventually

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.services.access import Role, installation
from yunzhuo.services.assembly import services

pytestmark = [pytest.mark.browser, pytest.mark.servers, pytest.mark.xdist_group("portal")]

HEAD = "head@school.local"


@pytest.fixture(scope="module")
def pupil(yunzhuo: Portal) -> Iterator[httpx.Client]:
    """An operator there is, and somebody with desktops in a few states; answers the latter's programs."""
    with services(yunzhuo.running.settings()) as all_services:
        itself = installation(all_services.accounts.default_organization_id())
        all_services.people.create(itself, HEAD, Role.OPERATOR, password=PASSWORD)
        all_services.people.create(itself, "pupil@school.local", Role.USER, password=PASSWORD)
    with yunzhuo.running.api("pupil@school.local") as api:
        for name in ("Biology", "Chemistry"):
            wait_for(api, ask_for_desktop(api, name), "available")
        yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.REFUSE))
        wait_for(api, ask_for_desktop(api, "ALongNameWithoutAnySpaceThatNobodyWouldEverReallyGiveToADesktop"), "error")
        yield api


def test_many_are_selected_and_stopped_by_keyboard(yunzhuo: Portal, page: Page, pupil: httpx.Client) -> None:
    found = {desktop["name"]: desktop["id"] for desktop in pupil.get("desktops").json()["items"]}
    sign_in(page, yunzhuo, HEAD, "/admin/desktops")
    page.goto(f"{yunzhuo.url}/admin/desktops?q=pupil&sort=name")
    tab_to(page, "select-all")
    page.keyboard.press("Space")
    expect(page.locator("#many-count")).to_have_text("Selected: 3")
    tab_to(page, f"select-{found['Chemistry']}")
    page.keyboard.press("Space")
    expect(page.locator("#many-count")).to_have_text("Selected: 2")
    page.locator("#page-title").focus()
    tab_to(page, "many-stop")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Stop: 2 desktops")
    expect(page.locator("#confirm-many")).to_be_focused()
    page.keyboard.press("Enter")
    results = page.locator(".chosen li")
    expect(results).to_have_count(2)
    expect(results.filter(has_text="Biology")).to_contain_text("Accepted")
    expect(results.filter(has_text="ALongName")).to_contain_text("Not possible in its state: Needs attention.")
    tab_to(page, "back-to-desktops")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{yunzhuo.url}/admin/desktops?q=pupil&sort=name")
    # The row changes while it is looked at.
    expect(page.get_by_role("row", name="Biology")).to_contain_text("Stopped")
    eventually(lambda: pupil.get(f"desktops/{found['Chemistry']}").json()["state"] == "available", 5)


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_on_a_phone_nothing_of_it_has_to_be_pushed_sideways(
    browser: Browser, yunzhuo: Portal, pupil: httpx.Client, locale: str
) -> None:
    with browser.new_context(viewport={"width": 360, "height": 740}, locale=locale) as context:
        page = context.new_page()
        for path in pages(page, yunzhuo, pupil):
            overflow = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert overflow <= 0, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_of_it_stands_out(browser: Browser, yunzhuo: Portal, pupil: httpx.Client, scheme: str) -> None:
    with browser.new_context(locale="en-US", color_scheme="dark" if scheme == "dark" else "light") as context:
        page = context.new_page()
        for path in pages(page, yunzhuo, pupil):
            assert page.evaluate(LOW_CONTRASTS) == [], path


def pages(page: Page, yunzhuo: Portal, pupil: httpx.Client) -> Iterator[str]:
    """Every page of the administration, one after the other."""
    page.goto(f"{yunzhuo.url}/sign-in")
    page.locator("#email").fill(HEAD)
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")
    page.wait_for_url("**/desktops")
    user = f"/admin/users/{pupil.get('users/me').json()['id']}"
    of_people = ("", "/users", "/users?q=zzz", "/users/new", "/users/import", "/groups", "/roles", "/quotas", "/organizations")
    of_things = ("/desktops", "/desktops?q=zzz", "/operations", "/hosts", "/catalog", "/settings", "/audit", "/audit?who=zzz")
    for path in (*of_people, *of_things):
        page.goto(f"{yunzhuo.url}/admin{path}")
        yield path
    for path in (user, f"{user}/delete", "/profile", "/usage", "/sharing"):
        page.goto(f"{yunzhuo.url}{path}")
        yield path


def test_operations_come_and_change_without_a_reload(yunzhuo: Portal, page: Page, pupil: httpx.Client) -> None:
    sign_in(page, yunzhuo, HEAD, "/admin/operations")
    expect(page.get_by_role("heading", level=1)).to_have_text("Operations")
    page.evaluate("window.sameDocument = true")
    yunzhuo.weather.change_options(build_seconds=300)
    made = ask_for_desktop(pupil, "Geography")
    row = page.get_by_role("row", name="Geography")
    expect(row).to_contain_text("Going on")
    expect(row).to_contain_text("Step 3 of 4: start-up")
    yunzhuo.weather.change_options(build_seconds=0.2)
    row.get_by_role("checkbox").check()
    assert page.evaluate("window.sameDocument"), "nothing was loaded anew so far"
    page.get_by_role("button", name="Cancel…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cancel 1 operation?")
    page.get_by_role("button", name="Cancel them").click()
    expect(page.get_by_text("1 operation was dealt with.")).to_be_visible()
    expect(page.get_by_role("row", name="Geography").filter(has_text="Create")).to_contain_text("Cancelled")
    eventually(lambda: pupil.get(f"desktops/{made}").status_code == 404, 60)
