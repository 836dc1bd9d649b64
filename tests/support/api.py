"""The API asked as programs ask it, in one process: the real application and a real installation below it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from tests.support.installation import PASSWORD, Installation, copy_home, installation
from werkzeug.test import TestResponse

from yunzhuo.services.access import Actor, Role

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


@dataclass(frozen=True)
class Template:
    """An installation with a few people, made once and copied for each test: neither is what these tests are about."""

    home: Path
    tokens: Mapping[str, str]

    def copy_to(self, home: Path) -> Path:
        """The folder of an installation of one's own."""
        return copy_home(self.home, home)


def make_template(home: Path) -> Template:
    """Make the installation; its people are lin, mei and the operator boss."""
    with installation(home) as made:
        people = {"lin": Role.USER, "mei": Role.USER, "boss": Role.OPERATOR}
        tokens = {}
        for name, role in people.items():
            person = made.person(name, role)
            granted = made.services.tokens.create_with_password(person.email, PASSWORD, client_address="192.0.2.7")
            tokens[name] = granted.secret
    return Template(home, tokens)


def known(yunzhuo: Installation, name: str) -> Actor:
    """One of the people of an installation that was copied, as the one who asks."""
    return yunzhuo.services.accounts.by_email(f"{name}@school.local").actor(client_address="192.0.2.7")
