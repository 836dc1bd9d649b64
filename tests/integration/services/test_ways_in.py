"""Sessions, tokens, guessing, and that who is disabled is out at once, everywhere."""

from pathlib import Path

import pytest
from tests.support.installation import PASSWORD, Installation, installation
from tests.support.mail_server import mail_server

from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, NotFound, NotSignedIn, TooManyAttempts
from yunzhuo.services.access import READ_ONLY, Actor, Role
from yunzhuo.services.rules.lifecycle import Action, State
from yunzhuo.services.sessions import Browser
from yunzhuo.services.tokens import TokenWish

CLIENT = "192.0.2.7"
FIREFOX = Browser("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")


def sign_in(yunzhuo: Installation, person: Actor, browser: Browser = FIREFOX, client: str = CLIENT) -> str:
    return yunzhuo.services.sign_ins.sign_in(person.email, PASSWORD, client_address=client, browser=browser).secret


def wrong(yunzhuo: Installation, email: str, client: str, browser: Browser = FIREFOX) -> None:
    with pytest.raises(NotSignedIn):
        yunzhuo.services.sign_ins.sign_in(email, "a guess", client_address=client, browser=browser)


def test_sessions_are_listed_and_ended(yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor) -> None:
    sessions = yunzhuo.services.sessions
    here, there = sign_in(yunzhuo, lin), sign_in(yunzhuo, lin, client="192.0.2.8")
    listed = sessions.list(lin, present=here)
    assert sorted((each.client_address, each.is_present) for each in listed) == [(CLIENT, True), ("192.0.2.8", False)]
    other = next(each.id for each in listed if not each.is_present)
    with pytest.raises(NotFound):
        sessions.end(mei, other)
    sessions.end(lin, other)
    with pytest.raises(NotSignedIn):
        sessions.user(there)
    there = sign_in(yunzhuo, lin)
    assert sessions.end_others(lin, present=here) == 1
    assert sessions.user(here).email == lin.email
    for method in (sessions.list_of, sessions.history_of, sessions.end_all_of):
        with pytest.raises(Forbidden):
            method(mei, lin.user_id)
    assert len(sessions.list_of(boss, lin.user_id)) == 1
    assert sessions.end_all_of(boss, lin.user_id) == 1
    with pytest.raises(NotSignedIn):
        sessions.user(here)


def test_a_remembered_browser_stays_longer(yunzhuo: Installation, lin: Actor) -> None:
    sign_ins, settings = yunzhuo.services.sign_ins, yunzhuo.settings.accounts
    granted = sign_ins.sign_in(lin.email, PASSWORD, client_address=CLIENT, remember=True)
    yunzhuo.pass_time(settings.session_seconds + 1)
    assert yunzhuo.services.sessions.user(granted.secret).id == lin.user_id
    yunzhuo.pass_time(settings.remembered_seconds)
    with pytest.raises(NotSignedIn):
        yunzhuo.services.sessions.user(granted.secret)


def test_an_idle_browser_is_signed_out_where_a_setting_says_so(tmp_path: Path) -> None:
    with installation(tmp_path / "home", accounts={"idle_seconds": 1800}) as strict:
        lin, sessions = strict.person("lin"), strict.services.sessions
        used, forgotten = sign_in(strict, lin), sign_in(strict, lin)
        kept = strict.services.sign_ins.sign_in(lin.email, PASSWORD, client_address=CLIENT, remember=True).secret
        for _ in range(3):
            strict.pass_time(1000)
            assert sessions.user(used).id == lin.user_id
        with pytest.raises(NotSignedIn):
            sessions.user(forgotten)
        assert sessions.users([used, forgotten, kept]).keys() == {used, kept}
        assert len(sessions.list(lin)) == 2


def test_the_history_tells_every_try(yunzhuo: Installation, lin: Actor) -> None:
    wrong(yunzhuo, lin.email, "198.51.100.1")
    sign_in(yunzhuo, lin)
    told = [(each.method, each.outcome, each.client_address) for each in yunzhuo.services.sessions.history(lin)]
    assert told == [("password", "done", CLIENT), ("password", "wrong_password", "198.51.100.1")]
    assert "Firefox" in (yunzhuo.services.sessions.history(lin)[0].user_agent or "")


def test_strangers_from_everywhere_do_not_keep_the_owner_out(yunzhuo: Installation, lin: Actor) -> None:
    sign_ins = yunzhuo.services.sign_ins
    known = Browser(None, sign_ins.marked("", lin.user_id))
    for number in range(yunzhuo.settings.accounts.attempts_per_account):
        wrong(yunzhuo, lin.email, f"198.51.100.{number}")
    with pytest.raises(TooManyAttempts):
        sign_in(yunzhuo, lin, client="198.51.100.200")
    assert sign_in(yunzhuo, lin, known)
    for forged in ("", known.marks[:-2] + "xx", sign_ins.marked("", "somebody else"), known.marks.replace("~", ".")):
        with pytest.raises(TooManyAttempts):
            sign_in(yunzhuo, lin, Browser(None, forged), client="198.51.100.201")


def test_one_address_in_many_spellings_is_one_account_to_guess_at(yunzhuo: Installation, lin: Actor) -> None:
    spellings = ["lin@school.local", " LIN@School.local", "lin@school\u3002local", "lin@\uff53chool.local"]
    for number in range(yunzhuo.settings.accounts.attempts_per_account):
        wrong(yunzhuo, spellings[number % len(spellings)], f"198.51.100.{number}")
    for spelling in spellings:
        with pytest.raises(TooManyAttempts):
            yunzhuo.services.sign_ins.sign_in(spelling, PASSWORD, client_address="198.51.100.99")


def test_a_taken_browser_guesses_no_more_than_strangers(yunzhuo: Installation, lin: Actor) -> None:
    known = Browser(None, yunzhuo.services.sign_ins.marked("", lin.user_id))
    for _ in range(yunzhuo.settings.accounts.attempts_per_account):
        wrong(yunzhuo, lin.email, CLIENT, known)
    with pytest.raises(TooManyAttempts):
        sign_in(yunzhuo, lin, known)


def test_a_browser_keeps_the_marks_of_five_people(yunzhuo: Installation) -> None:
    sign_ins, marks = yunzhuo.services.sign_ins, ""
    for number in range(7):
        marks = sign_ins.marked(marks, f"person {number}")
    assert sign_ins.marked(marks, "person 6") == marks
    assert sign_ins.marked(marks, "person 2") == marks
    assert sign_ins.marked(marks, "person 1") != marks
    assert len(marks.split(".")) == 5


def test_strangers_do_not_keep_somebody_who_is_in_from_choosing_another_password(yunzhuo: Installation, lin: Actor) -> None:
    for number in range(yunzhuo.settings.accounts.attempts_per_account):
        wrong(yunzhuo, lin.email, f"198.51.100.{number}")
    for _ in range(yunzhuo.settings.accounts.attempts_per_account - 1):
        with pytest.raises(InvalidInput):
            yunzhuo.services.accounts.change_password(lin, "a guess", "another long one")
    yunzhuo.services.accounts.change_password(lin, PASSWORD, "another long one")
    with pytest.raises(InvalidInput):
        yunzhuo.services.accounts.change_password(lin, PASSWORD, "a third long one")
    with pytest.raises(TooManyAttempts):
        yunzhuo.services.accounts.change_password(lin, "another long one", "a third long one")


def test_a_service_is_no_administrator_who_could_help(yunzhuo: Installation, boss: Actor) -> None:
    other = yunzhuo.person("other", Role.ADMINISTRATOR)
    yunzhuo.services.tokens.add_service(boss, "admin@services.local", Role.ADMINISTRATOR)
    yunzhuo.services.people.disable(boss, other.user_id)
    yunzhuo.services.people.enable(boss, other.user_id)
    yunzhuo.services.people.disable(other, boss.user_id)
    service = yunzhuo.services.accounts.by_email("admin@services.local")
    with pytest.raises(Conflict):
        yunzhuo.services.people.disable(service.actor(), other.user_id)


def test_guessing_is_reported_once_in_a_window(tmp_path: Path) -> None:
    limits = {"attempts_per_account": 5, "attempts_per_client": 4}
    with mail_server() as server:
        mail = {"host": "127.0.0.1", "port": server.port, "security": "none"}
        with installation(tmp_path / "home", accounts=limits, mail=mail) as yunzhuo:
            lin, organization_id = yunzhuo.person("lin"), yunzhuo.services.accounts.default_organization_id()
            assert yunzhuo.services.guesses.report(organization_id) == 0
            for number in range(5):
                wrong(yunzhuo, lin.email, f"198.51.100.{number}")
            for number in range(4):
                wrong(yunzhuo, f"p{number}@x.test", "203.0.113.9")
            assert yunzhuo.services.guesses.report(organization_id) == 2
            assert yunzhuo.services.guesses.report(organization_id) == 0
            for mail_id in yunzhuo.services.outbox.due():
                yunzhuo.services.outbox.send(mail_id)
            assert server.recipients == [lin.email]
            assert "5 wrong passwords" in server.text()
            yunzhuo.pass_time(yunzhuo.settings.accounts.attempts_window_seconds + 1)
            assert yunzhuo.services.guesses.report(organization_id) == 0


def test_a_token_may_what_it_was_made_for(yunzhuo: Installation, lin: Actor) -> None:
    tokens, desktops = yunzhuo.services.tokens, yunzhuo.services.desktops
    desktop_id = yunzhuo.available(lin)

    def actor(wish: TokenWish) -> Actor:
        return tokens.user(tokens.create(lin, wish).secret).actor()

    looking, stopping = actor(TokenWish("look", [READ_ONLY])), actor(TokenWish("stop", ["desktop:stop", "desktop:read"]))
    assert desktops.get(looking, desktop_id).id == desktop_id
    for method in (Action.STOP, Action.DELETE):
        with pytest.raises((Forbidden, NotFound)):
            desktops.act(looking, desktop_id, method)
    with pytest.raises((Forbidden, NotFound)):
        desktops.act(stopping, desktop_id, Action.DELETE)
    assert desktops.act(stopping, desktop_id, Action.STOP).operation.id
    for limited in (looking, stopping):
        for refused in (
            lambda limited=limited: yunzhuo.request(limited),
            lambda limited=limited: tokens.create(limited, TokenWish("more")),
            lambda limited=limited: yunzhuo.services.accounts.choose_language(limited, "en"),
            lambda limited=limited: yunzhuo.services.accounts.change_password(limited, PASSWORD, "another long one"),
            lambda limited=limited: yunzhuo.services.sessions.end_others(limited),
        ):
            with pytest.raises(Forbidden):
                refused()


def test_a_token_makes_none_that_may_more_or_lasts_longer(yunzhuo: Installation, lin: Actor) -> None:
    tokens = yunzhuo.services.tokens
    parent = tokens.create(lin, TokenWish("parent", ["token:create", READ_ONLY], 3600))
    limited = tokens.user(parent.secret).actor()
    with pytest.raises(Forbidden) as refusal:
        tokens.create(limited, TokenWish("child", ["desktop:stop"]), present=parent.secret)
    assert refusal.value.code == "broader_token"
    child = tokens.create(limited, TokenWish("child", ["desktop:read"], 7200), present=parent.secret)
    assert child.token.expires_at == parent.token.expires_at
    same = tokens.create(limited, TokenWish("same"), present=parent.secret)
    assert same.token.verbs == parent.token.verbs


@pytest.mark.parametrize("verbs", [["host:read"], ["desktop:fly"], [], [READ_ONLY, "user:delete"]])
def test_a_token_has_only_verbs_of_its_role(yunzhuo: Installation, lin: Actor, verbs: list[str]) -> None:
    with pytest.raises(InvalidInput):
        yunzhuo.services.tokens.create(lin, TokenWish("x", verbs))


@pytest.mark.parametrize("seconds", [0, -1, 367 * 86400, float("inf"), float("nan")])
def test_a_token_ends(yunzhuo: Installation, lin: Actor, seconds: float) -> None:
    with pytest.raises(InvalidInput):
        yunzhuo.services.tokens.create(lin, TokenWish("x", None, seconds))


def test_tokens_are_told_once_listed_and_revoked(yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor) -> None:
    tokens = yunzhuo.services.tokens
    made = tokens.create(lin, TokenWish("backup"))
    (listed,) = tokens.list(lin)
    assert (listed.name, listed.last_used_at) == ("backup", None)
    assert made.secret not in str(listed)
    tokens.user(made.secret, client_address=CLIENT)
    (listed,) = tokens.list_of(boss, lin.user_id)
    assert (listed.last_used_at, listed.last_used_from) == (yunzhuo.clock.now(), CLIENT)
    with pytest.raises(NotFound):
        tokens.revoke(mei, made.token.id)
    with pytest.raises(Forbidden):
        tokens.list_of(mei, lin.user_id)
    tokens.revoke(lin, made.token.id)
    with pytest.raises(NotSignedIn):
        tokens.user(made.secret)
    assert tokens.list(lin) == []


def test_a_service_account_has_tokens_and_no_password(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    tokens = yunzhuo.services.tokens
    service = tokens.add_service(boss, "backup@services.local", Role.USER)
    with pytest.raises(Forbidden):
        tokens.add_service(lin, "b@services.local", Role.ADMINISTRATOR)
    with pytest.raises(Conflict):
        tokens.add_service(boss, "backup@services.local", Role.USER)
    made = tokens.create_for(boss, service.id, TokenWish("nightly", [READ_ONLY]))
    assert tokens.user(made.secret).id == service.id
    with pytest.raises(Conflict):
        tokens.create_for(boss, lin.user_id, TokenWish("x"))
    for password in ("", PASSWORD):
        with pytest.raises(NotSignedIn):
            yunzhuo.services.sign_ins.sign_in(service.email, password, client_address=CLIENT)
    # A password that somebody gives it lets nobody in either.
    given = yunzhuo.services.people.reset_password(boss, service.id).one_time_password
    with pytest.raises(NotSignedIn):
        yunzhuo.services.sign_ins.sign_in(service.email, given or "", client_address=CLIENT)
    with pytest.raises(Conflict):
        yunzhuo.services.regaining.recover(service.email)


def test_what_the_disabled_asked_for_is_not_begun(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    running, stopped = yunzhuo.available(lin), yunzhuo.available(lin)
    asked = yunzhuo.request(lin)
    yunzhuo.services.desktops.rebuild(lin, stopped)
    deleted = yunzhuo.services.desktops.act(lin, running, Action.DELETE)
    yunzhuo.work()
    yunzhuo.services.people.disable(boss, lin.user_id)
    yunzhuo.run()
    desktops = yunzhuo.services.desktops
    made = desktops.operation(boss, asked.operation.id)
    assert made.error is not None
    assert made.error.code == "account_disabled"
    assert desktops.operation(boss, deleted.operation.id).error is None
    # A rebuild that was begun is finished: half a disk is nobody's wish.
    assert desktops.get(boss, stopped).state is State.AVAILABLE
    again = desktops.act(boss, asked.desktop.id, Action.CREATE)
    yunzhuo.run()
    assert desktops.operation(boss, again.operation.id).error is None


def test_the_machine_itself_is_a_way_in(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    session = sign_in(yunzhuo, lin)
    yunzhuo.services.people.disable(boss, lin.user_id)
    for number in range(yunzhuo.settings.accounts.attempts_per_account):
        wrong(yunzhuo, lin.email, f"198.51.100.{number}")
    person, password = yunzhuo.services.regaining.recover(lin.email)
    assert person.must_change_password
    with pytest.raises(NotSignedIn):
        yunzhuo.services.sessions.user(session)
    granted = yunzhuo.services.sign_ins.sign_in(lin.email, password, client_address=CLIENT)
    assert granted.user.must_change_password
    assert not granted.awaits_factor
