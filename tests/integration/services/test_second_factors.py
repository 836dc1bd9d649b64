"""A second factor: codes that count once, recovery codes, passkeys, and who may change them."""

import json
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.authenticator import Authenticator, decoded, encoded
from tests.support.installation import PASSWORD, Installation, installation

from yunzhuo.phoenix.common.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    NotOffered,
    NotSignedIn,
    TooManyAttempts,
)
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.accounts import Granted
from yunzhuo.services.step_up import Proven

pytestmark = pytest.mark.slow

CLIENT = "192.0.2.7"


def proven(yunzhuo: Installation, person: Actor) -> Proven:
    return yunzhuo.services.step_up.by_password(person, PASSWORD)


def code_of(yunzhuo: Installation, app: pyotp.TOTP, steps: int = 0) -> str:
    return str(app.at(yunzhuo.clock.now() + timedelta(seconds=30 * steps)))


def with_app(yunzhuo: Installation, person: Actor) -> tuple[pyotp.TOTP, list[str]]:
    """An authenticator app of this person's, and their recovery codes; its present code is spent."""
    proof = proven(yunzhuo, person)
    app = pyotp.TOTP(yunzhuo.services.factors.offer_totp(person, proof).secret)
    codes = yunzhuo.services.factors.confirm_totp(person, proof, code_of(yunzhuo, app))
    yunzhuo.pass_time(60)
    return app, list(codes)


def with_passkey(yunzhuo: Installation, person: Actor, device: Authenticator | None = None) -> Authenticator:
    device = device or Authenticator()
    proof = proven(yunzhuo, person)
    options = yunzhuo.services.passkeys.offer_registration(person, proof)
    yunzhuo.services.passkeys.register(person, proof, "My phone", device.create(options))
    return device


def halfway(yunzhuo: Installation, person: Actor) -> Granted:
    granted = yunzhuo.services.sign_ins.sign_in(person.email, PASSWORD, client_address=CLIENT)
    assert granted.awaits_factor
    return granted


def finish(yunzhuo: Installation, granted: Granted, code: str) -> Granted:
    return yunzhuo.services.sign_ins.finish_with_code(granted.secret, code, client_address=CLIENT)


def test_a_password_alone_is_half_a_sign_in(yunzhuo: Installation, lin: Actor) -> None:
    app, _ = with_app(yunzhuo, lin)
    half = halfway(yunzhuo, lin)
    with pytest.raises(NotSignedIn):
        yunzhuo.services.sessions.user(half.secret)
    with pytest.raises(InvalidInput):
        finish(yunzhuo, half, "000000")
    whole = finish(yunzhuo, half, code_of(yunzhuo, app))
    assert whole.secret != half.secret
    assert yunzhuo.services.sessions.user(whole.secret).has_second_factor
    with pytest.raises(NotSignedIn):
        yunzhuo.services.sessions.user(half.secret)
    with pytest.raises(NotSignedIn):
        finish(yunzhuo, half, code_of(yunzhuo, app, 1))


def test_no_code_counts_twice_and_none_from_before(yunzhuo: Installation, lin: Actor) -> None:
    app, _ = with_app(yunzhuo, lin)
    early, now = code_of(yunzhuo, app, -1), code_of(yunzhuo, app)
    first, second = halfway(yunzhuo, lin), halfway(yunzhuo, lin)
    finish(yunzhuo, first, now)
    for used in (now, early):
        with pytest.raises(InvalidInput):
            finish(yunzhuo, second, used)
    for late in (code_of(yunzhuo, app, -3), code_of(yunzhuo, app, 3)):
        with pytest.raises(InvalidInput):
            finish(yunzhuo, second, late)
    assert finish(yunzhuo, second, f" {code_of(yunzhuo, app, 1)[:3]} {code_of(yunzhuo, app, 1)[3:]}").secret


def test_the_code_that_confirmed_the_app_is_spent(yunzhuo: Installation, lin: Actor) -> None:
    proof = proven(yunzhuo, lin)
    app = pyotp.TOTP(yunzhuo.services.factors.offer_totp(lin, proof).secret)
    with pytest.raises(InvalidInput):
        yunzhuo.services.factors.confirm_totp(lin, proof, "12345é")
    assert not yunzhuo.services.accounts.by_email(lin.email).has_second_factor
    code = code_of(yunzhuo, app)
    assert len(set(yunzhuo.services.factors.confirm_totp(lin, proof, code))) == 10
    with pytest.raises(InvalidInput):
        finish(yunzhuo, halfway(yunzhuo, lin), code)
    with pytest.raises(Conflict):
        yunzhuo.services.factors.offer_totp(lin, proof)
    with pytest.raises(Conflict):
        yunzhuo.services.factors.confirm_totp(lin, proof, code)


def test_a_recovery_code_counts_once(yunzhuo: Installation, lin: Actor, mei: Actor) -> None:
    _, codes = with_app(yunzhuo, lin)
    _, foreign = with_app(yunzhuo, mei)
    assert finish(yunzhuo, halfway(yunzhuo, lin), codes[0].upper().replace("-", " ")).secret
    assert yunzhuo.services.factors.of(lin).recovery_codes_left == 9
    for wrong in (codes[0], foreign[0], ""):
        with pytest.raises(InvalidInput):
            finish(yunzhuo, halfway(yunzhuo, lin), wrong)
    fresh = yunzhuo.services.factors.new_recovery_codes(lin, proven(yunzhuo, lin))
    with pytest.raises(InvalidInput):
        finish(yunzhuo, halfway(yunzhuo, lin), codes[1])
    assert finish(yunzhuo, halfway(yunzhuo, lin), fresh[0]).secret


def test_guessing_a_code_ends_the_sign_in_and_is_slowed(yunzhuo: Installation, lin: Actor) -> None:
    app, _ = with_app(yunzhuo, lin)
    for _ in range(2):
        half = halfway(yunzhuo, lin)
        for _ in range(5):
            with pytest.raises(InvalidInput):
                finish(yunzhuo, half, "000000")
        with pytest.raises(NotSignedIn):
            finish(yunzhuo, half, code_of(yunzhuo, app))
    with pytest.raises(TooManyAttempts):
        finish(yunzhuo, halfway(yunzhuo, lin), code_of(yunzhuo, app))
    outcomes = [each.outcome for each in yunzhuo.services.sessions.history(lin)]
    assert outcomes.count("wrong_factor") == 10


def test_half_a_sign_in_is_over_in_ten_minutes(yunzhuo: Installation, lin: Actor) -> None:
    app, _ = with_app(yunzhuo, lin)
    half = halfway(yunzhuo, lin)
    yunzhuo.pass_time(600)
    with pytest.raises(NotSignedIn):
        finish(yunzhuo, half, code_of(yunzhuo, app))


def test_what_proves_somebody_is_not_changed_without_their_password(yunzhuo: Installation, lin: Actor, mei: Actor) -> None:
    session = yunzhuo.services.sign_ins.sign_in(lin.email, PASSWORD, client_address=CLIENT)
    step_up = yunzhuo.services.step_up
    with pytest.raises(Forbidden) as refusal:
        step_up.of_session(lin, session.secret)
    assert refusal.value.code == "password_needed"
    with pytest.raises(InvalidInput):
        step_up.for_session(lin, "wrong password", session.secret)
    secret = step_up.for_session(lin, PASSWORD, session.secret)
    assert step_up.of_session(lin, secret).user_id == lin.user_id
    for somebody, theirs in ((mei, secret), (lin, session.secret)):
        with pytest.raises(Forbidden):
            step_up.of_session(somebody, theirs)
    with pytest.raises(NotSignedIn):
        step_up.for_session(lin, PASSWORD, session.secret)
    yunzhuo.pass_time(yunzhuo.settings.accounts.step_up_seconds)
    with pytest.raises(Forbidden):
        step_up.of_session(lin, secret)
    foreign = proven(yunzhuo, mei)
    for change in (
        lambda: yunzhuo.services.factors.offer_totp(lin, foreign),
        lambda: yunzhuo.services.factors.remove_totp(lin, foreign),
        lambda: yunzhuo.services.factors.new_recovery_codes(lin, foreign),
        lambda: yunzhuo.services.passkeys.offer_registration(lin, foreign),
        lambda: yunzhuo.services.passkeys.remove(lin, foreign, "x"),
    ):
        with pytest.raises(Forbidden):
            change()


def test_the_secret_of_an_app_is_not_readable_in_the_database(yunzhuo: Installation, lin: Actor) -> None:
    app, codes = with_app(yunzhuo, lin)
    kept = yunzhuo.everything_stored()
    assert lin.email in kept
    assert app.secret not in kept
    assert codes[0].replace("-", "") not in kept


def test_an_administrator_takes_lost_factors_away(yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor) -> None:
    with_app(yunzhuo, lin)
    with_passkey(yunzhuo, lin)
    half = halfway(yunzhuo, lin)
    with pytest.raises(Forbidden):
        yunzhuo.services.factors.reset(mei, lin.user_id)
    yunzhuo.services.factors.reset(boss, lin.user_id)
    with pytest.raises(NotSignedIn):
        finish(yunzhuo, half, "000000")
    assert not yunzhuo.services.sign_ins.sign_in(lin.email, PASSWORD, client_address=CLIENT).awaits_factor
    assert yunzhuo.services.passkeys.list(lin) == []
    with pytest.raises(Conflict):
        yunzhuo.services.factors.reset(boss, boss.user_id)


def test_a_token_needs_the_factor_too(yunzhuo: Installation, lin: Actor) -> None:
    app, _ = with_app(yunzhuo, lin)
    tokens = yunzhuo.services.tokens
    with pytest.raises(Forbidden) as refusal:
        tokens.create_with_password(lin.email, PASSWORD, client_address=CLIENT)
    assert refusal.value.code == "code_needed"
    with pytest.raises(NotSignedIn):
        tokens.create_with_password(lin.email, PASSWORD, client_address=CLIENT, code="000000")
    code = code_of(yunzhuo, app)
    assert tokens.create_with_password(lin.email, PASSWORD, client_address=CLIENT, code=code).secret
    with pytest.raises(NotSignedIn):
        tokens.create_with_password(lin.email, PASSWORD, client_address=CLIENT, code=code)


def test_administrators_can_be_made_to_have_one(tmp_path: Path) -> None:
    with installation(tmp_path / "home", accounts={"second_factor": "administrators"}) as yunzhuo:
        boss, lin = yunzhuo.person("boss", Role.ADMINISTRATOR), yunzhuo.person("lin")
        sign_ins, tokens = yunzhuo.services.sign_ins, yunzhuo.services.tokens
        session = sign_ins.sign_in(boss.email, PASSWORD, client_address=CLIENT)
        assert yunzhuo.services.sessions.user(session.secret).must_enroll
        assert not sign_ins.sign_in(lin.email, PASSWORD, client_address=CLIENT).user.must_enroll
        with pytest.raises(Forbidden) as refusal:
            tokens.create_with_password(boss.email, PASSWORD, client_address=CLIENT)
        assert refusal.value.code == "second_factor_required"
        old = tokens.create_with_password(lin.email, PASSWORD, client_address=CLIENT)
        yunzhuo.services.people.change_role(boss, lin.user_id, Role.ADMINISTRATOR)
        with pytest.raises(Forbidden):
            tokens.user(old.secret)
        with_app(yunzhuo, boss)
        assert not yunzhuo.services.sessions.user(session.secret).must_enroll


def test_a_passkey_is_a_second_factor_or_all_that_is_needed(yunzhuo: Installation, lin: Actor) -> None:
    device = with_passkey(yunzhuo, lin)
    sign_ins = yunzhuo.services.sign_ins
    half = halfway(yunzhuo, lin)
    options = sign_ins.offer_passkey(half.secret)
    assert [each["id"] for each in json.loads(options)["allowCredentials"]] == [encoded(device.credential_id)]
    whole = sign_ins.finish_with_passkey(half.secret, device.get(options), client_address=CLIENT)
    assert yunzhuo.services.sessions.user(whole.secret).id == lin.user_id
    options = sign_ins.offer_passkey()
    assert json.loads(options)["allowCredentials"] == []
    signed = device.get(options)
    alone = sign_ins.sign_in_with_passkey(signed, client_address=CLIENT)
    assert yunzhuo.services.sessions.user(alone.secret).id == lin.user_id
    with pytest.raises(InvalidInput):
        sign_ins.sign_in_with_passkey(signed, client_address=CLIENT)
    assert yunzhuo.services.passkeys.list(lin)[0].last_used_at is not None


def test_what_is_wrong_with_a_passkey_is_refused(yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor) -> None:
    device, sign_ins = with_passkey(yunzhuo, lin), yunzhuo.services.sign_ins
    foreign = with_passkey(yunzhuo, mei, Authenticator(credential_id=b"another passkey"))

    def refused(answer: str) -> None:
        with pytest.raises(InvalidInput) as refusal:
            sign_ins.sign_in_with_passkey(answer, client_address=CLIENT)
        assert refusal.value.code == "passkey_refused"

    device.origin = "http://localhost.evil.example:8080"
    refused(device.get(sign_ins.offer_passkey()))
    device.origin = "http://localhost:8080"
    device.verifies = False
    refused(device.get(sign_ins.offer_passkey()))
    device.verifies = True
    late = sign_ins.offer_passkey()
    yunzhuo.pass_time(300)
    refused(device.get(late))
    assert sign_ins.sign_in_with_passkey(device.get(sign_ins.offer_passkey()), client_address=CLIENT).secret
    device.count -= 1  # a copy of the key does not know how often it was used
    refused(device.get(sign_ins.offer_passkey()))
    device.count += 5
    half = halfway(yunzhuo, lin)
    answer = foreign.get(sign_ins.offer_passkey(half.secret))
    with pytest.raises(InvalidInput):
        sign_ins.finish_with_passkey(half.secret, answer, client_address=CLIENT)
    yunzhuo.services.people.disable(boss, lin.user_id)
    with pytest.raises(NotSignedIn):
        sign_ins.sign_in_with_passkey(device.get(sign_ins.offer_passkey()), client_address=CLIENT)


def test_the_last_factor_takes_the_recovery_codes_with_it(yunzhuo: Installation, lin: Actor, mei: Actor) -> None:
    with_app(yunzhuo, lin)
    with_passkey(yunzhuo, lin)
    passkeys, factors, proof = yunzhuo.services.passkeys, yunzhuo.services.factors, proven(yunzhuo, lin)
    (passkey,) = passkeys.list(lin)
    with pytest.raises(NotFound):
        passkeys.remove(mei, proven(yunzhuo, mei), passkey.id)
    passkeys.remove(lin, proof, passkey.id)
    assert factors.of(lin).recovery_codes_left == 10
    factors.remove_totp(lin, proof)
    factors.remove_totp(lin, proof)
    assert factors.of(lin).recovery_codes_left == 0
    assert not yunzhuo.services.sign_ins.sign_in(lin.email, PASSWORD, client_address=CLIENT).awaits_factor
    with pytest.raises(Conflict):
        factors.new_recovery_codes(lin, proof)


@pytest.mark.parametrize(("url", "offered"), [("https://desk.school.local", True), ("http://desk.school.local", False)])
def test_passkeys_are_for_names_over_https(tmp_path: Path, url: str, offered: bool) -> None:
    with installation(tmp_path / "home", web={"public_url": url}) as yunzhuo:
        assert yunzhuo.services.passkeys.is_offered is offered
        if not offered:
            with pytest.raises(NotOffered):
                yunzhuo.services.sign_ins.offer_passkey()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_bytes_break_the_reading_of_a_passkey(yunzhuo: Installation, lin: Actor, data: st.DataObject) -> None:
    """Whatever a browser sends for a challenge that is ours: a refusal, never a failure."""
    proof, device = proven(yunzhuo, lin), Authenticator()
    options = yunzhuo.services.passkeys.offer_registration(lin, proof)
    answer = json.loads(device.create(options))
    raw = bytearray(decoded(answer["response"]["attestationObject"]))
    kind = data.draw(st.sampled_from(["bytes", "cut", "field", "text"]))
    if kind == "bytes":
        # Behind the nonces, so that what is changed is looked at.
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
        answer["response"]["attestationObject"] = encoded(bytes(raw))
    elif kind == "cut":
        answer["response"]["attestationObject"] = encoded(bytes(raw[: data.draw(st.integers(0, len(raw) - 1))]))
    elif kind == "field":
        junk = st.none() | st.integers() | st.text(max_size=20) | st.lists(st.integers(), max_size=3)
        answer["response"][data.draw(st.sampled_from(["attestationObject", "clientDataJSON"]))] = data.draw(junk)
    sent = data.draw(st.text(max_size=50)) if kind == "text" else json.dumps(answer)
    try:
        made = yunzhuo.services.passkeys.register(lin, proof, "x", sent)
    except (InvalidInput, Conflict):
        return
    yunzhuo.services.passkeys.remove(lin, proof, made.passkey.id)  # a changed flag or count that means nothing is no harm
