"""What holds for every page, in both languages: nothing inline, every control named, ids once, one heading, no English left."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pyotp
import pytest
from babel.messages.pofile import read_po
from flask import Flask
from tests.support.installation import PASSWORD, Installation
from tests.support.pages import CHINESE, Page, Visitor, signed_in, somebody
from tests.support.pools import make_pool

import yunzhuo as package
from yunzhuo.services import cursors
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.consoles import ConsoleProtocol
from yunzhuo.services.quotas import Resource, Subject
from yunzhuo.services.rules.lifecycle import Action
from yunzhuo.services.screens import Standing

# Every page is made, several times over.
pytestmark = pytest.mark.slow

LANGUAGES = {"en": {"Accept-Language": "en"}, "zh-CN": CHINESE}
CATALOG = Path(package.__file__).parent / "webkit/translations/zh/LC_MESSAGES/messages.po"


@dataclass(frozen=True, eq=False)
class Site:
    """People with desktops in every state, and the addresses of their pages."""

    browsers: dict[str, Visitor]
    paths: dict[str, list[str]]

    @cache  # noqa: B019  # a site lives as long as its pages are asked for
    def pages(self, language: str) -> Sequence[tuple[str, Page]]:
        """Every page as its reader gets it in this language."""
        asked = [(who, path) for who, paths in self.paths.items() for path in paths]
        headers = LANGUAGES[language]
        return [(f"{who} {path}", Page(self.browsers[who].client.get(path, headers=headers).text)) for who, path in asked]


@pytest.fixture(scope="module")
def site(app: Flask, yunzhuo: Installation) -> Site:
    lin, newcomer = somebody(yunzhuo, "lin"), somebody(yunzhuo, "newcomer")
    first = yunzhuo.services.accounts.add("first@school.local", PASSWORD, Role.USER, must_change_password=True)
    ids = desktops_in_every_state(yunzhuo, lin)
    own = [f"/desktops/{desktop_id}" for desktop_id in ids]
    running = f"/desktops/{ids[-1]}"
    kept = yunzhuo.services.snapshots.list(lin, ids[-1]).items[0].id
    oldest = yunzhuo.services.history.of_desktop(lin, ids[-1]).items[-1].operation
    end = quote(cursors.after(oldest.created_at, oldest.id))
    questions = [f"{own[0]}/delete", f"{own[0]}/name", f"{running}/size", f"{running}/confirm/rebuild"]
    questions += [
        f"{running}/confirm/hard-reboot",
        f"{running}/snapshots/{kept}/delete",
        f"{running}/snapshots/{kept}/roll-back",
    ]
    yunzhuo.services.personal_disks.create(lin)
    yunzhuo.services.personal_disks.take_snapshot(lin, "期末")
    files = "/personal-files"
    own_files = [files, f"{files}/connect/{ids[-1]}", f"{files}/connect/{ids[-1]}?force=yes", f"{files}/delete"]
    (disk_snapshot,) = yunzhuo.services.personal_disks.get(lin).snapshots
    own_files += [f"{files}/snapshots/{disk_snapshot.id}/{verb}" for verb in ("restore", "delete")]
    questions += own_files
    details = [f"{running}/details", f"{own[0]}/details", f"{running}/details?cursor={end}"]
    forced = [f"{running}/confirm/force-delete", f"{running}/machine", f"{running}/machine/rescue", f"{running}/console-log"]
    user = f"/admin/users/{lin.user_id}"
    show_a_screen(yunzhuo, lin, ids[-1])
    administration = ["/admin", "/admin/users", "/admin/users?q=zzz", "/admin/users/new", user, f"{user}/delete"]
    administration += ["/admin/operations", "/admin/operations?q=zzz"]
    administration += ["/admin/desktops", "/admin/desktops?q=zzz", "/admin/hosts", "/admin/catalog", "/admin/settings"]
    administration += ["/admin/invitations", "/admin/users/new-service", f"{user}/security"]
    security = ["/security", "/security/password", "/security/totp", "/security/passkeys", "/security/address"]
    security += ["/password", "/security/tokens", "/security/sign-ins"]
    head = somebody(yunzhuo, "head", Role.OPERATOR)
    group = yunzhuo.services.groups.create(head, "一班")
    yunzhuo.services.groups.put_member(head, group.id, lin.user_id, is_owner=True)
    yunzhuo.services.roles.create(head, "助教", {"user:read": "group"})
    yunzhuo.services.quotas.put(head, Subject.GROUP, group.id, Resource.DESKTOPS, 100)
    administration += ["/admin/groups", f"/admin/groups/{group.id}", "/admin/roles", "/admin/quotas", "/admin/organizations"]
    pool_id, empty = (make_pool(yunzhuo, head, name=name, spares=0, members=[lin]) for name in ("机房", "Empty"))
    yunzhuo.services.claims.claim(lin, pool_id)
    yunzhuo.services.pools.drop_member(head, empty, lin.user_id)
    administration += ["/admin/pools", "/admin/pools/new", f"/admin/pools/{pool_id}", f"/admin/pools/{empty}"]
    questions += [f"/pools/{pool_id}/release"]
    administration += ["/admin/gateways", "/admin/license", "/admin/screens", "/admin/screens?show=history"]
    administration += ["/admin/audit", "/admin/audit?who=zzz", "/admin/audit/verification", "/admin/users/import", "/usage"]
    invited = yunzhuo.services.registration.invite(head, f"invited-{lin.email}", Role.USER).link or ""
    welcome = invited.removeprefix(yunzhuo.settings.public_url)
    more = [*questions, *details]
    return Site(
        {
            "stranger": Visitor(app.test_client()),
            "newcomer": signed_in(app, newcomer),
            "first": signed_in(app, first.actor()),
            "halfway": halfway(app, yunzhuo),
            "lin": proven(signed_in(app, lin)),
            "head": signed_in(app, head),
        },
        {
            "stranger": ["/sign-in", "/register", "/forgot", welcome, "/nothing-here"],
            "halfway": ["/sign-in/factor"],
            "newcomer": ["/desktops", "/desktops/new", "/personal-files"],
            "first": ["/password"],
            "lin": ["/usage", "/sharing", "/desktops", "/desktops?q=zzz", "/profile", "/desktops/x", *own, *more, *security],
            "head": ["/desktops", "/profile", own[0], own[1], f"{running}/details", *forced, *administration],
        },
    )  # fmt: skip


def show_a_screen(yunzhuo: Installation, lin: Actor, desktop_id: str) -> None:
    """An open screen that its gateway has told of, one whose line broke, one that was closed, and an inner network."""
    services, chief = yunzhuo.services, somebody(yunzhuo, "chief", Role.OPERATOR)
    services.gateways.add_segment(chief, "主楼", "10.1.0.0/16")
    gateway_id = services.gateways.list(chief)[0].id
    found = [
        services.consoles.redeem(
            gateway_id, services.consoles.open(lin, desktop_id, ConsoleProtocol.VNC).ticket, client_address="192.0.2.7"
        ).session_id
        for _ in range(3)
    ]
    services.gateways.heard(gateway_id, version="1", capacity=2000, certificate=None)
    services.screens.report(gateway_id, [Standing(each, 5, 2**30, 61, 12.5, 3) for each in found])
    for session_id, reason in ((found[0], "viewer_closed"), (found[1], "viewer_lost")):
        services.consoles.end_session(gateway_id, session_id, bytes_in=1, bytes_out=2, reason=reason)


def proven(browser: Visitor) -> Visitor:
    """Somebody who has just given their password again."""
    assert browser.fill_in("/security/password", password=PASSWORD).status_code == 303
    return browser


def halfway(app: Flask, yunzhuo: Installation) -> Visitor:
    """Somebody whose password was right and who is asked for more."""
    person = somebody(yunzhuo, "half")
    proof = yunzhuo.services.step_up.by_password(person, PASSWORD)
    secret = yunzhuo.services.factors.offer_totp(person, proof).secret
    yunzhuo.services.factors.confirm_totp(person, proof, str(pyotp.TOTP(secret).at(yunzhuo.clock.now())))
    return signed_in(app, person)


def desktops_in_every_state(yunzhuo: Installation, lin: Actor) -> list[str]:
    """Available with a snapshot, stopped, suspended, failed, being built."""
    yunzhuo.services.snapshots.create(lin, yunzhuo.available(lin), "初始状态")
    suspended = yunzhuo.available(lin)
    yunzhuo.services.desktops.act(lin, suspended, Action.SUSPEND)
    stopped = yunzhuo.available(lin)
    yunzhuo.services.desktops.act(lin, stopped, Action.STOP)
    yunzhuo.run()
    yunzhuo.failed(lin)
    yunzhuo.request(lin)
    found = yunzhuo.services.desktops.list(lin).items
    assert {desktop.state.value for desktop in found} == {"available", "stopped", "suspended", "error", "building"}
    return [desktop.id for desktop in found]


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_speak_the_language_that_was_asked_for(site: Site, language: str) -> None:
    for name, page in site.pages(language):
        assert page.language == language, name


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_stands_inline_that_the_policy_forbids(site: Site, language: str) -> None:
    for name, page in site.pages(language):
        assert page.inline == [], name


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_control_is_named_and_every_id_is_there_once(site: Site, language: str) -> None:
    for name, page in site.pages(language):
        assert page.unnamed == [], name
        assert len(page.ids) == len(set(page.ids)), name
        assert len(page.headings) == 1, f"{name}: {page.headings}"


def test_no_english_is_left_on_chinese_pages(site: Site) -> None:
    with CATALOG.open("rb") as text:
        sentences = [message.id for message in read_po(text) if isinstance(message.id, str) and " " in message.id]
    assert len(sentences) > 50
    # The parts of a sentence between its placeholders.
    parts = {part.strip() for sentence in sentences for part in re.split(r"%\(\w+\)[sd]", sentence) if len(part.split()) > 1}
    for name, page in site.pages("zh-CN"):
        assert [part for part in parts if part in page.html] == [], name


def test_forms_that_change_something_carry_their_token(site: Site) -> None:
    for name, page in site.pages("en"):
        for form in page.forms:
            assert form.method == "get" or form.fields.get("csrf_token"), f"{name}: {form.action}"
