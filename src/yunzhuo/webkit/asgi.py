"""What stands before and beside Flask speaks ASGI; these are its words."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from yunzhuo.webkit.problems import MEDIA_TYPE, Problem
from yunzhuo.webkit.request_ids import HEADER as REQUEST_ID_HEADER

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeaders = list[tuple[bytes, bytes]]


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of this (lower-case) name."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def raw_headers(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> RawHeaders:
    """Headers as ASGI wants them."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


async def send_problem(send: Send, problem: Problem, request_id: str, headers: Mapping[str, str] | None = None) -> None:
    """Answer with a problem; nothing may have been sent before."""
    body = json.dumps(problem.members(request_id)).encode()
    all_headers = {
        **(headers or {}),
        **problem.headers,
        "Content-Type": MEDIA_TYPE,
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        REQUEST_ID_HEADER: request_id,
    }
    await send({"type": "http.response.start", "status": problem.status, "headers": raw_headers(all_headers)})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def until_disconnect(receive: Receive) -> None:
    """Returns when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
