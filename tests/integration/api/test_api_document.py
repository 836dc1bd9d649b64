"""The OpenAPI document: valid, complete, and true of what the API answers."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from tests.support.api import Api, problem
from tests.support.installation import Installation

from yunzhuo.services.rules.lifecycle import Action, State
from yunzhuo.web.api.models import ACTIONS
from yunzhuo.webkit.statuses import STATUS

pytestmark = pytest.mark.slow

WITHOUT_A_TOKEN = {
    ("post", "/tokens"),
    ("post", "/registrations"),
    ("post", "/registrations/completion"),
    ("post", "/password-resets"),
    ("post", "/password-resets/completion"),
    ("post", "/address-confirmations"),
}
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
def document(still: Api) -> dict[str, Any]:
    answer = Api(still.client).get("/openapi.json")
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    spec: dict[str, Any] = answer.get_json()
    return spec


def schema(document: dict[str, Any], name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": document["components"]})


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert document["servers"] == [{"url": "/"}]


def test_every_route_of_the_api_is_documented(still: Api, document: dict[str, Any]) -> None:
    rules = {
        (method.lower(), rule.rule.replace("<", "{").replace(">", "}"))
        for rule in still.client.application.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/") and rule.endpoint != "openapi.spec"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {(method, path) for method, path, _ in operations(document)} == rules
    assert len({operation["operationId"] for _, _, operation in operations(document)}) == len(rules)


def test_nothing_is_answered_without_a_token(still: Api, document: dict[str, Any]) -> None:
    """401 before 404 before anything about the body, on every route."""
    for method, path, operation in operations(document):
        if (method, path.removeprefix("/api/v1")) in WITHOUT_A_TOKEN:
            assert "security" not in operation
            continue
        assert operation["security"] == [{"bearer": []}]
        assert "401" in operation["responses"]
        address = path.removeprefix("/api/v1").replace("{", "").replace("}", "")
        for content in ({}, {"data": "garbage"}, {"query_string": {"limit": "x"}}):
            problem(Api(still.client).ask(method.upper(), address, **content), 401, "not_signed_in")


def test_problems_are_documented_everywhere(document: dict[str, Any]) -> None:
    for _, _, operation in operations(document):
        for status, response in operation["responses"].items():
            if status == "default" or status >= "400":
                assert set(response["content"]) == {"application/problem+json"}
        assert "default" in operation["responses"]
        if "requestBody" in operation:
            assert {"400", "413", "422"} <= set(operation["responses"])


def test_every_model_stands_there_once_and_is_used(document: dict[str, Any]) -> None:
    names = set(document["components"]["schemas"])
    assert not [name for name in names if "." in name]
    assert {"Desktop", "Operation", "OperationStep", "Accepted", "Connection", "Problem", "Token"} <= names
    text = str(document)
    assert all(f"'#/components/schemas/{name}'" in text for name in names)


def test_no_page_of_somebody_elses_is_named(still: Api, document: dict[str, Any]) -> None:
    assert "http://" not in str(document)
    assert "https://" not in str(document)
    assert still.client.get("/docs").status_code == 404


def test_answers_are_as_documented(yunzhuo: Installation, lin: Api, still: Api, document: dict[str, Any]) -> None:
    accepted = lin.post("/desktops", json=lin.wish()).get_json()
    yunzhuo.run()
    desktop_id = accepted["desktop"]["id"]
    answers = {
        "Accepted": accepted,
        "Desktop": lin.get(f"/desktops/{desktop_id}").get_json(),
        "DesktopList": lin.get("/desktops").get_json(),
        "Operation": lin.get(f"/operations/{accepted['operation']['id']}").get_json(),
        "Connection": lin.post(f"/desktops/{desktop_id}/connections", json={"protocol": "vnc"}).get_json(),
        "ImageList": lin.get("/images").get_json(),
        "FlavorList": lin.get("/flavors").get_json(),
        "User": lin.get("/users/me").get_json(),
        "Clipboard": lin.get(f"/desktops/{desktop_id}/clipboard").get_json(),
        "File": lin.ask("PUT", f"/desktops/{desktop_id}/files/x", data=b"x").get_json(),
        "FileList": lin.get(f"/desktops/{desktop_id}/files").get_json(),
        "Problem": lin.get("/desktops/nothing").get_json(),
    }
    for name, answer in answers.items():
        schema(document, name).validate(answer)


def test_every_action_that_there_is_can_be_asked_for() -> None:
    at_addresses_of_their_own = {Action.CONNECT_DISK, Action.DISCONNECT_DISK, Action.RESTORE_DISK}
    assert set(ACTIONS.values()) | at_addresses_of_their_own == set(Action)


def test_the_hosts_name_of_a_request_is_not_believed(app: Flask) -> None:
    answer = app.test_client().get("/api/v1/openapi.json", headers={"Host": "evil.example"})
    assert "evil.example" not in answer.text


def test_the_reference_page_names_every_route_state_and_status(document: dict[str, Any]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    for method, path, operation in operations(document):
        success = next(status for status in operation["responses"] if status < "300")
        assert f"| `{method.upper()} {path}` | {success} |" in page
    assert all(f"`{state}`" in page for state in State)
    assert all(f"`{action}`" in page for action in ACTIONS)
    assert all(f"\n| {status.value} | " in page for status in STATUS.values())
