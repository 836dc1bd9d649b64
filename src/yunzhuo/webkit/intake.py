"""Keeps slow clients from worker threads: a request is there whole, and within bounds, before it gets one, and the answer
is there whole before the client begins to read it."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

from yunzhuo.webkit.asgi import App, Message, RawHeaders, Receive, Scope, Send, header, send_problem
from yunzhuo.webkit.problems import Problem
from yunzhuo.webkit.request_ids import HEADER, sane_or_new

BODY_SECONDS = 30.0
MAX_HEAD_BYTES = 32 * 1024
TOO_SLOW = Problem(
    HTTPStatus.REQUEST_TIMEOUT,
    "request_timeout",
    "The request did not come in in time.",
    headers={"Connection": "close"},
)
_HEAD_TOO_LARGE = Problem(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large", "The address and headers are larger than what is taken here."
)


@dataclass(frozen=True, slots=True)
class _Body:
    """What came in. ``length`` is more than the limit when the rest was not read."""

    content: bytes
    length: int


class Intake:
    """Hands an application (Flask, in a thread) requests whose bodies are there already, and sends what it answered.

    To hold an answer costs as much memory as the largest page or static file; nothing of ours answers without end here.

    A body larger than ``max_body_bytes`` is not read: the application sees its length and nothing of it, so it can say
    first whether the asker is known at all, and refuses the body when it comes to it.
    """

    def __init__(self, app: App, *, max_body_bytes: int, body_seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = sane_or_new(header(scope, HEADER.lower().encode()))
        if _head_bytes(scope) > MAX_HEAD_BYTES:
            await send_problem(send, _HEAD_TOO_LARGE, request_id)
            return
        try:
            async with asyncio.timeout(self._body_seconds):
                body = await self._take(scope, receive)
        except TimeoutError:
            await send_problem(send, TOO_SLOW, request_id)
            return
        if body is None:
            return

        async def replay() -> Message:
            return {"type": "http.request", "body": body.content, "more_body": False}

        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app({**scope, "headers": _headers(scope["headers"], body.length)}, replay, keep)
        await _send_whole(answer, send)

    async def _take(self, scope: Scope, receive: Receive) -> _Body | None:
        """The body; None when the client left before it was here."""
        declared = header(scope, b"content-length")
        if declared is not None and int(declared) > self._max_body_bytes:
            return _Body(b"", int(declared))
        if declared is None and header(scope, b"transfer-encoding") is None:
            return _Body(b"", 0)
        content = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            content += message.get("body", b"")
            if len(content) > self._max_body_bytes:
                return _Body(b"", len(content))
            if not message.get("more_body", False):
                return _Body(bytes(content), len(content))


async def _send_whole(answer: list[Message], send: Send) -> None:
    if not answer:
        return  # the server says that the application said nothing
    start, *parts = answer
    await send(start)
    await send({"type": "http.response.body", "body": b"".join(part["body"] for part in parts), "more_body": False})


def _head_bytes(scope: Scope) -> int:
    """The size of a request's head. The HTTP parser bounds only heads that come in pieces."""
    fields: RawHeaders = scope["headers"]
    return len(scope["raw_path"]) + len(scope["query_string"]) + sum(len(name) + len(value) for name, value in fields)


def _headers(headers: RawHeaders, length: int) -> RawHeaders:
    """The headers with the length that is now known, and without names that WSGI cannot tell from others (a_b, a-b)."""
    framing = {b"content-length", b"transfer-encoding"}
    kept = [(name, value) for name, value in headers if name not in framing and b"_" not in name]
    return [*kept, (b"content-length", str(length).encode())]
