"""Clipboard and files over the API, whole files through what the web process puts before the application."""

import io
import os
import zipfile
from collections.abc import Iterable
from typing import cast

import pytest
from a2wsgi import WSGIMiddleware
from flask import Flask
from tests.support.api import Api, Template, known, problem
from tests.support.asgi import Conversation
from tests.support.installation import Installation

from yunzhuo.web.transfers import Transfers
from yunzhuo.webkit.asgi import App
from yunzhuo.webkit.intake import Intake

# Files of some size are carried.
pytestmark = pytest.mark.slow

PIECE = 64 * 1024


@pytest.fixture
def desktop_id(yunzhuo: Installation, lin: Api) -> str:
    return yunzhuo.available(known(yunzhuo, "lin"))


class Front:
    """The application as the web process serves it, with small pieces."""

    def __init__(self, app: Flask, token: str) -> None:
        threads = cast(App, WSGIMiddleware(cast("object", app), workers=2))  # type: ignore[arg-type]  # its types name every key
        self.app = Transfers(Intake(threads, max_body_bytes=PIECE), piece_bytes=PIECE)
        self.headers = {"Authorization": f"Bearer {token}"}

    async def ask(
        self, method: str, path: str, parts: Iterable[bytes] = (), headers: dict[str, str] | None = None
    ) -> Conversation:
        talk = Conversation(self.app, method, f"/api/v1{path}", {**self.headers, **(headers or {})})
        if method == "PUT":
            talk.say(parts)
        await talk.end()
        return talk


@pytest.fixture
def front(app: Flask, template: Template) -> Front:
    return Front(app, template.tokens["lin"])


def test_the_clipboard_goes_both_ways(lin: Api, mei: Api, boss: Api, desktop_id: str) -> None:
    path = f"/desktops/{desktop_id}/clipboard"
    assert lin.ask("PUT", path, json={"text": "粘贴\n"}).status_code == 204
    assert lin.get(path).get_json() == {"text": "粘贴\n"}
    problem(lin.ask("PUT", path, json={"text": 7}), 422, "invalid_input")
    problem(mei.get(path), 404, "desktop_not_found")
    problem(mei.ask("PUT", path, json={}), 404, "desktop_not_found")
    problem(boss.get(path), 403, "forbidden")


def test_a_small_file_in_one_request_and_a_larger_one_in_pieces(lin: Api, desktop_id: str) -> None:
    files = f"/desktops/{desktop_id}/files"
    answer = lin.ask("PUT", f"{files}/课 1.txt", data=b"hello")
    assert answer.status_code == 201
    assert (answer.get_json()["name"], answer.get_json()["size_bytes"]) == ("课 1.txt", 5)
    assert lin.ask("PUT", f"{files}/two", data=b"12345", headers={"Content-Range": "bytes 0-4/*"}).status_code == 202
    assert lin.ask("PUT", f"{files}/two", data=b"67", headers={"Content-Range": "bytes 5-6/7"}).status_code == 201
    assert [each["name"] for each in lin.get(files).get_json()["items"]] == ["two", "课 1.txt"]
    whole = lin.get(f"{files}/课 1.txt")
    assert (whole.status_code, whole.data) == (200, b"hello")
    assert whole.headers["Content-Disposition"].startswith("attachment;")
    piece = lin.get(f"{files}/two", headers={"Range": "bytes=5-"})
    assert (piece.status_code, piece.data, piece.headers["Content-Range"]) == (206, b"67", "bytes 5-6/7")


def test_what_is_refused_says_why(lin: Api, desktop_id: str) -> None:
    files = f"/desktops/{desktop_id}/files"
    problem(lin.ask("PUT", f"{files}/.hidden", data=b""), 422, "bad_file_name")
    problem(lin.get(f"{files}/missing"), 404, "guest_file_not_found")
    problem(lin.ask("PUT", f"{files}/x", data=b"123", headers={"Content-Range": "bytes 0-1/2"}), 422, "invalid_input")
    lin.ask("PUT", f"{files}/x", data=b"123")
    problem(lin.get(f"{files}/x", headers={"Range": "bytes=9-"}), 416, "requested_range_not_satisfiable")
    assert lin.ask("PUT", f"{files}/half", data=b"1", headers={"Content-Range": "bytes 0-0/9"}).status_code == 202
    assert lin.delete(f"/desktops/{desktop_id}/uploads/half").status_code == 204
    late = lin.ask("PUT", f"{files}/half", data=b"2", headers={"Content-Range": "bytes 1-1/9"})
    problem(late, 404, "guest_file_not_found")


@pytest.mark.parametrize("size", [0, 1, PIECE, 3 * PIECE + 17])
@pytest.mark.parametrize("is_declared", [True, False])
async def test_a_whole_file_there_and_back(front: Front, desktop_id: str, size: int, is_declared: bool) -> None:
    content, path = os.urandom(size), f"/desktops/{desktop_id}/files/whole.bin"
    framing = {"Content-Length": str(size)} if is_declared else {"Transfer-Encoding": "chunked"}
    parts = [content[at : at + 10_000] for at in range(0, size, 10_000)]
    assert (await front.ask("PUT", path, parts, framing)).status == 201
    back = await front.ask("GET", path)
    assert (back.status, back.body) == (200, content)


async def test_the_folder_is_a_zip_file(front: Front, desktop_id: str) -> None:
    contents = {"a.bin": os.urandom(2 * PIECE + 5), "课.txt": "你好".encode(), "empty": b""}
    for name, content in contents.items():
        await front.ask("PUT", f"/desktops/{desktop_id}/files/{name}", [content], {"Content-Length": str(len(content))})
    answer = await front.ask("GET", f"/desktops/{desktop_id}/files.zip")
    assert answer.status == 200
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == contents


async def test_a_refusal_comes_before_the_whole_file_does(front: Front, desktop_id: str) -> None:
    talk = Conversation(front.app, "PUT", f"/api/v1/desktops/{desktop_id}/files/x", {"Content-Length": str(10 * PIECE)})
    talk.say([bytes(PIECE + 1)], is_all=False)
    await talk.end()
    assert talk.status == 401
    assert (await front.ask("GET", f"/desktops/{desktop_id}/files.zip", headers={"Authorization": "Bearer no"})).status == 401


def test_a_thumbnail_is_sent_only_when_it_is_another(lin: Api, mei: Api, boss: Api, desktop_id: str) -> None:
    path = f"/desktops/{desktop_id}/thumbnail"
    first = lin.get(path)
    assert (first.status_code, first.mimetype) == (200, "image/jpeg")
    assert first.data.startswith(b"\xff\xd8")
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = lin.ask("GET", path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    problem(mei.get(path), 404, "desktop_not_found")
    problem(boss.get(path), 403, "forbidden")
