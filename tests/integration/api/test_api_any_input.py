"""What no schema speaks of: any bytes as a body, any headers, ids that cannot be any. Never a failure of ours.

What the document does speak of is asked by Schemathesis (``test_api_schemathesis.py``).
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.api import PROBLEM, SECRET_KEY, Api, Template
from tests.support.installation import installation

from yunzhuo.web.app import create_app

# Hundreds of requests, as hypothesis thinks them up.
pytestmark = pytest.mark.slow

HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=200)
LINE = st.text(st.characters(codec="utf-8"), max_size=60) | st.sampled_from(["\x00", "' OR 1=1 --", "%", "..%2f..", "9" * 400])
BODY = st.binary(max_size=200) | st.sampled_from([b"", b"null", b"[]", b"[" * 900 + b"]" * 900, b'{"a": "\\ud800"}', b"NaN"])
# They would make the token worthless that all of this is asked with.
ENDS_THE_GAME = {"delete_tokens_revoke", "delete_user_security_end_sessions"}


class World:
    """An installation for garbage to be thrown at, and the addresses where things are."""

    def __init__(self, api: Api) -> None:
        self.api = api
        document = api.get("/openapi.json").get_json()
        desktop_id = api.desktop()
        operation_id = api.get(f"/desktops/{desktop_id}").get_json()["operation"]["id"]
        user_id = api.get("/users/me").get_json()["id"]
        self.ids = {"desktop_id": desktop_id, "operation_id": operation_id, "user_id": user_id, "name": "a.txt"}
        self.operations: list[tuple[str, str, dict[str, Any]]] = [
            (method.upper(), path.removeprefix("/api/v1"), operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if operation["operationId"] not in ENDS_THE_GAME
        ]


@pytest.fixture(scope="module", params=["lin", "boss"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, template: Template) -> Iterator[World]:
    home = template.copy_to(tmp_path_factory.mktemp("any") / "home")
    with installation(home) as installed:
        app = create_app(installed.services, secret_key=SECRET_KEY)
        yield World(Api(app.test_client(), template.tokens[request.param]))


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_bytes_anywhere_have_an_answer(world: World, data: st.DataObject) -> None:
    method, path, operation = data.draw(st.sampled_from(world.operations))
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            name = parameter["name"]
            known = st.just(world.ids[name]) if name in world.ids else LINE
            path = path.replace(f"{{{name}}}", quote(data.draw(known | LINE), safe="") or "x")
    headers = {"Idempotency-Key": data.draw(HEADER), "X-Request-ID": data.draw(HEADER), "X-Organization": data.draw(HEADER)}
    headers = {name: value.strip() for name, value in headers.items() if value.strip()}
    if data.draw(st.integers(0, 9)) == 0:
        headers["Authorization"] = data.draw(HEADER | HEADER.map("Bearer {}".format))
    query = data.draw(st.dictionaries(LINE, LINE, max_size=2))
    answer = world.api.ask(method, path, headers=headers, query_string=query, data=data.draw(BODY))
    assert answer.status_code < 500 or answer.status_code == 503, answer.text
    if answer.status_code >= 400:
        assert answer.content_type == "application/problem+json"
        assert set(answer.get_json()) - {"errors"} == PROBLEM
