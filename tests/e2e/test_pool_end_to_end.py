"""A floating pool with real machines: one click to a screen, nobody finds another's traces, personal files come along."""

import secrets
import time

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.support.inside import as_person, mounted
from tests.support.running import PASSWORD, Running
from tests.support.waiting import eventually

from yunzhuo.services.access import installation
from yunzhuo.services.assembly import services
from yunzhuo.services.pools import PoolWish

pytestmark = [
    pytest.mark.machine,
    pytest.mark.browser,
    pytest.mark.servers,
    pytest.mark.timeout(1800),
    pytest.mark.xdist_group("e2e"),
]

TRACE, NOTE = "/home/user/trace.txt", "/home/user/Personal/note.txt"
PATIENCE_SECONDS = 180


def test_people_come_and_go(yunzhuo: Running, browser: Browser) -> None:
    emails = [f"pool-{name}-{secrets.token_hex(4)}@school.local" for name in ("lin", "mei")]
    lin, mei = (yunzhuo.api(yunzhuo.add_user(email)) for email in emails)
    lin.post("personal-disk", json={}).raise_for_status()
    name, pool_id = make_pool(yunzhuo, emails)
    try:
        eventually(lambda: lin.get("users/me/pools").json()["items"][0]["is_ready"], PATIENCE_SECONDS, what="a spare")
        with browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US") as context:
            page = context.new_page()
            sign_in(page, yunzhuo, emails[0])
            began = time.monotonic()
            page.get_by_role("article", name=name).get_by_role("button", name="Get a desktop").click()
            page.wait_for_url("**/desktops/*-*")
            print(f"from the click to the desktop's page: {time.monotonic() - began:.2f} s")
            first = page.url.rpartition("/")[2]
            expect(page.locator("body")).to_have_attribute("data-console", "connected", timeout=60_000)
            print(f"to its screen: {time.monotonic() - began:.2f} s")
            mounted(yunzhuo, first)
            as_person(yunzhuo, first, f"echo here > {TRACE}; echo kept > {NOTE}; sync")
            page.goto(f"{yunzhuo.url}/desktops")
            page.get_by_role("link", name="Give back…").click()
            page.locator("#confirm-release").click()
            expect(page.get_by_text("is given back")).to_be_visible()

        second = claim(mei, pool_id)
        assert second != first
        assert as_person(yunzhuo, second, f"ls {TRACE} {NOTE} 2>/dev/null || echo nothing") == "nothing"
        third = claim(lin, pool_id)
        assert len({first, second, third}) == 3
        mounted(yunzhuo, third)
        assert as_person(yunzhuo, third, f"cat {NOTE}; ls {TRACE} 2>/dev/null || echo gone") == "kept\ngone"
        assert lin.get(f"desktops/{second}").status_code == 404
    finally:
        for each in (lin, mei):
            each.post(f"pools/{pool_id}/release")
        with services(yunzhuo.settings()) as all_services:
            all_services.pools.delete(installation(all_services.accounts.default_organization_id()), pool_id)


def make_pool(yunzhuo: Running, emails: list[str]) -> tuple[str, str]:
    """A pool of three with one spare; answers its name and id."""
    name = f"Room {secrets.token_hex(2)}"
    with services(yunzhuo.settings()) as all_services:
        chief = installation(all_services.accounts.default_organization_id())
        image, flavor = all_services.catalog.images(chief)[0].id, all_services.catalog.flavors(chief)[0].id
        pool_id = all_services.pools.create(chief, PoolWish(name, image, flavor, capacity=3, spares=1)).id
        for email in emails:
            all_services.pools.put_member(chief, pool_id, all_services.accounts.by_email(email).id)
    return name, pool_id


def claim(api: httpx.Client, pool_id: str) -> str:
    """Get a desktop and wait until it can be worked at; answers its id."""
    answer = api.post(f"pools/{pool_id}/claim")
    assert answer.status_code == 200, answer.text
    desktop_id: str = answer.json()["desktop"]["id"]
    eventually(lambda: api.get(f"desktops/{desktop_id}").json()["state"] == "available", PATIENCE_SECONDS, what=answer.text)
    return desktop_id


def sign_in(page: Page, yunzhuo: Running, email: str) -> None:
    page.goto(f"{yunzhuo.url}/sign-in?next=/desktops")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/desktops")
