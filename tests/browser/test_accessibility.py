"""axe-core has nothing to say against any page, in any state, either language, either theme.

Pages are found from the application's own address table: a new one without a place here fails the first test.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import pyotp
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.browser.places import NO_PAGES, PLACES
from tests.browser.test_looks import wait_for
from tests.support.portal import PASSWORD, Portal, ask_for_desktop

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.services.access import Actor, Role, installation
from yunzhuo.services.accounts import UserView
from yunzhuo.services.assembly import Services, services
from yunzhuo.services.pools import PoolWish
from yunzhuo.services.quotas import Resource, Subject
from yunzhuo.services.rules.leases import Terms
from yunzhuo.services.rules.schedules import Deed, SubjectKind
from yunzhuo.services.schedules import ScheduleWish
from yunzhuo.web.app import create_app

pytestmark = [pytest.mark.browser, pytest.mark.servers, pytest.mark.xdist_group("portal"), pytest.mark.timeout(600)]

AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
LANGUAGES = ("en-US", "zh-CN")
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 740}

# What axe found, in a line each: the rule, the element, what is wrong.
FOUND = """async () => {
    // The other theme's colors are there with the next frame, and a dialog when it has appeared.
    for (let frames = 0; frames < 2; frames++) await new Promise(requestAnimationFrame)
    const moving = () => document.getAnimations().some((one) => one.effect.getComputedTiming().endTime !== Infinity)
    while (moving()) await new Promise(requestAnimationFrame)
    const { violations } = await axe.run(document, { resultTypes: ['violations'] })
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(' ')} ${node.failureSummary}`))
}"""


@dataclass(frozen=True)
class School:
    """People with desktops in every state. ``names`` are the ids that addresses are made of."""

    portal: Portal
    names: dict[str, str]
    lin: httpx.Client

    def url(self, path: str) -> str:
        return self.portal.url + path.format(**self.names)


@pytest.fixture(scope="module")
def school(yunzhuo: Portal) -> School:
    names = {"end": "2000-01-01T00:00:00+00:00_0"}
    with services(yunzhuo.running.settings()) as all_services:
        itself = installation(all_services.accounts.default_organization_id())
        for name, role in (("lin", Role.USER), ("newcomer", Role.USER), ("head", Role.OPERATOR)):
            made = all_services.people.create(itself, f"axe-{name}@school.local", role, password=PASSWORD)
            names[name] = made.user.id
        group = all_services.groups.create(made.user.actor(), "一班")
        all_services.groups.put_member(made.user.actor(), group.id, names["lin"])
        names["group"] = group.id
        all_services.roles.create(made.user.actor(), "助教", {"user:read": "group"})
        all_services.quotas.put(made.user.actor(), Subject.GROUP, group.id, Resource.DESKTOPS, 100)
        for name, spares in (("pool", 1), ("empty_pool", 0)):
            head, kinds = made.user.actor(), all_services.catalog
            wish = PoolWish(name, kinds.images(head)[0].id, kinds.flavors(head)[0].id, capacity=6, spares=spares)
            names[name] = all_services.pools.create(head, wish).id
        all_services.pools.put_member(head, names["pool"], group.id)
        all_services.pool_history.sample()
        evening = ScheduleWish("Evening", "0 22 * * *", Deed.STOP, SubjectKind.POOL, names["pool"])
        names["schedule"] = all_services.schedules.create(head, evening).id
        all_services.schedules.run(head, names["schedule"])
        all_services.leases.put_terms(head, head.organization_id, Terms(days=5, warn_hours=(168,), bin_days=7))
        names["welcome"] = invitation_to(all_services, made.user.actor())
        add_totp(
            all_services, all_services.people.create(itself, "axe-halfway@school.local", Role.USER, password=PASSWORD).user
        )
    names |= proofs_in_letters(yunzhuo, "axe-newcomer@school.local")
    lin = yunzhuo.running.api("axe-lin@school.local")
    for state, action in (("stopped", "stop"), ("suspended", "suspend")):
        names[state] = ask_for_desktop(lin, state.title())
        wait_for(lin, names[state], "available")
        lin.post(f"desktops/{names[state]}/actions", json={"action": action})
        wait_for(lin, names[state], state)
    yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.REFUSE))
    names["failed"] = ask_for_desktop(lin, "Failed")
    wait_for(lin, names["failed"], "error")
    names["available"] = ask_for_desktop(lin, "数据结构")
    wait_for(lin, names["available"], "available")
    lin.post(f"desktops/{names['available']}/actions", json={"action": "snapshot", "name": "初始状态"})
    wait_for(lin, names["available"], "available")
    names["snapshot"] = lin.get(f"desktops/{names['available']}/snapshots").json()["items"][0]["id"]
    binned = ask_for_desktop(lin, "Gone")
    wait_for(lin, binned, "available")
    lin.delete(f"desktops/{binned}").raise_for_status()
    lin.post("personal-disk", json={}).raise_for_status()
    lin.post("personal-disk/connect", json={"desktop": names["available"]}).raise_for_status()
    wait_for(lin, names["available"], "available")
    lin.post(f"pools/{names['pool']}/claim").raise_for_status()
    names["kept"] = lin.post("personal-disk/snapshots", json={"name": "期中"}).raise_for_status().json()["snapshots"][0]["id"]
    return School(yunzhuo, names, lin)


def invitation_to(all_services: Services, head: Actor) -> str:
    """Where the link of somebody who is invited leads."""
    link = all_services.registration.invite(head, "axe-invited@school.local", Role.USER).link or ""
    return link.removeprefix(all_services.settings.public_url)


def proofs_in_letters(yunzhuo: Portal, email: str) -> dict[str, str]:
    """What the links of two letters carry, for another password and for another address; nobody sends the letters here."""
    settings = yunzhuo.running.settings()
    posted = settings.model_copy(update={"mail": settings.mail.model_copy(update={"host": "127.0.0.1"})})
    with services(posted) as all_services, closing(sqlite3.connect(settings.home / "yunzhuo.db")) as database:
        person = all_services.accounts.by_email(email).actor()
        proven = all_services.step_up.by_password(person, PASSWORD)
        all_services.regaining.request_reset(email)
        all_services.regaining.change_address(person, proven, "axe-moved@school.local")
        written = database.execute("SELECT purpose, id FROM email_proofs WHERE purpose IN ('reset', 'change_address')")
        return {purpose: all_services.outbox.secret_of(proof_id) for purpose, proof_id in written}


def add_totp(all_services: Services, user: UserView) -> None:
    """From now on this person is asked for a code."""
    proof = all_services.step_up.by_password(user.actor(), PASSWORD)
    secret = all_services.factors.offer_totp(user.actor(), proof).secret
    all_services.factors.confirm_totp(user.actor(), proof, pyotp.TOTP(secret).now())


class Inspector:
    """Looks at what a page shows, in both themes, and remembers what is wrong."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.looks = 0

    def look(self, page: Page, what: str) -> None:
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            self.wrong += [f"{what} ({scheme}): {found}" for found in page.evaluate(FOUND)]
            self.looks += 1


@pytest.fixture
def inspector() -> Iterator[Inspector]:
    inspector = Inspector()
    yield inspector
    assert inspector.looks > 0
    assert inspector.wrong == [], "\n".join(inspector.wrong)


@contextmanager
def somebody(browser: Browser, school: School, who: str, locale: str, **options: Any) -> Iterator[Page]:
    """A person at a browser of their own, signed in."""
    with browser.new_context(viewport=options.pop("viewport", WIDE), locale=locale, **options) as context:
        context.add_init_script(path=AXE)
        page = context.new_page()
        if who != "nobody":
            enter(context, page, school, who)
        yield page


def enter(context: BrowserContext, page: Page, school: School, who: str) -> None:
    page.goto(school.url("/sign-in"))
    page.locator("#email").fill(f"axe-{who}@school.local")
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")
    page.wait_for_url(re.compile(r"/sign-in/factor\b") if who == "halfway" else "**/desktops")
    if who == "lin":  # what changes the proofs of a person asks for the password once more
        page.goto(school.url("/security/password"))
        page.locator("#password").fill(PASSWORD)
        page.locator("#password").press("Enter")
        page.wait_for_url("**/security")
        page.goto(school.url("/desktops"))


def test_every_page_of_the_address_table_has_its_place(school: School) -> None:
    with services(school.portal.running.settings()) as all_services:
        rules = list(create_app(all_services, secret_key="not used here").url_map.iter_rules())
    pages = {rule.endpoint for rule in rules if rule.endpoint.startswith("portal.") and "GET" in (rule.methods or ())}
    assert pages == PLACES.keys() | NO_PAGES
    programs = ("/api/v1/", "/internal/", "/healthz", "/readyz", "/metrics", "/static/")
    others = [rule.rule for rule in rules if not rule.endpoint.startswith("portal.") and not rule.rule.startswith(programs)]
    assert others == []


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("who", ["nobody", "halfway", "newcomer", "lin", "head"])
def test_pages(browser: Browser, school: School, inspector: Inspector, who: str, locale: str) -> None:
    with somebody(browser, school, who, locale) as page:
        for reader, paths in PLACES.values():
            for path in paths if reader == who else ():
                page.goto(school.url(path))
                inspector.look(page, path)


@pytest.mark.parametrize("locale", LANGUAGES)
def test_what_is_empty_and_what_is_wrong(browser: Browser, school: School, inspector: Inspector, locale: str) -> None:
    with somebody(browser, school, "nobody", locale) as page:
        page.goto(school.url("/register"))
        page.locator("form [type=password]").first.fill("short")
        page.evaluate("() => document.querySelector('form[method=post]').setAttribute('novalidate', '')")
        page.locator(".door-card [type=submit]").click()
        expect(page.locator(".field-error").first).to_be_visible()
        inspector.look(page, "a form with mistakes")
        enter(page.context, page, school, "newcomer")
        inspector.look(page, "no desktop yet")
    with somebody(browser, school, "head", locale) as page:
        for path in ("/admin/hosts", "/admin"):
            school.portal.weather.faults.set(Fault(operation="hosts.list", kind=FaultKind.FAIL_BEFORE, count=None))
            page.goto(school.url(path))
            school.portal.weather.faults.clear()
            inspector.look(page, f"{path} without its cloud")
        page.goto(school.url("/desktops/{available}"))
        inspector.look(page, "somebody else's desktop")


@pytest.mark.parametrize("locale", LANGUAGES)
def test_menus_and_dialogs(browser: Browser, school: School, inspector: Inspector, locale: str) -> None:
    with somebody(browser, school, "lin", locale) as page:
        page.locator("#person-menu-button").click()
        inspector.look(page, "the person's menu")
        page.goto(school.url("/desktops"))
        card = f"#desktop-{school.names['available']}"
        page.locator(f"{card}-menu-button").click()
        inspector.look(page, "a card's menu")
        for question in ("rename", "resize", "rebuild", "delete"):
            page.goto(school.url("/desktops"))
            page.locator(f"{card}-menu-button").click()
            page.locator(f"{card}-{question}").click()
            expect(page.locator("#dialog")).to_be_visible()
            inspector.look(page, f"the dialog {question}")
    with somebody(browser, school, "head", locale) as page:
        page.goto(school.url("/admin/desktops?q=axe-lin"))
        page.locator(f"#select-{school.names['available']}").check()
        inspector.look(page, "a selected desktop")
        page.locator("#many-reboot").click()
        page.locator("#confirm-many").wait_for()
        inspector.look(page, "a change of many")
        page.locator("#confirm-many").click()
        page.locator("#back-to-desktops").wait_for()
        inspector.look(page, "its results")
        wait_for(school.lin, school.names["available"], "available")
        page.goto(school.url("/admin/users/new"))
        page.locator("#email").fill(f"new-{locale.lower()}@school.local")
        page.locator(".panel [type=submit], form [type=submit]").last.click()
        page.locator("code").first.wait_for()
        inspector.look(page, "a new account's password")


@pytest.mark.parametrize("locale", LANGUAGES)
def test_the_screens_page(browser: Browser, school: School, inspector: Inspector, locale: str) -> None:
    with somebody(browser, school, "lin", locale) as page:
        connect(page, school)
        page.mouse.move(600, 1)
        inspector.look(page, "the screen")
        for button, shown in (("#open-clipboard", "#clipboard-panel"), ("#open-files", "#files-panel")):
            page.mouse.move(600, 1)
            page.locator(button).click()
            page.locator(shown).wait_for()
            inspector.look(page, shown)
            page.locator(f"{shown} [data-panel-close]").click()
        for menu in ("#keys-menu", "#view-menu"):
            page.mouse.move(600, 1)
            page.locator(f"{menu} > summary").click()
            inspector.look(page, menu)
            page.locator(f"{menu} > summary").click()
    with somebody(browser, school, "lin", locale, viewport=NARROW, has_touch=True, is_mobile=True) as page:
        connect(page, school)
        page.locator("#touch-bar").wait_for()
        inspector.look(page, "keys for fingers")


@pytest.mark.parametrize("locale", LANGUAGES)
def test_the_screens_page_without_a_screen(browser: Browser, school: School, inspector: Inspector, locale: str) -> None:
    def refused(page: Page) -> None:
        refusal = {"status": 403, "code": "forbidden", "detail": "not allowed"}
        page.route("**/connections", lambda route: route.fulfill(status=403, json=refusal))

    def unreachable(page: Page) -> None:
        page.route("**/connections", lambda route: route.abort())

    states: dict[str, Callable[[Page], None]] = {"refused": refused, "connecting": unreachable}
    with somebody(browser, school, "lin", locale) as page:
        for state, arrange in states.items():
            arrange(page)
            page.goto(school.url("/desktops/{available}"))
            expect(page.locator("body")).to_have_attribute("data-console", state)
            inspector.look(page, f"the screen is {state}")
            page.unroute("**/connections")
        connect(page, school)
        unreachable(page)
        school.portal.screen.cut()
        expect(page.locator("body")).to_have_attribute("data-console", "reconnecting")
        inspector.look(page, "the line is lost")
        page.unroute("**/connections")
        school.portal.weather.change_options(build_seconds=20)
        try:
            building = ask_for_desktop(school.lin, "Building")
            page.goto(school.url(f"/desktops/{building}"))
            inspector.look(page, "a desktop on its way")
            page.goto(school.url("/desktops"))
            inspector.look(page, "the list while one is on its way")
            page.goto(school.url(f"/desktops/{building}"))
            school.lin.delete(f"desktops/{building}")
            expect(page.locator("body")).to_have_attribute("data-console", "gone")
            inspector.look(page, "a desktop that is gone")
        finally:
            school.portal.weather.change_options(build_seconds=0.2)


def connect(page: Page, school: School) -> None:
    page.goto(school.url("/desktops/{available}"))
    expect(page.locator("body")).to_have_attribute("data-console", "connected")
