"""Whole files as requests for pieces: what happens when somebody leaves, is slow, or the file changes under our hands."""

import json

import pytest
from tests.support.asgi import Conversation

from yunzhuo.web.file_pieces import ARCHIVE_NAME
from yunzhuo.web.transfers import TransferBroken, Transfers
from yunzhuo.webkit.asgi import Receive, Scope, Send, header

PIECE = 10
PATH = "/desktops/d/files/x"


class Application:
    """Takes pieces, and gives a file out that becomes another one after ``changes_after`` pieces."""

    def __init__(self, *, content: bytes = b"", changes_after: int | None = None) -> None:
        self.content = content
        self.changes_after = changes_after
        self.places: list[str | None] = []
        self.taken = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "PUT":
            self.places.append(header(scope, b"content-range"))
            self.taken += (await receive())["body"]
            is_whole = not (self.places[-1] or "").endswith("*") and len(self.taken) >= int(
                (self.places[-1] or "/0").split("/")[1]
            )
            await answer(send, 201 if is_whole else 202)
            return
        wanted = header(scope, b"range")
        self.places.append(wanted)
        start = int((wanted or "=0-").split("=")[1].split("-")[0])
        size = len(self.content) + (1 if self.changes_after is not None and len(self.places) > self.changes_after else 0)
        piece = self.content[start : start + PIECE]
        await answer(send, 206, piece, f"bytes {start}-{start + len(piece) - 1}/{size}")


async def answer(send: Send, status: int, body: bytes = b"", place: str | None = None) -> None:
    headers = [(b"content-range", place.encode())] if place else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def talk(app: Application, method: str, headers: dict[str, str] | None = None) -> Conversation:
    return Conversation(Transfers(app, piece_bytes=PIECE, piece_seconds=0.2), method, PATH, headers)


@pytest.mark.parametrize("parts", [[b"x" * 25], [b"x"] * 25, [b"x" * 10, b"x" * 10, b"x" * 5, b""]])
async def test_a_body_becomes_pieces_and_the_last_one_is_answered(parts: list[bytes]) -> None:
    app = Application()
    conversation = talk(app, "PUT", {"Content-Length": "25"})
    conversation.say(parts)
    await conversation.end()
    assert conversation.status == 201
    assert app.taken == b"x" * 25
    assert app.places == ["bytes 0-9/25", "bytes 10-19/25", "bytes 20-24/25"]


@pytest.mark.parametrize(("leaves", "statuses"), [(True, []), (False, [408])])
async def test_whoever_leaves_or_is_too_slow_ends_it(leaves: bool, statuses: list[int]) -> None:
    app = Application()
    conversation = talk(app, "PUT", {"Content-Length": "25"})
    conversation.say([b"x" * 15], is_all=False)
    if leaves:
        conversation.leave()
    await conversation.end()
    assert app.taken == b"x" * 10
    assert [message["status"] for message in conversation.messages if "status" in message] == statuses


async def test_a_piece_that_says_where_it_stands_passes_as_it_is() -> None:
    app = Application()
    conversation = talk(app, "PUT", {"Content-Length": "5", "Content-Range": "bytes 5-9/20"})
    conversation.say([b"12345"])
    await conversation.end()
    assert app.places == ["bytes 5-9/20"]


async def test_a_file_is_given_whole_with_its_length() -> None:
    conversation = talk(Application(content=bytes(range(33))), "GET")
    await conversation.end()
    assert (conversation.status, conversation.headers["content-length"]) == (200, "33")
    assert conversation.body == bytes(range(33))


async def test_a_file_that_changes_is_not_ended_as_if_it_were_whole() -> None:
    conversation = talk(Application(content=bytes(33), changes_after=2), "GET")
    with pytest.raises(TransferBroken):
        await conversation.end()
    assert conversation.messages[-1]["more_body"]


class Folder:
    """Lists two files, of which the second has gone meanwhile."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].endswith("/first"):
            await answer(send, 206, b"first", "bytes 0-4/5")
        elif scope["path"].endswith("/second"):
            await answer(send, 404)
        else:
            items = [{"name": name, "modified_at": "2026-03-02T08:00:00Z"} for name in ("first", "second")]
            await answer(send, 200, json.dumps({"items": items}).encode())


async def test_an_archive_without_a_file_that_it_lists_is_not_ended_as_if_it_were_whole() -> None:
    conversation = Conversation(Transfers(Folder(), piece_bytes=PIECE), "GET", f"/desktops/d/{ARCHIVE_NAME}")
    with pytest.raises(TransferBroken):
        await conversation.end()
    assert conversation.status == 200
    assert b"first" in conversation.body
    assert conversation.messages[-1]["more_body"]


async def test_nothing_is_read_for_somebody_who_has_gone() -> None:
    app = Application(content=bytes(1000))
    conversation = talk(app, "GET")
    conversation.stop_reading()
    conversation.leave()
    await conversation.end()
    assert len(app.places) <= 2
