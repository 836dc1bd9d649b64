"""The license server's API: what a vendor and a customer do by it, who is let in, and that its document is right."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from openapi_spec_validator import validate
from tests.support.installation import START
from tests.support.license_server import YEAR, Host, Vendor, vendor
from werkzeug.test import TestResponse

from yunzhuo.phoenix.security import licenses

pytestmark = pytest.mark.slow

PASSWORD = "another horse battery"
OPEN = {
    ("post", "/api/v1/tokens"),
    ("post", "/api/v1/passwords"),
    ("post", "/api/v1/activation"),
    ("post", "/api/v1/activation/challenges"),
}
# What a customer's people may ask, of their own; everything else is the vendor's.
CUSTOMERS = {
    ("get", "/api/v1/keys"),
    ("get", "/api/v1/installations"),
    ("get", "/api/v1/installations/{installation_id}"),
    ("get", "/api/v1/installations/{installation_id}/licenses"),
    ("get", "/api/v1/installations/{installation_id}/license"),
    ("get", "/api/v1/installations/{installation_id}/licenses/{serial}"),
    ("put", "/api/v1/installations/{installation_id}/host-info"),
    ("get", "/api/v1/lists/template"),
}


class Api:
    """Somebody with a token."""

    def __init__(self, client: FlaskClient, token: str | None = None) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(self, method: str, path: str, status: int = 200, **content: Any) -> Any:
        """What is answered, which must come with this status."""
        answer = self.raw(method, path, **content)
        assert answer.status_code == status, answer.text
        return answer.json if answer.is_json else answer.data

    def ask_file(self, path: str) -> bytes:
        """A file."""
        answer = self.raw("GET", path)
        assert answer.status_code == 200, answer.text
        return bytes(answer.data)

    def raw(self, method: str, path: str, **content: Any) -> TestResponse:
        """The answer as it is."""
        return self._client.open(f"/api/v1{path}", method=method, headers=self._headers, **content)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    with vendor(tmp_path_factory.mktemp("api") / "home") as made:
        yield made


@pytest.fixture(scope="module")
def client(server: Vendor) -> FlaskClient:
    return server.app().test_client()


def came_in(client: FlaskClient, email: str, one_time: str | None) -> Api:
    """Somebody who chose a password of their own and has a token."""
    nobody = Api(client)
    refused = nobody.ask("POST", "/tokens", 403, json={"email": email, "password": one_time})
    assert refused["code"] == "password_change_required"
    nobody.ask("POST", "/passwords", 204, json={"email": email, "present": one_time, "chosen": PASSWORD})
    token = nobody.ask("POST", "/tokens", 201, json={"email": email, "password": PASSWORD})["token"]
    return Api(client, token)


@pytest.fixture(scope="module")
def boss(server: Vendor, client: FlaskClient) -> Api:
    made = server.services.customers.add_vendor(server.boss, "boss@vendor.example")
    return came_in(client, "boss@vendor.example", made.one_time_password)


def test_from_a_customer_to_a_license(server: Vendor, client: FlaskClient, boss: Api) -> None:
    customer = boss.ask("POST", "/customers", 201, json={"name": "第一中学"})
    contact = boss.ask("POST", f"/customers/{customer['id']}/contacts", 201, json={"email": "head@school.example"})
    head = came_in(client, contact["email"], contact["one_time_password"])
    wish = {"customer_id": customer["id"], "name": "main", "limits": {"desktops": 40}, "expires_at": "2027-03-01T00:00:00Z"}
    made = boss.ask("POST", "/installations", 201, json={**wish, "starts_at": "2026-03-01T00:00:00Z"})
    path = f"/installations/{made['installation']['id']}"
    assert (made["installation"]["state"], bool(made["code"])) == ("waiting", True)
    assert head.ask("GET", f"{path}/license", 404)["code"] == "license_not_issued"
    host = Host(server)
    assert boss.ask("PUT", f"{path}/host-info", data=host.document())["state"] == "active"
    changed = boss.ask("PATCH", path, json={"limits": {"desktops": 50}, "grace_days": 0})
    assert (changed["serial"], changed["limits"]["desktops"], changed["edition"]) == (2, 50, "standard")
    found, _ = licenses.read(head.ask_file(f"{path}/license"), server.pin().keys.get)
    assert (found.serial, found.limits.desktops, found.grace_days, found.customer) == (2, 50, 0, "第一中学")
    assert boss.ask("POST", f"{path}/actions", json={"action": "suspend"})["state"] == "suspended"
    assert boss.ask("POST", f"{path}/actions", 409, json={"action": "suspend"})["code"] == "not_in_this_state"
    assert [each["reason"] for each in head.ask("GET", f"{path}/licenses")["items"]] == ["suspend", "changed", "issue"]
    assert [each["id"] for each in head.ask("GET", "/installations")["items"]] == [made["installation"]["id"]]
    assert boss.ask("DELETE", path, 409)["code"] == "license_still_counts"
    assert boss.ask("GET", "/keys")["items"][0]["signs"]
    assert boss.ask("PATCH", f"/customers/{customer['id']}", json={"is_disabled": True})["is_disabled"]
    head.ask("GET", "/installations", 401)  # at once


def test_nobody_comes_in_without_a_token_and_customers_change_nothing(server: Vendor, client: FlaskClient, boss: Api) -> None:
    customer = server.customer("another")
    made = server.installation(customer).installation
    access = server.services.customers.add_contact(server.boss, customer, "somebody@school.example")
    somebody = came_in(client, "somebody@school.example", access.one_time_password)
    spec = Api(client).ask("GET", "/openapi.json")
    for path, operations in spec["paths"].items():
        ids = {"{installation_id}": made.id, "{customer_id}": customer, "{user_id}": access.user.id, "{serial}": "1"}
        address = path.removeprefix("/api/v1")
        for name, value in ids.items():
            address = address.replace(name, value)
        for method in operations:
            if (method, path) in OPEN:
                continue
            assert Api(client).raw(method.upper(), address).status_code == 401, (method, path)
            content = {} if method == "get" else {"json": body(path, method, customer)}
            found = somebody.raw(method.upper(), address, **content).status_code
            expected = {200, 404, 422} if (method, path) in CUSTOMERS else {403}
            assert found in expected, (method, path, found)


def body(path: str, method: str, customer: str) -> dict[str, object]:
    """Something that fits: it is not to be refused for its form."""
    if path.endswith("/installations"):
        return {"customer_id": customer, "name": "x", "expires_at": (START + YEAR).isoformat()}
    if path.endswith("/actions"):
        return {"action": "issue"}
    if path.endswith("/contacts"):
        return {"email": "x@school.example"}
    return {"name": "x"} if method in ("post", "patch") else {}


def test_bad_input_is_said_to_be(server: Vendor, client: FlaskClient, boss: Api) -> None:
    customer = server.customer("bad input")
    wish: dict[str, Any] = {"customer_id": customer, "name": "x", "expires_at": (START + YEAR).isoformat()}
    for change in (
        {"limits": {"tables": 1}},
        {"limits": {"desktops": -1}},
        {"expires_at": "tomorrow"},
        {"expires_at": (START - timedelta(days=400)).isoformat()},
        {"grace_days": 1000},
        {"name": ""},
        {"more": 1},
    ):
        assert boss.ask("POST", "/installations", 422, json=wish | change)["code"] == "invalid_input", change
    assert boss.ask("POST", "/installations", 404, json=wish | {"customer_id": "nobody"})["code"] == "customer_not_found"
    path = f"/installations/{server.installation(customer).installation.id}"
    assert boss.ask("PUT", f"{path}/host-info", 422, data=b"{}")["code"] == "host_info_unreadable"
    assert Api(client).ask("POST", "/activation", 422, data=b"x")["code"] == "activation_request_unreadable"
    assert Api(client).raw("POST", "/activation", data=b"x" * 1_200_000).status_code == 413
    assert boss.ask("POST", "/customers", 409, json={"name": "bad input"})["code"] == "organization_name_taken"
    assert boss.raw("POST", "/customers", data=b"null", content_type="application/json").status_code == 400


def test_the_document_is_right(client: FlaskClient) -> None:
    spec = Api(client).ask("GET", "/openapi.json")
    validate(spec)
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], path
            assert "default" in operation["responses"]
            assert bool(operation.get("security")) == ((method, path) not in OPEN), (method, path)
    assert json.dumps(spec).count("Traceback") == 0
