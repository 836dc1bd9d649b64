"""The API asked as programs ask it, in one process: the real application and a real installation below it."""

from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from tests.support.installation import PASSWORD
from werkzeug.test import TestResponse

from yunzhuo.services.access import Actor

SECRET_KEY = "a key that signs the cookies of one test"
PROBLEM = {"type", "title", "status", "detail", "code", "request_id"}


class Api:
    """The API as one person's program sees it; paths begin behind /api/v1."""

    def __init__(self, client: FlaskClient, token: str | None = None) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, **content: Any) -> TestResponse:
        return self.client.open(f"/api/v1{path}", method=method, headers={**self.headers, **(headers or {})}, **content)

    def get(self, path: str, **content: Any) -> TestResponse:
        return self.ask("GET", path, **content)

    def post(self, path: str, **content: Any) -> TestResponse:
        return self.ask("POST", path, **content)

    def patch(self, path: str, **content: Any) -> TestResponse:
        return self.ask("PATCH", path, **content)

    def delete(self, path: str, **content: Any) -> TestResponse:
        return self.ask("DELETE", path, **content)

    def wish(self, **more: str) -> dict[str, str]:
        """The body of a wish for a desktop: the first image, the first flavor."""
        image, flavor = (self.get(path).get_json()["items"][0]["id"] for path in ("/images", "/flavors"))
        return {"image": image, "flavor": flavor, **more}

    def desktop(self, **more: str) -> str:
        """Ask for a desktop; answers its id."""
        answer = self.post("/desktops", json=self.wish(**more))
        assert answer.status_code == 202, answer.text
        return str(answer.get_json()["desktop"]["id"])


def problem(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
    """The problem that an answer tells of, which must be this one."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    members: dict[str, Any] = answer.get_json()
    assert set(members) - {"errors"} == PROBLEM
    assert (members["status"], members["code"]) == (status, code)
    assert members["request_id"] == answer.headers["X-Request-ID"]
    return members


def api_of(app: Flask, person: Actor) -> Api:
    """The API with a token of this person's."""
    client = app.test_client()
    answer = client.post("/api/v1/tokens", json={"email": person.email, "password": PASSWORD})
    return Api(client, answer.get_json()["token"])
