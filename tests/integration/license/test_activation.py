"""A license over HTTP: the first one with a code, newer ones by itself, and what a thief, a clone or a false server gets."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from shutil import copytree

import pytest
from flask import Flask
from tests.support.api import SECRET_KEY
from tests.support.installation import START, Installation, installation
from tests.support.license_server import YEAR, Host, Vendor, listening, vendor
from tests.support.pages import Page, signed_in

from yunzhuo.license.rules import Act
from yunzhuo.phoenix.common.errors import Conflict, LimitReached, Unavailable
from yunzhuo.phoenix.security import activation, host_info, sealed, signing_keys
from yunzhuo.phoenix.security.activation import ActivationRequest
from yunzhuo.phoenix.security.licenses import LicenseRefused, Limits
from yunzhuo.phoenix.security.vendor_pin import VendorPin
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.rules.licensing import Phase
from yunzhuo.services.rules.lifecycle import Action
from yunzhuo.web.app import create_app

# Long stories, each with a server and installations of its own.
pytestmark = pytest.mark.slow
DAY = timedelta(days=1)


@dataclass
class Both:
    """A vendor's server that listens, and a customer's installation that knows its address."""

    server: Vendor
    yunzhuo: Installation
    boss: Actor
    url: str
    id: str
    code: str

    def phase(self) -> Phase:
        return self.yunzhuo.services.licensing.status(self.boss).phase

    def serial(self) -> int:
        found = self.yunzhuo.services.licensing.status(self.boss).license
        return found.serial if found else 0

    def pass_days(self, days: float) -> None:
        """Time goes by on both sides, and the installation's timers run at the end of it."""
        for clock in (self.server.clock, self.yunzhuo.clock):
            clock.set(clock.now() + days * DAY)
        self.tick()

    def tick(self) -> None:
        self.yunzhuo.services.licensing.witness()
        self.yunzhuo.services.license_renewal.round(self.boss.organization_id)

    def activate(self) -> None:
        self.yunzhuo.services.license_renewal.activate(self.boss, self.code)


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    with vendor(tmp_path / "vendor") as server, listening(server.app()) as url:
        made = server.installation(server.customer(), desktops=1)
        with customers(tmp_path / "home", server, url) as yunzhuo:
            boss = yunzhuo.person("boss", Role.OPERATOR)
            yield Both(server, yunzhuo, boss, url, made.installation.id, made.code)


def another_computer(home: Path) -> Path:
    """A state folder whose installation has a key of its own: those of tests are copies of one."""
    with installation(home):
        (home / "secrets" / "installation-key").unlink()
    return home


@contextmanager
def customers(home: Path, server: Vendor, url: str, pin: VendorPin | None = None) -> Iterator[Installation]:
    with installation(home, pin=pin or server.pin(), license={"server_url": url}) as yunzhuo:
        yield yunzhuo


def test_the_first_license_comes_with_the_code_and_newer_ones_by_themselves(both: Both) -> None:
    both.tick()
    assert (both.phase(), both.serial()) == (Phase.UNLICENSED, 0)
    both.activate()
    assert (both.phase(), both.serial()) == (Phase.ACTIVE, 1)
    both.yunzhuo.available(both.boss)
    with pytest.raises(LimitReached):
        both.yunzhuo.request(both.boss)
    installations, boss = both.server.services.installations, both.server.boss
    terms = replace(installations.get(boss, both.id).terms, limits=Limits(desktops=2), expires_at=START + 2 * YEAR)
    installations.change(boss, both.id, terms)
    both.pass_days(0.5)
    assert both.serial() == 1  # it does not ask all the time
    both.pass_days(0.6)
    assert both.serial() == 2
    both.yunzhuo.available(both.boss)
    assert installations.get(boss, both.id).checked_at is not None


def test_the_page_asks_and_says_what_went_wrong(both: Both) -> None:
    head = signed_in(create_app(both.yunzhuo.services, secret_key=SECRET_KEY), both.boss)

    def ask(code: str) -> Page:
        form = next(form for form in head.get("/admin/license").forms if form.action.endswith("/activation"))
        answer = head.client.post(form.action, data={**form.fields, "code": code}, follow_redirects=True)
        return Page(answer.text)

    assert "knows neither this installation nor this code" in ask("guessed").text
    assert "as the vendor's server has it" in ask(both.code).text
    assert "第一中学" in head.get("/admin/license").text
    assert both.phase() is Phase.ACTIVE


def test_a_server_that_is_away_for_a_month_changes_nothing(tmp_path: Path) -> None:
    with vendor(tmp_path / "vendor") as server:
        made = server.installation(server.customer())
        with listening(server.app()) as url, customers(tmp_path / "home", server, url) as yunzhuo:
            boss = yunzhuo.person("boss", Role.OPERATOR)
            both = Both(server, yunzhuo, boss, url, made.installation.id, made.code)
            both.activate()
        with customers(tmp_path / "home", server, url) as yunzhuo:
            both = replace(both, yunzhuo=yunzhuo)
            for _ in range(31):
                both.pass_days(1)
                assert both.phase() is Phase.ACTIVE
            with pytest.raises(Unavailable):
                yunzhuo.services.license_renewal.activate(boss)
            standing = yunzhuo.services.license_renewal.standing(boss)
            assert standing is not None
            assert (standing.trouble, standing.asked_at) == ("license_server_unavailable", START)
            yunzhuo.available(boss)
            # Nobody renewed it meanwhile: it ends as it says.
            both.pass_days(335)
            assert both.phase() is Phase.GRACE
        terms = replace(server.services.installations.get(server.boss, both.id).terms, expires_at=START + 2 * YEAR)
        server.services.installations.change(server.boss, both.id, terms)
        with listening(server.app()) as url, customers(tmp_path / "home", server, url) as yunzhuo:
            both = replace(both, yunzhuo=yunzhuo)
            yunzhuo.clock.set(server.clock.now())
            both.pass_days(1)
            assert (both.phase(), both.serial()) == (Phase.ACTIVE, 2)


def test_a_withdrawal_arrives_and_is_taken_back(both: Both) -> None:
    both.activate()
    desktop = both.yunzhuo.available(both.boss)
    both.server.services.installations.act(both.server.boss, both.id, Act.SUSPEND)
    both.pass_days(1)
    assert both.phase() is Phase.WITHDRAWN
    both.yunzhuo.services.desktops.act(both.boss, desktop, Action.STOP)
    both.yunzhuo.run()
    both.server.services.installations.act(both.server.boss, both.id, Act.RESUME)
    both.pass_days(1)
    assert both.phase() is Phase.ACTIVE
    both.server.services.installations.act(both.server.boss, both.id, Act.REVOKE)
    both.pass_days(1)
    assert both.phase() is Phase.WITHDRAWN


def test_a_code_counts_once(both: Both, tmp_path: Path) -> None:
    both.activate()
    with customers(another_computer(tmp_path / "thief"), both.server, both.url) as thief:
        boss = thief.person("boss", Role.OPERATOR)
        for code in (both.code, "guess", None):
            with pytest.raises(Conflict) as refusal:
                thief.services.license_renewal.activate(boss, code)
            assert refusal.value.code == "installation_unknown"
        assert thief.services.licensing.status(boss).license is None
        # Its license file does not help either.
        stolen = both.server.services.installations.license_file(both.server.boss, both.id)
        with pytest.raises(LicenseRefused):
            thief.services.licensing.take(boss, stolen)


def test_a_new_code_moves_it_and_the_old_computer_is_told(both: Both, tmp_path: Path) -> None:
    both.activate()
    code = both.server.services.installations.new_code(both.server.boss, both.id).code
    with customers(another_computer(tmp_path / "new"), both.server, both.url) as new:
        boss = new.person("boss", Role.OPERATOR)
        assert new.services.license_renewal.activate(boss, code).phase is Phase.ACTIVE
        both.pass_days(1)
        assert both.phase() is Phase.WITHDRAWN
        assert both.server.services.installations.get(both.server.boss, both.id).moves == 1


def test_a_clone_is_noticed_and_gets_nothing(both: Both, tmp_path: Path) -> None:
    both.activate()
    both.pass_days(1.1)
    copytree(both.yunzhuo.settings.home, tmp_path / "clone")
    installations, boss = both.server.services.installations, both.server.boss
    both.pass_days(1.1)  # the first of the two goes on
    assert installations.get(boss, both.id).clone_seen_at is None
    with customers(tmp_path / "clone", both.server, both.url) as clone:
        clone.clock.set(both.yunzhuo.clock.now())
        both.pass_days(1.1)
        with pytest.raises(Conflict) as refusal:
            clone.services.license_renewal.activate(clone.services.accounts.by_email("boss@school.local").actor())
        assert refusal.value.code == "installation_cloned"
        assert installations.get(boss, both.id).clone_seen_at is not None
        both.pass_days(1.1)
        assert both.phase() is Phase.ACTIVE  # who was there first is not punished
        installations.forgive_clone(boss, both.id)
        assert installations.get(boss, both.id).clone_seen_at is None


def test_an_answer_that_was_lost_is_asked_for_again(both: Both) -> None:
    both.activate()
    service, request = both.server.services.activation, signed_request(both)
    service.answer(request(service.challenge()))  # never arrived
    both.pass_days(1.1)
    assert both.server.services.installations.get(both.server.boss, both.id).clone_seen_at is None
    assert both.phase() is Phase.ACTIVE


def signed_request(both: Both) -> Callable[..., bytes]:
    """What the installation would say to a challenge, with its own key and line."""
    key = signing_keys.read_private(both.yunzhuo.settings.secrets_dir / "installation-key")
    said = host_info.read(both.yunzhuo.services.licensing.host_info(both.boss))
    with both.yunzhuo.connection() as connection:
        line = connection.exec_driver_sql("SELECT line FROM installation").scalar()

    def sign(challenge: str, **changes: object) -> bytes:
        request = ActivationRequest(**{**dict(said), "challenge": challenge, "line": line, **changes})
        return activation.sign_request(request, key)

    return sign


def test_a_request_cannot_be_replayed_forged_or_kept_for_later(both: Both) -> None:
    both.activate()
    service, request = both.server.services.activation, signed_request(both)
    document = request(service.challenge())
    service.answer(document)
    with pytest.raises(LicenseRefused) as refusal:
        service.answer(document)
    assert refusal.value.code == "challenge_used"
    own = Host(both.server)
    fresh = service.challenge()
    forged = sealed.seal(activation.REQUEST, sealed.unsigned(activation.REQUEST, request(fresh)), own.key)
    with pytest.raises(sealed.SealBroken):
        service.answer(forged)
    kept = request(service.challenge())
    both.server.clock.set(both.server.clock.now() + timedelta(minutes=3))
    for challenge in (kept, request("9999999999.made-up.mark"), request(fresh[:-1] + "x"), request("x")):
        with pytest.raises(LicenseRefused) as refusal:
            service.answer(challenge)
        assert refusal.value.code == "challenge_unknown"


def test_a_false_server_is_not_believed(both: Both, tmp_path: Path) -> None:
    both.activate()
    with vendor(tmp_path / "false") as false, listening(false.app()) as url:
        made = false.installation(false.customer(), desktops=1000)
        with installation(tmp_path / "duped", pin=both.server.pin(), license={"server_url": url}) as duped:
            boss = duped.person("boss", Role.OPERATOR)
            with pytest.raises(Conflict):  # it has no key that this build trusts
                duped.services.license_renewal.activate(boss, made.code)
            assert duped.services.licensing.status(boss).license is None
        # One that only says so.
        said = activation.ActivationAnswer(challenge="c", license="{}", at=START)
        made_up = activation.sign_answer(said, signing_keys.make())
        with pytest.raises(sealed.SealBroken) as refusal:
            activation.read_answer(made_up, both.server.pin().keys.get, challenge="c")
        assert refusal.value.code == "activation_answer_unknown_key"
    service, request = both.server.services.activation, signed_request(both)
    challenge = service.challenge()
    answer = service.answer(request(challenge))
    assert activation.read_answer(answer, both.server.pin().keys.get, challenge=challenge).line
    with pytest.raises(LicenseRefused) as replayed:
        activation.read_answer(answer, both.server.pin().keys.get, challenge=service.challenge())
    assert replayed.value.code == "activation_answer_replayed"
    for position in range(0, len(answer), 13):
        changed = bytearray(answer)
        changed[position] ^= 1
        with pytest.raises(sealed.DocumentRefused):
            activation.read_answer(bytes(changed), both.server.pin().keys.get, challenge=challenge)


def test_other_hardware_under_the_same_key_is_a_move(both: Both) -> None:
    both.activate()
    service, request = both.server.services.activation, signed_request(both)
    service.answer(request(service.challenge(), machine="another"))
    assert both.server.services.installations.get(both.server.boss, both.id).moves == 1


def test_without_an_address_nobody_is_asked(tmp_path: Path) -> None:
    with installation(tmp_path / "home") as yunzhuo:
        boss = yunzhuo.person("boss", Role.OPERATOR)
        yunzhuo.services.license_renewal.round(boss.organization_id)
        with pytest.raises(Conflict) as refusal:
            yunzhuo.services.license_renewal.activate(boss)
        assert refusal.value.code == "no_license_server"


def test_a_build_without_a_key_gets_nothing(tmp_path: Path) -> None:
    with (
        vendor(tmp_path / "vendor") as server,
        listening(server.app()) as url,
        installation(tmp_path / "home", license={"server_url": url}) as yunzhuo,
    ):
        boss = yunzhuo.person("boss", Role.OPERATOR)
        with pytest.raises(Conflict) as refusal:  # a build without a vendor's key
            yunzhuo.services.license_renewal.activate(boss, server.installation(server.customer()).code)
        assert refusal.value.code == "no_common_key"


def test_a_server_that_is_something_else_is_said_to_be(tmp_path: Path) -> None:
    def page(environ: object, start: Callable[..., object]) -> list[bytes]:
        start("200 OK", [("Content-Type", "text/html")])
        return [b"<html>It works!</html>"]

    other = Flask("other")
    other.wsgi_app = page  # type: ignore[method-assign,assignment]  # any WSGI application
    with listening(other) as url, installation(tmp_path / "home", license={"server_url": url}) as yunzhuo:
        boss = yunzhuo.person("boss", Role.OPERATOR)
        with pytest.raises(Unavailable):
            yunzhuo.services.license_renewal.activate(boss, "code")
