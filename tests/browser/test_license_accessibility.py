"""axe-core has nothing to say against any page of the license server, in any state, language, theme or width."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.browser.test_accessibility import AXE, LANGUAGES, NARROW, WIDE, Inspector
from tests.support.example_vendor import BOSS, EMPTY, HEAD, PASSWORD, Site, small_vendor

pytestmark = [pytest.mark.browser, pytest.mark.servers, pytest.mark.xdist_group("portal"), pytest.mark.timeout(600)]
BARE = ("/installations", "/installations/new", "/customers", "/keys", "/lists", "/people")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with small_vendor(tmp_path_factory.mktemp("vendor")) as made:
        yield made


@pytest.fixture
def inspector() -> Iterator[Inspector]:
    inspector = Inspector()
    yield inspector
    assert inspector.looks > 0
    assert inspector.wrong == [], "\n".join(inspector.wrong)


def come_in(page: Page, base: str, email: str) -> None:
    page.goto(f"{base}/sign-in")
    page.locator("#email").fill(email)
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")
    page.wait_for_url("**/installations")


def look(page: Page, inspector: Inspector, what: str) -> None:
    """What axe finds, and whether a page is wider than its window."""
    for size in (WIDE, NARROW):
        page.set_viewport_size(size)  # type: ignore[arg-type]  # a width and a height
        inspector.look(page, f"{what} at {size['width']}")
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, f"{what} is {too_wide} px too wide at {size['width']}"


@pytest.mark.parametrize("locale", LANGUAGES)
def test_pages(browser: Browser, site: Site, inspector: Inspector, locale: str) -> None:
    for who, email in (("boss", BOSS), ("head", HEAD), ("nobody", None)):
        with browser.new_context(locale=locale, viewport=WIDE) as context:  # type: ignore[arg-type]  # as above
            context.add_init_script(path=AXE)
            page = context.new_page()
            if email is not None:
                come_in(page, site.url, email)
            for path in site.pages[who].values():
                page.goto(site.url + path)
                look(page, inspector, f"{who} {path}")


@pytest.mark.parametrize("locale", LANGUAGES)
def test_what_is_empty_and_what_is_shown_once(browser: Browser, site: Site, inspector: Inspector, locale: str) -> None:
    with browser.new_context(locale=locale, viewport=WIDE) as context:  # type: ignore[arg-type]  # as above
        context.add_init_script(path=AXE)
        page = context.new_page()
        come_in(page, site.bare, BOSS)
        for path in BARE:
            page.goto(site.bare + path)
            look(page, inspector, f"nothing in {path}")
        context.clear_cookies()
        come_in(page, site.url, EMPTY)
        look(page, inspector, "a customer without installations")
        context.clear_cookies()
        come_in(page, site.url, BOSS)
        page.goto(site.url + site.pages["boss"]["customer"])
        page.locator("#email").fill(f"another-{locale.lower()}@school.example")
        page.locator("#email").press("Enter")
        page.locator("#one-time-password").wait_for()
        look(page, inspector, "a one-time password")
        page.goto(site.url + site.pages["boss"]["installation"])
        page.locator("form[action$='/code'] [type=submit]").click()
        page.locator("#activation-code").wait_for()
        look(page, inspector, "an activation code")


@pytest.mark.parametrize("locale", LANGUAGES)
def test_what_is_wrong(browser: Browser, site: Site, inspector: Inspector, locale: str, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("customer,installation,expires\n第一中学,x,soon\n,y,2099-01-01\n")
    (tmp_path / "bad.json").write_text("{}")
    with browser.new_context(locale=locale, viewport=WIDE) as context:  # type: ignore[arg-type]  # as above
        context.add_init_script(path=AXE)
        page = context.new_page()
        come_in(page, site.url, BOSS)
        page.goto(f"{site.url}/lists")
        page.locator("#file").set_input_files(tmp_path / "bad.csv")
        page.locator("[name=dry_run]").click()
        page.locator(".notice-bad").wait_for()
        look(page, inspector, "lines that are wrong")
        page.goto(site.url + site.pages["boss"]["installation"])
        page.locator("#file").set_input_files(tmp_path / "bad.json")
        page.locator("form[action$='/host-info'] [type=submit]").click()
        page.locator(".notice-bad").wait_for()
        look(page, inspector, "a file that is none")
        page.goto(site.url + site.pages["boss"]["change"])
        page.locator("#until").fill("2001-01-01")
        page.locator("#desktops").fill("-5")
        page.locator(".panel [type=submit]").click()
        page.locator(".field-error").first.wait_for()
        look(page, inspector, "terms that cannot be")
        page.goto(f"{site.url}/customers")
        page.locator("[name=name]").fill("第一中学")
        page.locator("[name=name]").press("Enter")
        page.locator(".field-error").first.wait_for()
        look(page, inspector, "a name that is taken")
