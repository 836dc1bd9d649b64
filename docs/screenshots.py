"""Pictures of every page, wide and narrow, in both languages, light and dark; the best of them become the documentation's.

``make screenshots`` (or ``python docs/screenshots.py [--only memory|real]``). A school is made up on the memory cloud,
and all its pages are photographed into ``docs/_build/screenshots``, to be looked at; then a Yunzhuo with real machines shows
a real desktop. Those named in ``KEPT`` are written into ``docs/images``, with few colors, so that they stay small.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.chromium import launch_chromium  # noqa: E402 (the path has to be set first)
from tests.support.example_school import School, real_school, small_school  # noqa: E402
from tests.support.running import PASSWORD  # noqa: E402

Scheme = Literal["light", "dark"]
SIZES = {"wide": (1280, 800), "narrow": (390, 780)}
LANGUAGES = {"en": "en-US", "zh": "zh-CN"}
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
ALL = ROOT / "docs/_build/screenshots"
IMAGES = ROOT / "docs/images"
COLORS = 160

# The name of a picture (page-size-language-scheme) and of the documentation's image that is made of it.
KEPT = {
    "real-screen-wide-en-light": "desktop",
    "real-list-wide-en-light": "portal",
    "real-list-wide-zh-light": "portal-zh",
    "real-list-narrow-zh-light": "portal-narrow-zh",
    "real-files-wide-en-light": "console-files",
    "details-wide-en-light": "details",
    "overview-wide-en-light": "administration",
    "overview-wide-zh-light": "administration-zh",
}
MAX_KEPT_BYTES = 300_000
NO_PICTURE_IN_SIGHT = (
    "[...document.querySelectorAll('[data-thumbnail]:not(.has-picture)')]"
    ".filter((view) => view.getBoundingClientRect().top < innerHeight)"
)


@dataclass(frozen=True)
class Camera:
    """Takes pictures for one size, language and scheme."""

    page: Page
    suffix: str

    def take(self, name: str) -> None:
        """Photograph what the page shows, once it stands still."""
        self.page.mouse.move(0, 0)
        self.page.wait_for_timeout(300)
        self.page.screenshot(path=ALL / f"{name}-{self.suffix}.png", animations="disabled")


def main() -> int:
    """Take all pictures, keep the best."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("memory", "real"), help="one of the two schools; nothing is kept")
    only = parser.parse_args().only
    ALL.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright, launch_chromium(playwright) as browser:
        if only != "real":
            photograph_small(browser, Path(folder) / "small")
        if only != "memory":
            with real_school(Path(folder) / "real") as school:
                for camera in cameras(browser, school, "teacher"):
                    photograph_real(camera, school)
    for source, image in KEPT.items() if only is None else ():
        keep(ALL / f"{source}.png", IMAGES / f"{image}.png")
    return 0


def photograph_small(browser: Browser, home: Path) -> None:
    """Everybody's pages, on the memory cloud."""
    with small_school(home) as school:
        for who, pages in school.pages.items():
            for camera in cameras(browser, school, who):
                photograph(camera, school, pages)


def cameras(browser: Browser, school: School, who: str) -> Iterator[Camera]:
    """One for each size and language, signed in once; and in both schemes one after the other."""
    for size, (width, height) in SIZES.items():
        for language, locale in LANGUAGES.items():
            is_narrow = size == "narrow"
            with browser.new_context(
                viewport={"width": width, "height": height}, locale=locale, has_touch=is_narrow, is_mobile=is_narrow
            ) as context:
                page = context.new_page()
                if who != "nobody":
                    sign_in(page, school, who)
                for scheme in SCHEMES:
                    page.emulate_media(color_scheme=scheme)
                    yield Camera(page, f"{size}-{language}-{scheme}")


def sign_in(page: Page, school: School, who: str) -> None:
    """As a person does, in whatever language."""
    page.goto(f"{school.url}/sign-in")
    page.locator("#email").fill(school.email(who))
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")
    page.wait_for_url("**/desktops")


def photograph(camera: Camera, school: School, pages: dict[str, str]) -> None:
    """Each page once."""
    for name, path in pages.items():
        camera.page.goto(f"{school.url}{path}")
        camera.page.wait_for_function(f"() => {NO_PICTURE_IN_SIGHT}.length === 0")
        camera.take(name)


def photograph_real(camera: Camera, school: School) -> None:
    """The list with its small pictures, the screen, and what stands beside it."""
    page = camera.page
    photograph(camera, school, {"real-list": "/desktops"})
    page.goto(f"{school.url}{school.screen}")
    expect(page.locator("body")).to_have_attribute("data-console", "connected", timeout=60_000)
    page.wait_for_timeout(4000)  # the desktop takes the window's size
    page.mouse.move(page.viewport_size["width"] // 2 if page.viewport_size else 0, 1)
    camera.take("real-screen")
    for panel in ("files", "clipboard"):
        page.mouse.move(page.viewport_size["width"] // 2 if page.viewport_size else 0, 1)
        page.locator(f"#open-{panel}").click()
        page.locator(f"#{panel}-panel").wait_for()
        page.wait_for_timeout(1500)
        camera.take(f"real-{panel}")
        page.locator(f"#{panel}-panel [data-panel-close]").click()


def keep(source: Path, image: Path) -> None:
    """Write a picture with few colors. Raises ValueError when it stays too large to be kept in the repository."""
    with Image.open(source) as picture:
        small = picture.convert("RGB").quantize(COLORS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.save(image, optimize=True)
    if image.stat().st_size > MAX_KEPT_BYTES:
        raise ValueError(f"{image} has {image.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main())
