"""Registering, invitations, forgotten passwords, other addresses: with mail and without."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.installation import PASSWORD, Installation, installation
from tests.support.mail_server import MailServer, mail_server

from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, NotFound, NotSignedIn, TooManyAttempts
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.proofs import Purpose

CLIENT = "192.0.2.7"
OTHER = "another long one"


@pytest.fixture(scope="module")
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


@pytest.fixture
def posted(server: MailServer, tmp_path: Path) -> Iterator[Installation]:
    """An installation that sends mail."""
    server.letters.clear()
    server.recipients.clear()
    with installation(tmp_path / "home", mail={"host": "127.0.0.1", "port": server.port, "security": "none"}) as installed:
        yield installed


def deliver(yunzhuo: Installation) -> None:
    for mail_id in yunzhuo.services.outbox.due():
        yunzhuo.services.outbox.send(mail_id)


def test_whoever_reads_the_mail_of_an_address_makes_its_account(posted: Installation, server: MailServer) -> None:
    registration = posted.services.registration
    with pytest.raises(Conflict):
        registration.register("lin@school.local", PASSWORD, client_address=CLIENT)
    registration.request(" LIN@school.local ", language="en", client_address=CLIENT)
    deliver(posted)
    assert server.recipients == ["lin@school.local"]
    proof = server.proof()
    assert registration.address_of(proof) == "lin@school.local"
    with pytest.raises(InvalidInput):
        registration.complete(proof, "short")
    made = registration.complete(proof, PASSWORD, client_address=CLIENT)
    assert (made.email, made.role, made.language) == ("lin@school.local", Role.USER, "en")
    with pytest.raises(NotFound):
        registration.complete(proof, OTHER)
    assert posted.services.sign_ins.sign_in("lin@school.local", PASSWORD, client_address=CLIENT).user.id == made.id


def test_whoever_asks_is_told_nothing_about_who_is_there(posted: Installation, server: MailServer) -> None:
    lin = posted.person("lin")
    posted.services.registration.request("lin@school.local", client_address=CLIENT)
    posted.services.regaining.request_reset("nobody@school.local", client_address=CLIENT)
    deliver(posted)
    assert server.recipients == ["lin@school.local"]
    assert "already" in server.letters[0]["Subject"]
    assert "proof=" not in server.text()
    assert posted.services.sessions.history(lin) == []


def test_a_link_ends_in_its_time_and_with_the_next_one(posted: Installation, server: MailServer) -> None:
    registration = posted.services.registration
    proofs = []
    for _ in range(2):
        registration.request("lin@school.local", client_address=CLIENT)
        deliver(posted)
        proofs.append(server.proof())
    with pytest.raises(NotFound):
        registration.address_of(proofs[0])
    assert registration.address_of(proofs[1])
    posted.pass_time(posted.settings.accounts.link_seconds)
    with pytest.raises(NotFound):
        registration.complete(proofs[1], PASSWORD)
    for wrong in ("", "x", proofs[1][:-1] + "é", "x" * 5000):
        with pytest.raises(NotFound):
            registration.address_of(wrong)


def test_nobody_has_anybody_flooded_with_letters(posted: Installation) -> None:
    limit = posted.settings.accounts.mails_per_address
    for number in range(limit):
        posted.services.regaining.request_reset("lin@school.local", client_address=f"192.0.2.{number}")
    for ask in (posted.services.regaining.request_reset, posted.services.registration.request):
        with pytest.raises(TooManyAttempts):
            ask("LIN@school.local", client_address="192.0.2.99")


@pytest.mark.parametrize("mode", ["invitation", "closed"])
def test_registration_can_be_for_the_invited_or_for_nobody(tmp_path: Path, mode: str) -> None:
    with installation(tmp_path / "home", accounts={"registration": mode}) as yunzhuo:
        registration, boss = yunzhuo.services.registration, yunzhuo.person("boss", Role.ADMINISTRATOR)
        for ask in (lambda: registration.register("a@x.test", PASSWORD), lambda: registration.request("a@x.test")):
            with pytest.raises(Forbidden):
                ask()
        if mode == "closed":
            with pytest.raises(Forbidden):
                registration.invite(boss, "a@x.test", Role.USER)
            return
        made = registration.invite(boss, "a@x.test", Role.ADMINISTRATOR)
        assert made.link is not None
        assert made.link.startswith("http://localhost:8080/welcome?proof=")
        proof = made.link.partition("proof=")[2]
        assert [each.email for each in registration.invitations(boss)] == ["a@x.test"]
        assert registration.invitations(boss)[0].link is None
        assert registration.complete(proof, PASSWORD).role is Role.ADMINISTRATOR
        assert registration.invitations(boss) == []
        with pytest.raises(Conflict):
            registration.invite(boss, "a@x.test", Role.USER)


def test_only_administrators_invite_and_withdraw(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    registration = yunzhuo.services.registration
    with pytest.raises(Forbidden):
        registration.invite(lin, "a@x.test", Role.ADMINISTRATOR)
    made = registration.invite(boss, "a@x.test", Role.USER)
    registration.withdraw(boss, made.id)
    with pytest.raises(NotFound):
        registration.withdraw(boss, made.id)
    with pytest.raises(NotFound):
        registration.complete((made.link or "").partition("proof=")[2], PASSWORD)


def test_a_reset_ends_everything_and_leaves_the_factors(posted: Installation, server: MailServer) -> None:
    lin = posted.person("lin")
    session = posted.services.sign_ins.sign_in(lin.email, PASSWORD, client_address=CLIENT)
    token = posted.services.tokens.create_with_password(lin.email, PASSWORD, client_address=CLIENT)
    regaining = posted.services.regaining
    regaining.request_reset(lin.email, client_address=CLIENT)
    deliver(posted)
    proof = server.proof()
    assert regaining.address_of(proof, Purpose.RESET) == lin.email
    with pytest.raises(NotFound):
        regaining.address_of(proof, Purpose.CHANGE_ADDRESS)
    with pytest.raises(NotFound):
        posted.services.registration.complete(proof, OTHER)
    regaining.reset(proof, OTHER, client_address=CLIENT)
    with pytest.raises(NotSignedIn):
        posted.services.sessions.user(session.secret)
    with pytest.raises(NotSignedIn):
        posted.services.tokens.user(token.secret)
    with pytest.raises(NotFound):
        regaining.reset(proof, PASSWORD)
    deliver(posted)
    assert "has changed" in server.letters[-1]["Subject"]
    assert posted.services.sign_ins.sign_in(lin.email, OTHER, client_address=CLIENT).user.id == lin.user_id


def test_who_is_disabled_gets_no_link_and_can_use_none(posted: Installation, server: MailServer) -> None:
    boss, lin = posted.person("boss", Role.ADMINISTRATOR), posted.person("lin")
    posted.services.regaining.request_reset(lin.email, client_address=CLIENT)
    deliver(posted)
    proof = server.proof()
    posted.services.people.disable(boss, lin.user_id)
    with pytest.raises(NotFound):
        posted.services.regaining.reset(proof, OTHER)
    before = len(server.letters)
    posted.services.regaining.request_reset(lin.email, client_address=CLIENT)
    deliver(posted)
    assert len(server.letters) == before


def test_another_address_is_confirmed_on_the_new_one_and_told_to_the_old_one(posted: Installation, server: MailServer) -> None:
    lin = posted.person("lin")
    regaining, proven = posted.services.regaining, posted.services.step_up.by_password(lin, PASSWORD)
    assert regaining.change_address(lin, proven, "lin@new.local") is False
    deliver(posted)
    assert server.recipients == ["lin@new.local"]
    assert posted.services.accounts.by_email("lin@school.local").id == lin.user_id
    assert regaining.confirm_address(server.proof()).email == "lin@new.local"
    deliver(posted)
    assert server.recipients[-1] == "lin@school.local"
    assert "lin@new.local" in server.text()
    assert posted.services.sign_ins.sign_in("lin@new.local", PASSWORD, client_address=CLIENT).user.id == lin.user_id
    with pytest.raises(NotSignedIn):
        posted.services.sign_ins.sign_in("lin@school.local", PASSWORD, client_address=CLIENT)


def test_an_address_that_was_taken_meanwhile_is_told(posted: Installation, server: MailServer) -> None:
    lin = posted.person("lin")
    proven = posted.services.step_up.by_password(lin, PASSWORD)
    posted.services.regaining.change_address(lin, proven, "mei@school.local")
    deliver(posted)
    posted.person("mei")
    with pytest.raises(Conflict):
        posted.services.regaining.confirm_address(server.proof())
    assert posted.services.accounts.by_email("lin@school.local").id == lin.user_id


def test_without_mail_everything_has_an_answer(yunzhuo: Installation, lin: Actor, mei: Actor) -> None:
    regaining, proven = yunzhuo.services.regaining, yunzhuo.services.step_up.by_password(lin, PASSWORD)
    assert not regaining.is_by_mail
    with pytest.raises(Conflict) as refusal:
        regaining.request_reset(lin.email)
    assert "administrator" in refusal.value.message
    with pytest.raises(Conflict):
        regaining.change_address(lin, proven, mei.email)
    with pytest.raises(InvalidInput):
        regaining.change_address(lin, proven, lin.email)
    with pytest.raises(Forbidden):
        regaining.change_address(mei, proven, "mei@new.local")
    assert regaining.change_address(lin, proven, "lin@new.local") is True
    assert yunzhuo.services.accounts.by_email("lin@new.local").id == lin.user_id
