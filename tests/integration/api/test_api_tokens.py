"""Tokens: what is shown instead of a password."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from tests.support.api import SECRET_KEY, Api, Template, known, problem
from tests.support.installation import PASSWORD, Installation, installation

from yunzhuo.services.access import Role
from yunzhuo.web.app import create_app


def test_a_token_says_who_is_asking(yunzhuo: Installation, anonymous: Api) -> None:
    person = known(yunzhuo, "lin")
    answer = anonymous.post("/tokens", json={"email": " LIN@school.local ", "password": PASSWORD})
    assert answer.status_code == 201
    token = answer.get_json()
    assert set(token) == {"id", "token", "expires_at"}
    assert token["expires_at"] == "2026-04-01T08:00:00Z"
    me = Api(anonymous.client, token["token"]).get("/users/me")
    assert me.status_code == 200
    assert me.get_json() == {
        "id": person.user_id,
        "email": "lin@school.local",
        "role": "user",
        "language": None,
        "time_zone": None,
        "disabled": False,
        "second_factor": False,
        "service": False,
        "created_at": "2026-03-02T08:00:00Z",
    }


def test_a_revoked_token_is_worthless(lin: Api) -> None:
    answer = lin.delete("/tokens/current")
    assert (answer.status_code, answer.data) == (204, b"")
    problem(lin.get("/users/me"), 401, "not_signed_in")
    problem(lin.delete("/tokens/current"), 401, "not_signed_in")


def test_a_token_ends_in_its_time(yunzhuo: Installation, lin: Api) -> None:
    yunzhuo.clock.set(yunzhuo.clock.now() + timedelta(days=30))
    problem(lin.get("/users/me"), 401, "not_signed_in")


def test_a_wrong_password_and_an_unknown_address_are_told_alike(anonymous: Api) -> None:
    wrong = problem(
        anonymous.post("/tokens", json={"email": "lin@school.local", "password": "wrong"}), 401, "wrong_credentials"
    )
    unknown = problem(
        anonymous.post("/tokens", json={"email": "nobody@school.local", "password": "wrong"}), 401, "wrong_credentials"
    )
    assert {**wrong, "request_id": ""} == {**unknown, "request_id": ""}


def test_guessing_is_stopped_and_told_when_to_come_back(tmp_path: Path, template: Template) -> None:
    with installation(template.copy_to(tmp_path / "home"), accounts={"attempts_per_account": 3}) as yunzhuo:
        api = Api(create_app(yunzhuo.services, secret_key=SECRET_KEY).test_client())
        for _ in range(3):
            problem(api.post("/tokens", json={"email": "lin@school.local", "password": "wrong"}), 401, "wrong_credentials")
        answer = api.post("/tokens", json={"email": "lin@school.local", "password": PASSWORD})
        problem(answer, 429, "too_many_attempts")
        assert 0 < int(answer.headers["Retry-After"]) <= yunzhuo.settings.accounts.attempts_window_seconds


def test_a_one_time_password_gets_no_token(yunzhuo: Installation, anonymous: Api) -> None:
    yunzhuo.services.accounts.add("new@school.local", PASSWORD, Role.USER, must_change_password=True)
    answer = anonymous.post("/tokens", json={"email": "new@school.local", "password": PASSWORD})
    problem(answer, 403, "password_change_required")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "lin@school.local"},
        {"email": "lin@school.local", "password": None},
        {"email": 7, "password": PASSWORD},
        {"email": "x" * 321, "password": PASSWORD},
        {"email": "lin@school.local", "password": PASSWORD, "role": "administrator"},
        [],
        "lin",
    ],
)
def test_what_is_no_wish_for_a_token_is_told_so(still: Api, body: object) -> None:
    assert problem(still.post("/tokens", data=json.dumps(body)), 422, "invalid_input")["errors"]


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer x", "bearer a b", "Basic bGluOmxpbg==", "Token x", "Bearer ü=x", "yz_x"]
)
def test_without_a_good_token_nothing_is_answered(still: Api, header: str | None) -> None:
    answer = Api(still.client).get("/users/me", headers={"Authorization": header} if header is not None else {})
    problem(answer, 401, "not_signed_in")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="yunzhuo"'


def test_the_scheme_may_be_written_in_any_case(lin: Api) -> None:
    assert (
        lin.get(
            "/users/me", headers={"Authorization": lin.headers["Authorization"].lower()[:6] + lin.headers["Authorization"][6:]}
        ).status_code
        == 200
    )


def test_a_browser_session_is_no_token(yunzhuo: Installation, anonymous: Api) -> None:
    """The API must not do what a foreign page makes a browser ask: cookies never count."""
    sign_in_with_cookie(yunzhuo, anonymous.client, "lin@school.local")
    problem(anonymous.get("/users/me"), 401, "not_signed_in")
    problem(anonymous.post("/desktops", json={}), 401, "not_signed_in")


def test_a_token_wins_over_the_browser_session_of_somebody_else(yunzhuo: Installation, mei: Api) -> None:
    sign_in_with_cookie(yunzhuo, mei.client, "lin@school.local")
    assert mei.get("/users/me").get_json()["email"] == "mei@school.local"
    assert yunzhuo.services.desktops.get(known(yunzhuo, "mei"), mei.desktop()).owner_email == "mei@school.local"


def sign_in_with_cookie(yunzhuo: Installation, client: FlaskClient, email: str) -> None:
    """A browser session in this client, as the sign-in page makes it."""
    granted = yunzhuo.services.sign_ins.sign_in(email, PASSWORD, client_address="192.0.2.7")
    with client.session_transaction() as session:
        session["_user_id"] = granted.secret
