"""Files of any size on their way through the web process, a piece at a time.

A client sends or gets a file in one request; Flask sees a request a piece. So no file is ever held whole, no thread waits for
a slow client, and a right that is withdrawn ends a transfer with the next piece.
"""

import asyncio
import json
import re
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.web.file_pieces import ARCHIVE_NAME
from yunzhuo.webkit.asgi import App, Message, RawHeaders, Receive, Scope, Send, header, send_problem, until_disconnect
from yunzhuo.webkit.intake import TOO_SLOW
from yunzhuo.webkit.request_ids import HEADER, sane_or_new

log = get_logger()

_FILE = re.compile(r"(?:/api/v1)?/desktops/[^/]+/files/[^/]+")
_ARCHIVE = re.compile(r"(?:/api/v1)?/desktops/[^/]+/" + re.escape(ARCHIVE_NAME))
_RANGE = re.compile(rb"bytes (\d+)-(\d+)/(\d+)")
# As long as a body takes at most (intake.py), twice: a piece is as large, and lines are slow at times.
_PIECE_SECONDS = 60.0
_KEPT_BACK = frozenset({b"content-length", b"content-range"})


class TransferBroken(Exception):
    """A file ended or changed under our hands: what was sent so far is not it, and the connection has to say so."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the application said to one piece."""

    status: int
    headers: RawHeaders
    body: bytes

    @property
    def size_bytes(self) -> int | None:
        """The whole file's size, when this is only a piece of it."""
        found = next((_RANGE.fullmatch(value) for name, value in self.headers if name.lower() == b"content-range"), None)
        return int(found[3]) if found and self.status == HTTPStatus.PARTIAL_CONTENT else None


class Transfers:
    """Stands before the application: whole files become requests for pieces, everything else passes."""

    def __init__(self, app: App, *, piece_bytes: int, piece_seconds: float = _PIECE_SECONDS) -> None:
        self._app = app
        self._piece_bytes = piece_bytes
        self._piece_seconds = piece_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        if method == "PUT" and _FILE.fullmatch(path) and header(scope, b"content-range") is None:
            try:
                await self._take(scope, receive, send)
            except TimeoutError:
                await send_problem(send, TOO_SLOW, sane_or_new(header(scope, HEADER.lower().encode())))
        elif method == "GET" and _FILE.fullmatch(path) and header(scope, b"range") is None:
            await self._unless_left(self._give(scope, send), receive)
        elif method == "GET" and _ARCHIVE.fullmatch(path):
            await self._unless_left(self._give_archive(scope, send), receive)
        else:
            await self._app(scope, receive, send)

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        declared = header(scope, b"content-length")
        size = int(declared) if declared is not None else None
        offset = 0
        async for piece, is_last in self._pieces(receive):
            known = offset + len(piece) if is_last else size
            place = f"bytes {offset}-{offset + len(piece) - 1}/{'*' if known is None else known}"
            answer = await self._ask(scope, body=piece, headers={b"content-range": place} if piece else {})
            if is_last or answer.status != HTTPStatus.ACCEPTED:
                await _send(send, answer.status, answer.headers, answer.body)
                return
            offset += len(piece)

    async def _pieces(self, receive: Receive) -> AsyncIterator[tuple[bytes, bool]]:
        """The body in pieces, each with whether it is the last. Nothing more comes when the client leaves.

        Raises TimeoutError when a piece takes too long.
        """
        waiting, is_all = bytearray(), False
        while not is_all:
            async with asyncio.timeout(self._piece_seconds):
                # One byte more than a piece: only then it is known that another one follows.
                while len(waiting) <= self._piece_bytes and not is_all:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    waiting += message.get("body", b"")
                    is_all = not message.get("more_body", False)
            while len(waiting) > self._piece_bytes:
                yield bytes(waiting[: self._piece_bytes]), False
                del waiting[: self._piece_bytes]
        yield bytes(waiting), True

    async def _give(self, scope: Scope, send: Send) -> None:
        first = await self._ask(scope, headers={b"range": self._range(0)})
        size = first.size_bytes
        if size is None:
            await _send(send, first.status, first.headers, first.body)
            return
        kept = [(name, value) for name, value in first.headers if name.lower() not in _KEPT_BACK]
        await _start(send, HTTPStatus.OK, [*kept, (b"content-length", str(size).encode())])
        async for piece in self._rest(scope, first, size):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _rest(self, scope: Scope, first: _Answer, size: int) -> AsyncIterator[bytes]:
        """The first piece and all that follow. Raises TransferBroken when they do not make up one file."""
        answer, offset = first, 0
        while True:
            yield answer.body
            offset += len(answer.body)
            if offset >= size:
                return
            answer = await self._ask(scope, headers={b"range": self._range(offset)})
            if answer.size_bytes != size or not answer.body:
                raise TransferBroken

    async def _give_archive(self, scope: Scope, send: Send) -> None:
        listing = await self._ask(scope)
        if listing.status != HTTPStatus.OK:
            await _send(send, listing.status, listing.headers, listing.body)
            return
        await _start(
            send,
            HTTPStatus.OK,
            [(b"content-type", b"application/zip"), (b"content-disposition", b'attachment; filename="Downloads.zip"')]
            + [(name, value) for name, value in listing.headers if name.lower() not in {*_KEPT_BACK, b"content-type"}],
        )
        async for part in self._archived(scope, json.loads(listing.body)["items"]):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _archived(self, scope: Scope, files: list[dict[str, Any]]) -> AsyncIterator[bytes]:
        """A zip file of these, stored as they are, while they come."""
        sink = _Sink()
        folder = scope["path"].removesuffix(ARCHIVE_NAME)
        with zipfile.ZipFile(sink, "w") as archive:  # type: ignore[call-overload]  # it needs write and flush, no more
            for file in files:
                place = {**scope, "path": f"{folder}files/{file['name']}"}
                first = await self._ask(place, headers={b"range": self._range(0)})
                if first.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
                    raise TransferBroken
                size = first.size_bytes or len(first.body)
                with archive.open(_entry(file, size), "w") as entry:
                    async for piece in self._rest(place, first, size):
                        entry.write(piece)
                        yield sink.take()
        yield sink.take()

    def _range(self, offset: int) -> str:
        return f"bytes={offset}-{offset + self._piece_bytes - 1}"

    async def _ask(self, scope: Scope, *, body: bytes = b"", headers: dict[bytes, str] | None = None) -> _Answer:
        """One request of the same asker for a piece."""
        dropped = {b"content-length", b"transfer-encoding", b"expect"}
        kept = [(name, value) for name, value in scope["headers"] if name not in dropped]
        added = [(name, value.encode()) for name, value in (headers or {}).items()]
        inner = {**scope, "headers": [*kept, *added, (b"content-length", str(len(body)).encode())]}
        said: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: Message) -> None:
            said.append(message)

        await self._app(inner, receive, keep)
        start, *parts = said
        return _Answer(start["status"], list(start["headers"]), b"".join(part["body"] for part in parts))

    async def _unless_left(self, giving: Any, receive: Receive) -> None:
        """Give, but not to somebody who has gone."""
        task = asyncio.ensure_future(giving)
        leaving = asyncio.ensure_future(until_disconnect(receive))
        try:
            await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
        except TransferBroken:
            log.warning("transfer_broken")
            raise
        finally:
            for each in (task, leaving):
                each.cancel()
            await asyncio.gather(task, leaving, return_exceptions=True)


class _Sink:
    """What zipfile writes to; taken away piece by piece."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def write(self, data: bytes) -> int:
        self._waiting += data
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def take(self) -> bytes:
        taken = bytes(self._waiting)
        self._waiting.clear()
        return taken


def _entry(file: dict[str, Any], size: int) -> zipfile.ZipInfo:
    moment = datetime.fromisoformat(file["modified_at"])
    year = min(max(moment.year, 1980), 2107)  # what a zip file can say
    info = zipfile.ZipInfo(file["name"], (year, moment.month, moment.day, moment.hour, moment.minute, moment.second))
    info.file_size = size
    return info


async def _start(send: Send, status: int, headers: RawHeaders) -> None:
    await send({"type": "http.response.start", "status": int(status), "headers": headers})


async def _send(send: Send, status: int, headers: RawHeaders, body: bytes) -> None:
    await _start(send, status, headers)
    await send({"type": "http.response.body", "body": body, "more_body": False})
