"""Sessions that were fixed, replayed, stolen or made up."""

from collections.abc import Callable

import pytest
from flask import Flask

from tests.support.api import SECRET_KEY, Api
from tests.support.installation import PASSWORD, Installation
from tests.support.pages import Visitor, signed_in
from yunzhuo.services.access import Actor
from yunzhuo.webkit import cookies

pytestmark = pytest.mark.slow

OTHER = "another long one"
End = Callable[[Installation, Actor, Actor], object]
ENDS: dict[str, End] = {
    "the password was changed": lambda y, lin, boss: y.services.accounts.change_password(lin, PASSWORD, OTHER),
    "it was reset": lambda y, lin, boss: y.services.people.reset_password(boss, lin.user_id),
    "the account was disabled": lambda y, lin, boss: y.services.people.disable(boss, lin.user_id),
    "signed out everywhere": lambda y, lin, boss: y.services.sessions.end_all_of(boss, lin.user_id),
    "the account was deleted": lambda y, lin, boss: y.services.people.delete(boss, lin.user_id),
}


def cookie_of(visitor: Visitor) -> str:
    cookie = visitor.client.get_cookie(cookies.COOKIE_NAME)
    assert cookie is not None
    return cookie.value


def with_cookie(app: Flask, value: str) -> Visitor:
    """A thief's browser with this cookie."""
    thief = Visitor(app.test_client())
    thief.client.set_cookie(cookies.COOKIE_NAME, value)
    return thief


def is_in(visitor: Visitor) -> bool:
    return visitor.client.get("/profile").status_code == 200


def test_a_session_that_was_planted_stays_outside(app: Flask, lin: Actor) -> None:
    """Fixation: the attacker's own cookie, from before, is put into the victim's browser."""
    attacker = Visitor(app.test_client())
    attacker.get("/sign-in")
    planted = cookie_of(attacker)
    victim = with_cookie(app, planted)
    victim.sign_in(lin.email, PASSWORD)
    assert is_in(victim)
    assert cookie_of(victim) != planted
    assert not is_in(attacker)
    assert not is_in(with_cookie(app, planted))


def test_an_attackers_own_session_is_not_gone_on_with(app: Flask, lin: Actor, boss: Actor) -> None:
    """Fixation with a session that counts: who signs in over it gets one of their own."""
    attacker = signed_in(app, boss)
    planted = cookie_of(attacker)
    victim = with_cookie(app, planted)
    victim.client.get("/sign-in")
    victim.send("/profile", victim.get("/profile").form("/sign-out"))
    victim.sign_in(lin.email, PASSWORD)
    assert lin.email in victim.get("/profile").html
    assert not is_in(with_cookie(app, planted))


@pytest.mark.parametrize("why", ENDS)
def test_what_was_stolen_is_worthless_once(app: Flask, yunzhuo: Installation, lin: Actor, boss: Actor, why: str) -> None:
    """A copied cookie and a copied token, replayed after their owner's session ended in one of these ways."""
    thief = with_cookie(app, cookie_of(signed_in(app, lin)))
    token = yunzhuo.services.tokens.create_with_password(lin.email, PASSWORD, client_address="192.0.2.7").secret
    program = Api(app.test_client(), token)
    assert is_in(thief)
    assert program.get("/users/me").status_code == 200
    ENDS[why](yunzhuo, lin, boss)
    assert not is_in(thief)
    assert program.get("/users/me").status_code == 401


def test_a_cookie_from_before_signing_out_is_worthless(app: Flask, visitor: Visitor) -> None:
    stolen = cookie_of(visitor)
    visitor.send("/profile", visitor.get("/profile").form("/sign-out"))
    assert not is_in(with_cookie(app, stolen))


def test_whoever_has_only_the_cookie_takes_nothing_over(app: Flask, visitor: Visitor, lin: Actor) -> None:
    """Neither password nor address nor factors, nor a token, which would outlive the session."""
    thief = with_cookie(app, cookie_of(visitor))
    guess = thief.fill_in("/password", present="a guess at it", chosen=OTHER, repeated=OTHER)
    assert guess.status_code == 422
    for path in ("/security/address", "/security/totp", "/security/passkeys", "/security/tokens"):
        answer = thief.client.get(path)
        assert answer.headers.get("Location", "").startswith("/security/password?next="), path
    assert is_in(signed_in(app, lin))


def test_giving_the_password_again_leaves_a_copied_cookie_behind(app: Flask, visitor: Visitor) -> None:
    """What the owner proves does not rub off on whoever has a copy of the cookie."""
    stolen = cookie_of(visitor)
    assert visitor.fill_in("/security/password", password=PASSWORD).status_code == 303
    assert is_in(visitor)
    assert not is_in(with_cookie(app, stolen))


def test_another_password_leaves_a_copied_cookie_behind(app: Flask, visitor: Visitor) -> None:
    stolen = cookie_of(visitor)
    changed = visitor.fill_in("/password", present=PASSWORD, chosen=OTHER, repeated=OTHER)
    assert changed.status_code == 303
    assert is_in(visitor)
    assert not is_in(with_cookie(app, stolen))


def test_half_a_sign_in_is_no_session(app: Flask, yunzhuo: Installation, lin: Actor, visitor: Visitor) -> None:
    """What awaits a second factor, put where a session stands; only our own key could even try it."""
    with yunzhuo.connection() as connection:
        connection.exec_driver_sql(f"UPDATE auth_sessions SET awaits_factor = 1 WHERE user_id = '{lin.user_id}'")
    assert not is_in(visitor)


@pytest.mark.parametrize("key", ["", "a guess", SECRET_KEY[:-1]])
def test_a_cookie_signed_by_somebody_else_is_none(app: Flask, visitor: Visitor, key: str) -> None:
    secret = cookies.session_secret(SECRET_KEY, cookie_of(visitor))
    forged = cookies.serializer(key).dumps({cookies.SECRET_FIELD: secret})
    assert not is_in(with_cookie(app, str(forged)))
    payload = cookie_of(visitor).partition(".")[0]
    for value in (payload, f"{payload}.", f"{payload}..", f"{payload}.{'A' * 6}.{'A' * 43}"):
        assert not is_in(with_cookie(app, value))


def test_a_stolen_database_lets_nobody_in(app: Flask, yunzhuo: Installation, visitor: Visitor, lin: Actor) -> None:
    """It holds no secret of a session or a token, and what it holds instead is none."""
    session = cookies.session_secret(SECRET_KEY, cookie_of(visitor))
    token = yunzhuo.services.tokens.create_with_password(lin.email, PASSWORD, client_address="192.0.2.7").secret
    stored = yunzhuo.everything_stored()
    assert session
    assert session not in stored
    assert token not in stored
    assert token.removeprefix("yz_") not in stored
    with yunzhuo.connection() as connection:
        digests = connection.exec_driver_sql(
            f"SELECT secret_digest FROM auth_sessions WHERE user_id = '{lin.user_id}'"
        ).scalars()
        for digest in digests.all():
            assert Api(app.test_client(), f"yz_{digest}").get("/users/me").status_code == 401
            assert not is_in(with_cookie(app, str(cookies.serializer(SECRET_KEY).dumps({cookies.SECRET_FIELD: digest}))))
