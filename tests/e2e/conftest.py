"""A real Yunzhuo with real machines, and a real browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from tests.support.chromium import launch_chromium
from tests.support.running import Running, running_yunzhuo


@pytest.fixture(scope="session")
def yunzhuo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home: Path = tmp_path_factory.mktemp("e2e") / "var"
    with running_yunzhuo(home) as running:
        yield running


# Playwright keeps an event loop running in this thread, which tests with a loop of their own do not bear.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, launch_chromium(playwright) as chromium:
        yield chromium


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US") as context:
        yield context.new_page()
