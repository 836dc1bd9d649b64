"""A desktop's own page: the screen opens by itself, comes back by itself, and says what stands in its way."""

import json
import re
from functools import partial
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect
from tests.support.breakable_line import breakable_line
from tests.support.complaints import Complaints
from tests.support.portal import Portal, ask_for_desktop, sign_in
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.servers, pytest.mark.xdist_group("portal")]

CONTROL, ALT, DELETE = 0xFFE3, 0xFFE9, 0xFFFF


def expect_console(page: Page, state: str) -> None:
    expect(page.locator("body")).to_have_attribute("data-console", state)


def open_screen(page: Page, yunzhuo: Portal, email: str, api: httpx.Client) -> str:
    desktop_id = ask_for_desktop(api, "Maths")
    sign_in(page, yunzhuo, email, f"/desktops/{desktop_id}")
    expect_console(page, "connected")
    return desktop_id


def test_from_one_press_to_the_painted_screen(yunzhuo: Portal, page: Page, email: str) -> None:
    sign_in(page, yunzhuo, email)
    page.get_by_role("button", name="Create a desktop").click()
    page.wait_for_url(re.compile(r"/desktops/[0-9a-f-]{36}$"))
    expect_console(page, "connected")
    wanted = list(yunzhuo.screen.color)
    page.wait_for_function(
        """(wanted) => {
            const canvas = document.querySelector('#screen canvas')
            const pixel = canvas.getContext('2d').getImageData(canvas.width / 2, 1, 1, 1).data
            return wanted.every((value, channel) => Math.abs(pixel[channel] - value) < 4)
        }""",
        arg=wanted,
    )
    expect(page.get_by_role("status").filter(has_text="Connected")).to_be_attached()


def test_an_answer_that_comes_late_does_not_undo_what_is_known(yunzhuo: Portal, page: Page, email: str) -> None:
    page.add_init_script(
        """const ask = window.fetch
        const late = {stage: 700, connections: 1500}
        let first
        window.fetch = async (url, ...more) => {
            const what = String(url).split('/').at(-1)
            let answer = await ask(url, ...more)
            if (what === 'stage') answer = (first ??= answer).clone()  // as it was in the beginning
            await new Promise((done) => setTimeout(done, late[what] ?? 0))
            return answer
        }"""
    )
    sign_in(page, yunzhuo, email)
    yunzhuo.weather.change_options(build_seconds=2)  # so that the page is there before the last steps
    try:
        page.get_by_role("button", name="Create a desktop").click()
        expect_console(page, "connected")
    finally:
        yunzhuo.weather.change_options(build_seconds=0.2)
    states = page.evaluate("() => performance.getEntriesByType('mark').map((mark) => mark.name)")
    assert states == ["console:connecting", "console:connected"]


def test_the_desktop_takes_the_windows_size_and_its_keys(yunzhuo: Portal, page: Page, email: str, api: httpx.Client) -> None:
    open_screen(page, yunzhuo, email, api)
    eventually(lambda: yunzhuo.screen.size == (1280, 800), 10)
    page.set_viewport_size({"width": 1000, "height": 700})
    eventually(lambda: yunzhuo.screen.size == (1000, 700), 10)
    page.mouse.move(500, 1)
    page.locator("#keys-menu > summary").click()
    page.get_by_role("button", name="Ctrl-Alt-Del").click()
    eventually(lambda: yunzhuo.screen.keys[-3:] == [CONTROL, ALT, DELETE], 5)
    page.mouse.move(500, 400)
    expect(page.locator("body")).to_have_attribute("data-bar", "away", timeout=10_000)
    page.locator("#console-tongue").click()
    expect(page.locator("body")).to_have_attribute("data-bar", "here")


def test_a_lost_connection_comes_back_each_time_with_a_new_ticket(
    yunzhuo: Portal, page: Page, email: str, api: httpx.Client
) -> None:
    open_screen(page, yunzhuo, email, api)
    tickets: list[str] = []
    for _ in range(3):
        with page.expect_response("**/connections") as answer:
            yunzhuo.screen.cut()
        tickets.append(answer.value.json()["ticket"])
        expect_console(page, "connected")
    assert len(set(tickets)) == len(tickets)


def test_a_broken_line_is_mended_without_a_new_ticket(
    yunzhuo: Portal, browser: Browser, complaints: Complaints, email: str, api: httpx.Client
) -> None:
    desktop_id = ask_for_desktop(api, "Maths")
    wish = (f"desktops/{desktop_id}/connections", {"protocol": "vnc"})
    address = eventually(lambda: str(api.post(wish[0], json=wish[1]).json().get("url", "")), 30)
    gateway = urlsplit(address).port
    assert gateway is not None
    # The line has a port of its own, which the page's policy does not know.
    with breakable_line(gateway) as line, browser.new_context(bypass_csp=True) as context:
        page = context.new_page()
        page.add_init_script(
            f"""const Real = window.WebSocket
            window.WebSocket = new Proxy(Real, {{
                construct: (_, [url, ...more]) => new Real(url.replace(':{gateway}/', ':{line.port}/'), ...more),
            }})"""
        )
        sign_in(page, yunzhuo, email, f"/desktops/{desktop_id}")
        expect_console(page, "connected")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for _ in range(2):
            before = line.connections
            line.cut()
            eventually(partial(line.is_used_again, before), 10)
            expect_console(page, "connected")
        line.fall_silent()  # nobody hangs up: only that no answer comes tells the page
        eventually(partial(line.is_used_again, line.connections), 60)
        expect_console(page, "connected")
        assert not [url for url in asked if url.endswith("/connections")]


def test_while_the_portal_does_not_answer_it_goes_on_trying(yunzhuo: Portal, page: Page, email: str, api: httpx.Client) -> None:
    open_screen(page, yunzhuo, email, api)
    page.route("**/connections", lambda route: route.abort())
    yunzhuo.screen.cut()
    expect_console(page, "reconnecting")
    expect(page.get_by_role("heading", name="The connection was lost")).to_be_visible()
    page.unroute("**/connections")
    page.get_by_role("button", name="Try now").click()
    expect_console(page, "connected")


def test_a_refusal_is_shown_with_its_reason(
    yunzhuo: Portal, page: Page, email: str, api: httpx.Client, complaints: Complaints
) -> None:
    def refuse(route: Route) -> None:
        problem = {"status": 409, "code": "no_gateway", "detail": "There is no gateway to open the screen through."}
        route.fulfill(status=409, content_type="application/problem+json", body=json.dumps(problem))

    page.route("**/connections", refuse)
    desktop_id = ask_for_desktop(api, "Maths")
    sign_in(page, yunzhuo, email, f"/desktops/{desktop_id}")
    expect_console(page, "refused")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("There is no gateway to open the screen through.")
    expect(alert).to_contain_text("no_gateway")
    page.unroute("**/connections")
    alert.get_by_role("button", name="Try again").click()
    expect_console(page, "connected")
    assert len(complaints.refused_answers) == 1


def test_stopped_started_and_deleted_while_it_is_looked_at(yunzhuo: Portal, page: Page, email: str, api: httpx.Client) -> None:
    desktop_id = open_screen(page, yunzhuo, email, api)
    api.post(f"desktops/{desktop_id}/actions", json={"action": "stop"})
    expect(page.locator("body")).to_have_attribute("data-state", "stopped")
    yunzhuo.screen.cut()
    expect_console(page, "stopped")
    page.get_by_role("button", name="Start").click()
    expect_console(page, "connected")
    api.delete(f"desktops/{desktop_id}")
    expect_console(page, "gone")
    page.get_by_role("link", name="Back to the desktops").click()
    page.wait_for_url("**/desktops")


def test_a_session_that_ended_leads_to_the_sign_in_page_and_back(
    yunzhuo: Portal, page: Page, email: str, api: httpx.Client
) -> None:
    desktop_id = open_screen(page, yunzhuo, email, api)
    page.context.clear_cookies(name="yunzhuo_session")
    yunzhuo.screen.cut()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    sign_in(page, yunzhuo, email, f"/desktops/{desktop_id}")
    expect_console(page, "connected")
