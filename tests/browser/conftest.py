"""The portal in a real browser: a whole Yunzhuo on the memory cloud, with a painted screen behind every desktop."""

import itertools
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from tests.support.chromium import launch_chromium
from tests.support.complaints import Complaints
from tests.support.portal import Portal, portal

_numbers = itertools.count(1)

# Only a failure waits that long; a busy machine is no failure.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def yunzhuo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    with portal(tmp_path_factory.mktemp("browser") / "var") as running:
        yield running


# Playwright keeps an event loop running in this thread, which tests with a loop of their own do not bear.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, launch_chromium(playwright) as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US") as context:
        yield context


@pytest.fixture
def complaints() -> Complaints:
    return Complaints()


@pytest.fixture
def page(context: BrowserContext, complaints: Complaints) -> Iterator[Page]:
    """A page against which the browser must have nothing to say at the end."""
    page = context.new_page()
    complaints.follow(page)
    yield page
    assert complaints.errors == []


@pytest.fixture
def email(yunzhuo: Portal) -> str:
    """A new account's address."""
    address = f"lin-{next(_numbers)}@school.local"
    yunzhuo.running.add_user(address)
    return address


@pytest.fixture
def api(yunzhuo: Portal, email: str) -> Iterator[httpx.Client]:
    """The same person's programs."""
    with yunzhuo.running.api(email) as client:
        yield client
