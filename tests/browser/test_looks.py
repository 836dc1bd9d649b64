"""What a picky reader would see at once: a sideways scroll bar, gray on gray, a page that needs its script."""

import re
from collections.abc import Iterator
from typing import Literal

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.support.complaints import Complaints
from tests.support.portal import PASSWORD, Portal, ask_for_desktop, sign_in
from tests.support.waiting import eventually

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind

pytestmark = [pytest.mark.browser, pytest.mark.servers, pytest.mark.xdist_group("portal")]

# The lowest contrast of a page's texts with what is painted below them; gradients and pictures are left out.
# WCAG 2.1, 1.4.3: at least 4.5, and 3 for large letters.
LOW_CONTRASTS = """() => {
    const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1})
    const brush = canvas.getContext('2d', {willReadFrequently: true})
    const rgba = (color) => {
        brush.clearRect(0, 0, 1, 1); brush.fillStyle = color; brush.fillRect(0, 0, 1, 1)
        const [red, green, blue, alpha] = brush.getImageData(0, 0, 1, 1).data
        return [red, green, blue, alpha / 255]
    }
    const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1)
    const light = (color) => {
        const linear = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4
        const [r, g, b] = color.slice(0, 3).map((v) => linear(v / 255))
        return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const painted = (element) => {
        const layers = []
        for (let at = element; at; at = at.parentElement) {
            const style = getComputedStyle(at)
            if (style.backgroundImage !== 'none' || Number(style.opacity) < 1) return null
            layers.push(rgba(style.backgroundColor))
            if (layers.at(-1)[3] === 1) break
        }
        return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1])
    }
    const low = []
    for (const element of document.querySelectorAll('body *')) {
        const words = [...element.childNodes].filter((node) => node.nodeType === 3 && node.textContent.trim())
        if (!words.length || !element.checkVisibility() || element.closest('.visually-hidden, .skip-link, :disabled')) continue
        const below = painted(element)
        if (!below) continue
        const style = getComputedStyle(element)
        const [a, b] = [light(over(rgba(style.color), below)), light(below)]
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
        const size = parseFloat(style.fontSize)
        const enough = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5
        if (contrast < enough) low.push(`${words[0].textContent.trim()}: ${contrast.toFixed(2)}`)
    }
    return low
}"""


@pytest.fixture(scope="module")
def paths(yunzhuo: Portal) -> tuple[str, list[str]]:
    """Somebody with desktops in many states, and the addresses of their pages."""
    email = "looks@school.local"
    yunzhuo.running.add_user(email)
    with yunzhuo.running.api(email) as api:
        stopped = ask_for_desktop(api, "Stopped")
        wait_for(api, stopped, "available")
        api.post(f"desktops/{stopped}/actions", json={"action": "stop"})
        yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.REFUSE))
        failed = ask_for_desktop(api, "ALongNameWithoutAnySpaceThatNobodyWouldEverReallyGiveToADesktop")
        wait_for(api, failed, "error")
        available = ask_for_desktop(api, "数据结构 实验课 第三组")
        wait_for(api, available, "available")
        wait_for(api, stopped, "stopped")
    own = [f"/desktops/{desktop_id}" for desktop_id in (stopped, failed, available)]
    return email, [
        "/desktops",
        "/desktops/new",
        "/profile",
        "/password",
        "/nothing",
        *own,
        f"{own[0]}/delete",
        f"{own[1]}/name",
    ]


def wait_for(api: httpx.Client, desktop_id: str, state: str) -> None:
    eventually(lambda: api.get(f"desktops/{desktop_id}").json()["state"] == state, 30)


def looked_at(page: Page, yunzhuo: Portal, paths: tuple[str, list[str]]) -> Iterator[str]:
    """Every page, one after the other."""
    email, own = paths
    for path in ("/sign-in", "/register"):
        page.goto(f"{yunzhuo.url}{path}")
        yield path
    page.goto(f"{yunzhuo.url}/sign-in")
    page.locator("#email").fill(email)
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")
    page.wait_for_url("**/desktops")
    for path in own:
        page.goto(f"{yunzhuo.url}{path}")
        yield path


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_on_a_phone_nothing_has_to_be_pushed_sideways(
    browser: Browser, yunzhuo: Portal, paths: tuple[str, list[str]], locale: str
) -> None:
    with browser.new_context(viewport={"width": 360, "height": 740}, locale=locale) as context:
        page = context.new_page()
        for path in looked_at(page, yunzhuo, paths):
            overflow = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert overflow <= 0, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_below_it(
    browser: Browser, yunzhuo: Portal, paths: tuple[str, list[str]], scheme: Literal["light", "dark"], complaints: Complaints
) -> None:
    with browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US", color_scheme=scheme) as context:
        page = context.new_page()
        complaints.follow(page)
        for path in looked_at(page, yunzhuo, paths):
            assert page.evaluate(LOW_CONTRASTS) == [], path
    assert complaints.errors == []


def test_a_chosen_appearance_is_kept(yunzhuo: Portal, page: Page, email: str) -> None:
    sign_in(page, yunzhuo, email, "/profile")
    page.get_by_label("Dark").check(force=True)
    page.goto(f"{yunzhuo.url}/desktops")
    assert page.evaluate("() => getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_sizes_that_do_not_fit_the_image_cannot_be_chosen(yunzhuo: Portal, page: Page, email: str) -> None:
    sign_in(page, yunzhuo, email, "/desktops/new")
    small, large = (page.get_by_role("radio", name=re.compile(f"^{size}")) for size in ("Small", "Large"))
    expect(small).to_be_checked()
    page.get_by_role("radio", name="Big desktop").check()
    expect(small).to_be_disabled()
    expect(large).to_be_checked()
    page.get_by_role("button", name="Create").click()
    expect(page.locator("body")).to_have_attribute("data-console", "connected")


def test_without_scripts_everything_but_the_screen_works(browser: Browser, yunzhuo: Portal, email: str) -> None:
    with browser.new_context(locale="en-US", java_script_enabled=False) as context:
        page = context.new_page()
        sign_in(page, yunzhuo, email)
        page.get_by_role("button", name="Create a desktop").click()
        expect(page.locator(".scene-noscript")).to_contain_text("The screen needs JavaScript")
        page.get_by_role("link", name="Desktops").click()
        reload_until(page, "Available")
        page.get_by_role("button", name="Stop").click()
        reload_until(page, "Stopped")
        page.get_by_label("More for").click()
        page.get_by_role("link", name="Delete…").click()
        page.get_by_role("button", name="Delete").click()
        reload_until(page, "Your first desktop is one click away")


def reload_until(page: Page, text: str) -> None:
    def is_there() -> bool:
        page.reload()
        return page.get_by_text(text, exact=True).is_visible()

    eventually(is_there, 20, what=text)
