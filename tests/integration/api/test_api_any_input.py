"""Whatever is sent to any documented address: an answer as documented, and never a failure of ours."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tests.support.api import SECRET_KEY, Api, Template
from tests.support.installation import installation

from yunzhuo.web.app import create_app

# Thousands of steps or requests, as hypothesis thinks them up.
pytestmark = pytest.mark.slow

Json = dict[str, Any]
TEXT = st.text(max_size=80) | st.sampled_from(["", "\x00", "\ud800", "' OR 1=1 --", "%", "../..", "9" * 400, "é" * 70])
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=200)
# They would make the token worthless that all of this is asked with.
ENDS_THE_GAME = {"delete_tokens_revoke", "delete_user_security_end_sessions"}
LINE = st.text(st.characters(codec="utf-8"), max_size=60)


class World:
    """An installation for garbage to be thrown at, and what it says it answers."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.document: Json = api.get("/openapi.json").get_json()
        desktop_id = api.desktop()
        operation_id = api.get(f"/desktops/{desktop_id}").get_json()["operation"]["id"]
        user_id = api.get("/users/me").get_json()["id"]
        ids = {"desktop_id": desktop_id, "operation_id": operation_id, "user_id": user_id}
        # There are none of these yet: an id that nobody has does as well.
        ids |= dict.fromkeys(("snapshot_id", "session_id", "token_id", "passkey_id", "invitation_id"), user_id)
        ids |= dict.fromkeys(("group_id", "role_id", "organization_id", "holder_id"), user_id)
        self.known = {**ids, "name": "a.txt", **api.wish()}
        self.operations = [
            (method, path, operation)
            for path, methods in self.document["paths"].items()
            for method, operation in methods.items()
            if operation["operationId"] not in ENDS_THE_GAME
        ]

    def schema_of(self, reference: Json) -> Json:
        """The schema that a reference names."""
        schema: Json = self.document["components"]["schemas"][reference["$ref"].rpartition("/")[2]]
        return schema

    def check(self, operation: Json, status: int, content_type: str, body: str) -> None:
        """The answer has to be one of those that are documented, in the documented shape."""
        assert status < 500 or status == 503, (status, body)
        response = operation["responses"].get(str(status), operation["responses"]["default"])
        if "content" in response:
            media_type = content_type.partition(";")[0]
            assert media_type in response["content"], (status, content_type, body)
            content = response["content"][media_type]
            if not media_type.endswith("json") or media_type.endswith("ndjson"):
                return
            validator = Draft202012Validator({**content["schema"], "components": self.document["components"]})
            validator.validate(json.loads(body))


@pytest.fixture(scope="module", params=["lin", "boss"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, template: Template) -> Iterator[World]:
    home = template.copy_to(tmp_path_factory.mktemp("any") / "home")
    with installation(home) as installed:
        app = create_app(installed.services, secret_key=SECRET_KEY)
        yield World(Api(app.test_client(), template.tokens[request.param]))


def near(world: World, schema: Json) -> st.SearchStrategy[Any]:
    """Values that fit the schema, and values that nearly do."""
    if "$ref" in schema:
        return near(world, world.schema_of(schema))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([near(world, option) for option in schema["anyOf"]])
    if schema.get("type") == "object":
        return objects(world, schema)
    if schema.get("type") == "integer":
        return st.integers() | st.integers(schema.get("minimum"), schema.get("maximum"))
    if schema.get("type") == "null":
        return st.none()
    return TEXT | st.sampled_from(sorted(world.known.values()))


def objects(world: World, schema: Json) -> st.SearchStrategy[Any]:
    """Objects with most of their fields, mostly right."""
    fields = {name: near(world, field) | ANY_JSON for name, field in schema.get("properties", {}).items()}
    fitting = {name: near(world, schema["properties"][name]) for name in fields}
    return st.fixed_dictionaries(fitting) | st.fixed_dictionaries({}, optional={**fields, "more": ANY_JSON}) | ANY_JSON


def query_of(world: World, operation: Json) -> st.SearchStrategy[dict[str, str]]:
    """A query string: parameters that are known, and others."""
    known = {p["name"]: (near(world, p["schema"]) | TEXT).map(str) for p in operation["parameters"] if p["in"] == "query"}
    return st.fixed_dictionaries({}, optional={**known, "unknown": TEXT})


def body_of(world: World, operation: Json) -> st.SearchStrategy[bytes]:
    """A body: what is asked for, nearly that, any JSON, any bytes."""
    if "requestBody" not in operation:
        return st.just(b"") | st.binary(max_size=50)
    content = operation["requestBody"]["content"]
    if "application/json" not in content:
        return st.binary(max_size=200)
    schema = content["application/json"]["schema"]
    return near(world, schema).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200)


def sendable(text: str) -> str:
    """Text that can be in an address."""
    return text.encode("utf-8", "replace").decode()


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_any_input_has_a_documented_answer(world: World, data: st.DataObject) -> None:
    method, path, operation = data.draw(st.sampled_from(world.operations))
    ids = {name: data.draw(st.just(known) | LINE) for name, known in world.known.items() if f"{{{name}}}" in path}
    if any(not text or "/" in text or text in {".", ".."} for text in ids.values()):
        return  # another address
    query = {name: sendable(value) for name, value in data.draw(query_of(world, operation)).items()}
    headers = {"Idempotency-Key": data.draw(HEADER), "X-Request-ID": data.draw(HEADER)}
    headers = {name: value.strip() for name, value in headers.items() if value.strip()}
    if data.draw(st.integers(0, 9)) == 0:
        headers["Authorization"] = data.draw(HEADER | HEADER.map("Bearer {}".format))
    quoted = {name: quote(sendable(text), safe="") for name, text in ids.items()}
    address = path.removeprefix("/api/v1").format(**quoted)
    body = data.draw(body_of(world, operation))
    answer = world.api.ask(method.upper(), address, headers=headers, query_string=query, data=body)
    world.check(operation, answer.status_code, answer.content_type, answer.text)
