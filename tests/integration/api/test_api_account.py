"""One's own account, and the ways in of others, as programs ask for them."""

import json

import pyotp
import pytest
from tests.support.api import Api, known, problem
from tests.support.authenticator import Authenticator
from tests.support.installation import PASSWORD, Installation

pytestmark = pytest.mark.slow

AGAIN = {"password": PASSWORD}


def test_an_authenticator_app_is_set_up_and_asked_for(yunzhuo: Installation, lin: Api, anonymous: Api) -> None:
    problem(lin.post("/users/me/factors/totp", json={"password": "wrong"}), 422, "invalid_input")
    secret = lin.post("/users/me/factors/totp", json=AGAIN).get_json()["secret"]
    app = pyotp.TOTP(secret)
    wrong = problem(lin.post("/users/me/factors/totp/confirmation", json={**AGAIN, "code": "0"}), 422, "invalid_input")
    assert set(wrong["errors"]) == {"code"}
    code = app.at(yunzhuo.clock.now())
    codes = lin.post("/users/me/factors/totp/confirmation", json={**AGAIN, "code": code}).get_json()["recovery_codes"]
    assert len(codes) == 10
    assert lin.get("/users/me/factors").get_json()["recovery_codes_left"] == 10
    who = {"email": "lin@school.local", "password": PASSWORD}
    problem(anonymous.post("/tokens", json=who), 403, "code_needed")
    problem(anonymous.post("/tokens", json={**who, "code": code}), 401, "wrong_code")
    assert anonymous.post("/tokens", json={**who, "code": codes[0]}).status_code == 201
    assert len(lin.post("/users/me/factors/recovery-codes", json=AGAIN).get_json()["recovery_codes"]) == 10
    assert lin.post("/users/me/factors/totp/removal", json=AGAIN).status_code == 204
    problem(lin.post("/users/me/factors/recovery-codes", json=AGAIN), 409, "no_second_factor")


def test_a_passkey_is_made_and_removed(yunzhuo: Installation, lin: Api, mei: Api) -> None:
    options = lin.post("/users/me/passkeys/options", json=AGAIN).get_json()["public_key"]
    credential = json.loads(Authenticator().create(json.dumps(options)))
    wish = {**AGAIN, "name": "My phone", "credential": credential}
    problem(mei.post("/users/me/passkeys", json=wish), 422, "passkey_refused")
    made = lin.post("/users/me/passkeys", json=wish)
    assert made.status_code == 201, made.text
    passkey = made.get_json()["passkey"]
    assert lin.get("/users/me/passkeys").get_json()["items"] == [passkey]
    problem(mei.post(f"/users/me/passkeys/{passkey['id']}/removal", json=AGAIN), 404, "passkey_not_found")
    assert lin.post(f"/users/me/passkeys/{passkey['id']}/removal", json=AGAIN).status_code == 204


def test_tokens_make_narrower_ones_and_are_revoked(yunzhuo: Installation, lin: Api, mei: Api) -> None:
    problem(lin.post("/tokens", json={}), 422, "invalid_input")
    problem(lin.post("/tokens", json={"name": "x", "verbs": ["host:read"]}), 422, "invalid_input")
    made = lin.post("/tokens", json={"name": "watch", "read_only": True, "expires_in_seconds": 3600}).get_json()
    watch = Api(lin.client, made["token"])
    assert watch.get("/desktops").status_code == 200
    problem(watch.post("/desktops", json=lin.wish()), 403, "forbidden")
    problem(watch.post("/tokens", json={"name": "x"}), 403, "forbidden")
    problem(watch.patch("/users/me", json={"language": "en"}), 403, "forbidden")
    listed = {each["name"]: each for each in lin.get("/tokens").get_json()["items"]}
    assert listed["watch"]["verbs"] == ["*:read"]
    assert listed["watch"]["last_used_at"] is not None
    problem(mei.delete(f"/tokens/{made['id']}"), 404, "token_not_found")
    assert lin.delete(f"/tokens/{made['id']}").status_code == 204
    problem(watch.get("/desktops"), 401, "not_signed_in")


def test_password_address_and_sessions(yunzhuo: Installation, lin: Api, anonymous: Api) -> None:
    person = known(yunzhuo, "lin")
    yunzhuo.services.sign_ins.sign_in(person.email, PASSWORD, client_address="192.0.2.9")
    (session,) = lin.get("/users/me/sessions").get_json()["items"]
    assert session["client_address"] == "192.0.2.9"
    assert lin.delete(f"/users/me/sessions/{session['id']}").status_code == 204
    problem(lin.delete(f"/users/me/sessions/{session['id']}"), 404, "session_not_found")
    assert lin.delete("/users/me/sessions").status_code == 204
    assert lin.get("/users/me/sign-ins").get_json()["items"][0]["method"] == "password"
    assert lin.post("/users/me/address", json={**AGAIN, "email": "lin@new.local"}).get_json() == {"changed": True}
    chosen = "another long one"
    problem(lin.post("/users/me/password", json={"present": "wrong", "chosen": chosen}), 422, "invalid_input")
    assert lin.post("/users/me/password", json={"present": PASSWORD, "chosen": chosen}).status_code == 204
    problem(lin.get("/users/me"), 401, "not_signed_in")
    assert anonymous.post("/tokens", json={"email": "lin@new.local", "password": chosen}).status_code == 201


def test_administrators_run_the_ways_in(yunzhuo: Installation, boss: Api, lin: Api, mei: Api, anonymous: Api) -> None:
    person = known(yunzhuo, "lin")
    path = f"/users/{person.user_id}"
    for method, ending in (("GET", "sessions"), ("GET", "sign-ins"), ("GET", "tokens"), ("DELETE", "factors")):
        problem(mei.ask(method, f"{path}/{ending}"), 403, "forbidden")
    yunzhuo.services.sign_ins.sign_in(person.email, PASSWORD, client_address="192.0.2.9")
    (session,) = boss.get(f"{path}/sessions").get_json()["items"]
    assert boss.delete(f"{path}/sessions/{session['id']}").status_code == 204
    assert boss.delete(f"{path}/factors").status_code == 204
    problem(lin.get("/users/me"), 401, "not_signed_in")
    made = boss.post("/invitations", json={"email": "wang@school.local"}).get_json()
    assert [each["email"] for each in boss.get("/invitations").get_json()["items"]] == ["wang@school.local"]
    proof = made["link"].partition("proof=")[2]
    done = anonymous.post("/registrations/completion", json={"proof": proof, "password": PASSWORD})
    assert (done.status_code, done.get_json()["email"]) == (201, "wang@school.local")
    problem(anonymous.post("/registrations/completion", json={"proof": proof, "password": PASSWORD}), 404, "link_not_valid")
    other = boss.post("/invitations", json={"email": "zhao@school.local"}).get_json()
    assert boss.delete(f"/invitations/{other['id']}").status_code == 204
    service = boss.post("/service-accounts", json={"email": "backup@services.local"}).get_json()
    assert service["service"] is True
    token = boss.post(f"/users/{service['id']}/tokens", json={"name": "nightly", "read_only": True}).get_json()
    assert Api(lin.client, token["token"]).get("/users/me").get_json()["id"] == service["id"]
    problem(boss.post(f"{path}/tokens", json={"name": "x"}), 409, "not_a_service")
    assert len(boss.get(f"/users/{service['id']}/tokens").get_json()["items"]) == 1
    assert boss.delete(f"/users/{service['id']}/tokens/{token['id']}").status_code == 204
    problem(Api(lin.client, token["token"]).get("/users/me"), 401, "not_signed_in")


def test_whoever_is_outside_gets_in_as_the_settings_say(anonymous: Api) -> None:
    problem(anonymous.post("/registrations", json={"email": "new@school.local"}), 422, "invalid_input")
    done = anonymous.post("/registrations", json={"email": "new@school.local", "password": PASSWORD})
    assert (done.status_code, done.get_json()) == (202, {"by_mail": False})
    assert anonymous.post("/tokens", json={"email": "new@school.local", "password": PASSWORD}).status_code == 201
    problem(anonymous.post("/password-resets", json={"email": "new@school.local"}), 409, "no_mail")
    for path, body in (
        ("/password-resets/completion", {"proof": "x", "password": PASSWORD}),
        ("/address-confirmations", {"proof": "x"}),
    ):
        problem(anonymous.post(path, json=body), 404, "link_not_valid")
