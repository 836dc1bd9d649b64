"""What gateways ask: whose is this ticket, and that a session has ended."""

from typing import Any

import pytest
from flask import Flask
from tests.support.api import Api, problem
from tests.support.installation import Installation
from werkzeug.test import TestResponse

from yunzhuo.gateway.tickets import Grant

pytestmark = pytest.mark.slow


class Gateway:
    """The gateway beside the manager, with its key."""

    def __init__(self, app: Flask, yunzhuo: Installation) -> None:
        self.client = app.test_client()
        key = (yunzhuo.settings.secrets_dir / "gateway-key").read_text().strip()
        self.headers = {"Authorization": f"Bearer {key}"}

    def redeem(self, ticket: str) -> TestResponse:
        question = {"ticket": ticket, "client_address": "192.0.2.9"}
        return self.client.post("/internal/gateway/redeem", json=question, headers=self.headers)

    def ended(self, session_id: str, body: object) -> TestResponse:
        told = {"ended": [{"id": session_id, **body}] if isinstance(body, dict) else body}
        return self.client.post("/internal/gateway/ended", json=told, headers=self.headers)

    def tell(self, what: str, body: object) -> TestResponse:
        return self.client.post(f"/internal/gateway/{what}", json=body, headers=self.headers)


@pytest.fixture
def gateway(app: Flask, yunzhuo: Installation) -> Gateway:
    return Gateway(app, yunzhuo)


def connection(yunzhuo: Installation, api: Api) -> dict[str, Any]:
    """A ticket for a desktop that is ready."""
    desktop_id = api.desktop()
    yunzhuo.run()
    answer: dict[str, Any] = api.post(f"/desktops/{desktop_id}/connections", json={"protocol": "vnc"}).get_json()
    return {**answer, "desktop_id": desktop_id}


def test_a_ticket_is_spent_once(yunzhuo: Installation, lin: Api, gateway: Gateway) -> None:
    granted = connection(yunzhuo, lin)
    answer = gateway.redeem(granted["ticket"])
    assert answer.status_code == 200
    told = answer.get_json()
    assert set(told) == {"session_id", "protocol", "user_id", "desktop_id", "target", "policy", "ends_in_seconds"}
    assert told["desktop_id"] == granted["desktop_id"]
    assert told["protocol"] == "vnc"
    assert set(told["target"]) == {"host", "port", "password"}
    Grant.model_validate_json(answer.data)  # as the gateway reads it
    problem(gateway.redeem(granted["ticket"]), 403, "ticket_refused")


def test_a_ticket_used_late_is_refused(yunzhuo: Installation, lin: Api, gateway: Gateway) -> None:
    ticket = connection(yunzhuo, lin)["ticket"]
    yunzhuo.pass_time(yunzhuo.settings.consoles.ticket_seconds)
    problem(gateway.redeem(ticket), 403, "ticket_refused")


def test_a_session_is_reported_as_ended(yunzhuo: Installation, lin: Api, gateway: Gateway) -> None:
    session_id = gateway.redeem(connection(yunzhuo, lin)["ticket"]).get_json()["session_id"]
    assert yunzhuo.services.health.figures()["sessions_open"] == 1
    report = {"bytes_in": 10, "bytes_out": 2**40, "reason": "viewer left"}
    for _ in range(2):  # a report may come twice
        answer = gateway.ended(session_id, report)
        assert (answer.status_code, answer.data) == (204, b"")
    assert yunzhuo.services.health.figures()["sessions_open"] == 0


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic Z2F0ZXdheTp4", "Bearer"])
def test_without_the_key_nothing_is_said(app: Flask, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    for path in ("redeem", "ended", "report", "withdrawn"):
        problem(app.test_client().post(f"/internal/gateway/{path}", data="garbage", headers=headers), 401, "unknown_gateway")


def test_what_is_no_question_is_refused_without_repeating_it(gateway: Gateway) -> None:
    bodies: list[object] = [{}, {"ticket": "secret-ticket"}, {"ticket": 5, "client_address": "x"}, [], {"ticket": ""}]
    for body in bodies:
        answer = gateway.client.post("/internal/gateway/redeem", json=body, headers=gateway.headers)
        problem(answer, 422, "invalid_input")
        assert "secret-ticket" not in answer.text
    problem(gateway.client.post("/internal/gateway/redeem", data="x", headers=gateway.headers), 400, "malformed_request")
    for size in (-1, 2**63, "many", None):
        problem(gateway.ended("x", {"bytes_in": size, "bytes_out": 0, "reason": ""}), 422, "invalid_input")


def test_a_screen_on_a_unix_socket_is_told_as_such(yunzhuo: Installation, lin: Api, gateway: Gateway) -> None:
    yunzhuo.weather.change_options(console_unix_path="/run/screen.sock", console_password="open sesame")
    told = gateway.redeem(connection(yunzhuo, lin)["ticket"]).get_json()
    assert told["target"] == {"unix_path": "/run/screen.sock", "password": "open sesame"}


def test_how_sessions_stand_is_shown_and_those_that_have_to_end_are_told(
    yunzhuo: Installation, lin: Api, boss: Api, gateway: Gateway
) -> None:
    granted = connection(yunzhuo, lin)
    session_id = gateway.redeem(granted["ticket"]).get_json()["session_id"]
    standing = {"id": session_id, "bytes_in": 7, "bytes_out": 2**40, "idle_seconds": 3, "round_trip_ms": 1.5, "drops": 2}
    report = {"version": "1", "capacity": 9, "certificate": "PEM", "sessions": [standing]}
    assert gateway.tell("report", report).status_code == 204
    (shown,) = boss.get("/screens").get_json()["items"]
    assert (shown["bytes_in"], shown["bytes_out"], shown["round_trip_ms"], shown["drops"]) == (7, 2**40, 1.5, 2)
    assert (shown["gateway"], shown["client_address"], shown["channels"]) == ("local", "192.0.2.9", 1)
    assert gateway.tell("withdrawn", {}).get_json() == {"withdrawn": {}}
    assert boss.delete(f"/screens/{shown['id']}").status_code == 204
    assert gateway.tell("withdrawn", {}).get_json() == {"withdrawn": {session_id: "ended_by_administrator"}}
    gateway.ended(session_id, {"bytes_in": 8, "bytes_out": 9, "reason": "ended_by_administrator"})
    assert gateway.tell("withdrawn", {}).get_json() == {"withdrawn": {}}
    assert boss.get("/screens").get_json()["items"] == []
    (past,) = boss.get("/screens/history").get_json()["items"]
    assert (past["id"], past["end_reason"], past["bytes_in"]) == (shown["id"], "ended_by_administrator", 8)
    for wrong in ({**report, "sessions": [{**standing, "drops": -1}]}, {**report, "sessions": "all"}):
        problem(gateway.tell("report", wrong), 422, "invalid_input")


def test_a_file_for_a_native_viewer(yunzhuo: Installation, lin: Api, gateway: Gateway) -> None:
    desktop_id = lin.desktop()
    yunzhuo.run()
    answer = lin.post(f"/desktops/{desktop_id}/viewer-file")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Disposition"].endswith('.vv"')
    fields = dict(line.split("=", 1) for line in answer.text.splitlines()[1:])
    assert (fields["type"], fields["host"], fields["port"], fields["delete-this-file"]) == ("spice", "localhost", "8081", "1")
    assert gateway.redeem(fields["password"]).get_json()["protocol"] == "spice"
