"""What goes wrong, and what is said of it."""

import json

import pytest
from flask import Flask
from sqlalchemy import text
from tests.support.api import Api, problem
from tests.support.installation import Installation

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.common import errors
from yunzhuo.services.access import Role
from yunzhuo.services.tokens import TokenWish
from yunzhuo.webkit.statuses import STATUS, problem_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidInput("x"), 422),
        (errors.NotSignedIn("x", "x"), 401),
        (errors.Forbidden("x", "x"), 403),
        (errors.NotFound("x", "x"), 404),
        (errors.Conflict("x", "x"), 409),
        (errors.LimitReached("x", "x"), 409),
        (errors.TooManyAttempts("x", retry_after_seconds=7), 429),
        (errors.NotOffered("x", "x"), 422),
        (errors.Unavailable("x", "x"), 503),
    ],
)
def test_every_refusal_has_its_status(error: errors.YunzhuoError, status: int) -> None:
    told = problem_of(error)
    assert (told.status, told.code, told.detail) == (status, error.code, error.message)


def test_every_kind_of_error_was_thought_of() -> None:
    ours = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.YunzhuoError)}
    said_to_nobody = {errors.YunzhuoError, errors.Refused, errors.Broken, errors.Inconsistent}
    assert set(STATUS) == ours - said_to_nobody


@pytest.mark.parametrize(
    "error", [RuntimeError("inner"), errors.Inconsistent("inner", "inner"), errors.Broken("inner", "inner")]
)
def test_of_what_is_broken_inside_nothing_is_said(error: Exception) -> None:
    told = problem_of(error)
    assert (told.status, told.code) == (500, "internal_error")
    assert "inner" not in told.detail


NO_JSON: list[str | bytes] = [
    "",
    "x",
    "{",
    '{"image": }',
    '{"a": 1} x',
    "\x00",
    "[" * 100_000,
    "9" * 5000,
    "\ud800".encode("utf-8", "surrogatepass"),
    b"\xff\xfe\x00",
]


@pytest.mark.parametrize("body", NO_JSON)
def test_what_is_no_json_is_a_bad_request(still: Api, body: str | bytes) -> None:
    problem(still.post("/desktops", data=body), 400, "malformed_request")


def test_null_says_nothing(boss: Api) -> None:
    """It is not an object whose fields were all left out."""
    problem(boss.patch("/users/me", data="null", content_type="application/json"), 400, "malformed_request")


@pytest.mark.parametrize("value", [0, 1, "true", "on"])
def test_what_is_no_boolean_is_not_taken_for_one(still: Api, value: object) -> None:
    body = {"action": "stop", "ids": ["x"], "dry_run": value}
    problem(still.post("/desktops/actions", json=body), 422, "invalid_input")


@pytest.mark.parametrize("moment", ["2026-03-03T00:00:00", "2026-03-03", "0.5", "1772500000", "0001-01-01T00:00:00+14:00"])
def test_a_time_that_could_be_two_is_refused(boss: Api, moment: str) -> None:
    """Without an offset, or as seconds since 1970."""
    problem(boss.get("/audit", query_string={"until": moment}), 422, "invalid_input")
    lin = boss.get("/users?q=lin").get_json()["items"][0]["id"]
    problem(boss.ask("PUT", f"/delegations/{lin}", json={"verbs": ["desktop:start"], "until": moment}), 422, "invalid_input")
    let = {"verbs": ["desktop:start"], "until": "2026-03-03T00:00:00+08:00"}
    assert boss.ask("PUT", f"/delegations/{lin}", json=let).status_code == 204


def test_json_counts_whatever_it_is_called(still: Api) -> None:
    answer = still.post("/desktops", data=json.dumps({"image": "x", "flavor": "y"}), content_type="text/plain")
    problem(answer, 422, "invalid_input")


def test_a_body_that_is_too_large_is_refused_after_the_asker_is_known(still: Api) -> None:
    large = b" " * (1024 * 1024 + 1)
    problem(still.post("/desktops", data=large), 413, "body_too_large")
    problem(still.patch("/desktops/nothing", data=large), 404, "desktop_not_found")
    problem(Api(still.client).post("/desktops", data=large), 401, "not_signed_in")


def test_addresses_and_methods_that_are_not_there(still: Api) -> None:
    problem(still.get("/nothing"), 404, "not_found")
    problem(still.get("/desktops/"), 404, "not_found")
    answer = still.ask("PUT", "/desktops")
    problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_a_stream_is_not_to_be_had_without_its_process(still: Api) -> None:
    answer = still.get("/events")
    problem(answer, 503, "stream_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    problem(still.get("/events?last_event_id=-1"), 422, "invalid_input")


def test_a_cloud_that_is_away_is_said_to_come_back(yunzhuo: Installation, app: Flask, lin: Api) -> None:
    """A gateway asks for the screen while the cloud does not answer."""
    desktop_id = lin.desktop()
    yunzhuo.run()
    ticket = lin.post(f"/desktops/{desktop_id}/connections", json={"protocol": "vnc"}).get_json()["ticket"]
    yunzhuo.weather.faults.set(Fault(operation="servers.console", kind=FaultKind.FAIL_BEFORE))
    key = (yunzhuo.settings.secrets_dir / "gateway-key").read_text().strip()
    answer = app.test_client().post(
        "/internal/gateway/redeem",
        json={"ticket": ticket, "client_address": "192.0.2.9"},
        headers={"Authorization": f"Bearer {key}"},
    )
    problem(answer, 503, "cloud_unavailable")
    assert int(answer.headers["Retry-After"]) > 0


def test_an_error_of_our_own_says_nothing_of_the_inside(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> str:
        raise RuntimeError("a secret of the inside")

    app.add_url_rule("/api/v1/broken", "broken", broken)
    app.add_url_rule("/broken", "broken-page", broken)
    answer = app.test_client().get("/api/v1/broken")
    problem(answer, 500, "internal_error")
    assert "inside" not in answer.text.replace("inside Yunzhuo", "")
    page = app.test_client().get("/broken")
    assert (page.status_code, page.mimetype) == (500, "text/html")
    assert "secret" not in page.text


@pytest.mark.parametrize("given", ["abcdefgh", "0b6f7a0e-6d0c-4d6a-9a35-0f0a3f6d8a11", "A.b_c-9" * 9])
def test_a_sane_request_id_is_kept(still: Api, given: str) -> None:
    assert still.get("/nothing", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "short", "with space in it", "x" * 65, "injected\tvalue", "ümläute!"])
def test_any_other_request_id_is_replaced(still: Api, given: str) -> None:
    answer = still.get("/nothing", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] not in {given, ""}
    assert answer.get_json()["request_id"] == answer.headers["X-Request-ID"]


def test_health_is_told_to_machines(yunzhuo: Installation, app: Flask) -> None:
    client = app.test_client()
    assert client.get("/healthz").get_json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.get_json()) == (200, {"missing": {}})
    yunzhuo.weather.faults.set(Fault(operation="images.is_prepared", kind=FaultKind.LIE))
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert "desktops" in ready.get_json()["missing"]


def test_a_database_that_is_gone_is_not_ready_and_the_process_lives(yunzhuo: Installation, app: Flask) -> None:
    if yunzhuo.settings.database.url:
        with yunzhuo.connection() as connection:
            for statement in ("SET foreign_key_checks = 0", "DROP TABLE users, api_tokens, organizations, alembic_version"):
                connection.execute(text(statement))
    else:
        (yunzhuo.settings.home / "yunzhuo.db").write_bytes(b"this is no database" * 1000)
        (yunzhuo.settings.home / "yunzhuo.db-wal").unlink(missing_ok=True)
    client = app.test_client()
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    problem(client.get("/api/v1/users/me", headers={"Authorization": "Bearer x"}), 500, "internal_error")
    assert client.get("/nowhere").status_code == 404


def test_figures_are_there_for_prometheus(yunzhuo: Installation, app: Flask, lin: Api) -> None:
    lin.desktop()
    lin.client.get("/made/up/address")
    tokens, operator = yunzhuo.services.tokens, yunzhuo.person("operator", Role.OPERATOR)
    prometheus = tokens.add_service(operator, "prometheus@school.local", Role.OPERATOR)
    secret = tokens.create_for(operator, prometheus.id, TokenWish("scrapes", verbs=("host:read",))).secret
    answer = app.test_client().get("/metrics", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    assert "yunzhuo_desktops 1.0" in answer.text
    assert "yunzhuo_operations_active 1.0" in answer.text
    assert 'yunzhuo_http_requests_total{method="POST",route="/api/v1/desktops",status="202"} 1.0' in answer.text
    assert 'route="unknown"' in answer.text
    assert "made/up" not in answer.text


def test_figures_are_not_for_everybody(app: Flask, lin: Api) -> None:
    problem(app.test_client().get("/metrics"), 401, "not_signed_in")
    problem(lin.client.get("/metrics", headers=lin.headers), 403, "forbidden")
