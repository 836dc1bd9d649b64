"""Each request goes where it is answered, and passwords never take the threads that pages need."""

import pytest
from tests.support.asgi import Conversation

from yunzhuo.web.server import PASSWORD_PATHS, Front
from yunzhuo.webkit.asgi import App, Receive, Scope, Send


def place(name: str) -> App:
    """An application that says its name."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": name.encode(), "more_body": False})

    return answer


@pytest.mark.parametrize(
    ("method", "path", "where"),
    [
        *(("POST", path, "passwords") for path in sorted(PASSWORD_PATHS)),
        ("GET", "/sign-in", "pages"),
        ("POST", "/sign-out", "pages"),
        ("POST", "/desktops", "pages"),
        ("GET", "/events", "streams"),
        ("GET", "/api/v1/events", "streams"),
        ("POST", "/events", "pages"),
    ],
)
async def test_where_a_request_is_answered(method: str, path: str, where: str) -> None:
    front = Front(place("pages"), place("passwords"), place("streams"))
    talk = Conversation(front, method, path)
    await talk.until(where)
    assert talk.body.decode() == where
