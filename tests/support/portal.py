"""The portal as people meet it: a whole Yunzhuo on the memory cloud, with a painted screen behind every desktop."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from playwright.sync_api import Page
from tests.support.painted_screen import PaintedScreen, painted_screen
from tests.support.running import PASSWORD, Running, running_yunzhuo

from yunzhuo.phoenix.cloud.memory import Control, control

__all__ = ["PASSWORD", "Portal", "ask_for_desktop", "portal", "sign_in"]


@dataclass(frozen=True)
class Portal:
    """What browser tests need. ``weather`` is the other side of the cloud: its pace and its faults."""

    running: Running
    weather: Control
    screen: PaintedScreen

    @property
    def url(self) -> str:
        """The portal's address."""
        return self.running.url


@contextmanager
def portal(home: Path) -> Iterator[Portal]:
    """A portal that is ready, in a folder and on ports of its own."""
    with painted_screen() as screen, running_yunzhuo(home, CLOUD__DRIVER="memory", CLOUD__POLL_SECONDS="0.3") as running:
        weather = control(running.settings())
        weather.change_options(console_port=screen.port)
        try:
            yield Portal(running, weather, screen)
        finally:
            weather.close()


def sign_in(page: Page, yunzhuo: Portal, email: str, path: str = "/desktops") -> None:
    """Sign in on the way to a page."""
    page.goto(f"{yunzhuo.url}/sign-in?next={path}")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{path}")


def ask_for_desktop(api: httpx.Client, name: str) -> str:
    """Ask for a desktop of the default kind; answers its id."""
    wish = {kind.rstrip("s"): api.get(kind).json()["items"][0]["id"] for kind in ("images", "flavors")}
    answer = api.post("desktops", json={**wish, "name": name})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["desktop"]["id"])
