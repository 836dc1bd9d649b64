"""Debian's Chromium, headless, driven by Playwright."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Playwright

CHROMIUM = "/usr/bin/chromium"
# Debian's Chromium looks up its maker's hosts at every start unless told not to.
_QUIET = ("--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync")


def launch_options() -> dict[str, Any]:
    """What it is launched with. Its own sandbox does not work for root."""
    no_sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {"executable_path": CHROMIUM, "args": [*_QUIET, *no_sandbox]}


@contextmanager
def launch_chromium(playwright: Playwright) -> Iterator[Browser]:
    """A browser; closed at the end."""
    with playwright.chromium.launch(**launch_options()) as browser:
        yield browser
