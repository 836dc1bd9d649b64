"""What ``pages.py`` measures with: a client that asks, pages that listen, and what came of it."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

import h11
from pages_school import Viewer

ANSWER_SECONDS = 60.0


@dataclass
class Measured:
    """What came of a phase: milliseconds of the answers of each kind, of the events' delays, and what went wrong."""

    answers: dict[str, list[float]] = field(default_factory=lambda: {"form": [], "password": [], "home": [], "card": []})
    delays: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    signed_in: int = 0
    cpu_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def pages(self) -> list[float]:
        """Answers to those who want to see something: forms, lists, cards. Without the passwords, which cost argon2."""
        return [value for kind in ("form", "home", "card") for value in self.answers[kind]]

    @property
    def pages_of_newcomers(self) -> list[float]:
        """Those that there are with open pages and without."""
        return self.answers["form"] + self.answers["home"]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, whole."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


class Client:
    """Asks one Yunzhuo, with a connection for each request."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def ask(self, method: str, path: str, cookie: str = "", body: bytes = b"", **headers: str) -> Answer:
        """One request. Raises OSError, TimeoutError, h11.RemoteProtocolError."""
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                sender = h11.Connection(h11.CLIENT)
                all_headers = {"Host": f"localhost:{self.port}", "Connection": "close", "Content-Length": str(len(body))}
                all_headers |= {"Cookie": cookie} if cookie else {}
                all_headers |= {name.replace("_", "-"): value for name, value in headers.items()}
                request = h11.Request(method=method, target=path, headers=list(all_headers.items()))
                writer.write((sender.send(request) or b"") + body)
                raw = await reader.read(-1)
            finally:
                writer.close()
        receiver = h11.Connection(h11.CLIENT)
        receiver.send(h11.Request(method=method, target=path, headers=[("Host", "localhost")]))
        receiver.send(h11.EndOfMessage())
        receiver.receive_data(raw)
        receiver.receive_data(b"")
        status, found, parts = 0, {}, []
        while not isinstance(event := receiver.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
            if isinstance(event, h11.Response):
                status, found = event.status_code, dict(event.headers)
            elif isinstance(event, h11.Data):
                parts.append(bytes(event.data))
        return Answer(status, found, b"".join(parts))


class OpenPage(asyncio.Protocol):
    """A page's stream of events. What comes is measured, and the card of a page's own desktop fetched again."""

    def __init__(self, client: Client, viewer: Viewer, last_id: str, opened: "asyncio.Future[int]") -> None:
        self._client = client
        self._viewer = viewer
        self._last_id = last_id
        self._opened = opened
        self._http = h11.Connection(h11.CLIENT)
        self._text = b""
        self._fetching: asyncio.Task[None] | None = None
        self._again = False
        self._is_closing = False
        self.measured: Measured | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        headers = [("Host", f"localhost:{self._client.port}"), ("Cookie", self._viewer.cookie), ("Accept", "text/event-stream")]
        request = h11.Request(method="GET", target=f"/events?last_event_id={self._last_id}", headers=headers)
        transport.write((self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b""))

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        while (event := self._http.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.Response) and not self._opened.done():
                self._opened.set_result(event.status_code)
            elif isinstance(event, h11.Data):
                *messages, self._text = (self._text + bytes(event.data)).split(b"\n\n")
                for message in messages:
                    self._told(message)
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                self.transport.close()
                return

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._opened.done():
            self._opened.set_exception(RuntimeError("the stream was cut before it began"))
        elif self.measured is not None and not self._is_closing:
            self.measured.failures.append("a stream was cut")

    async def close(self) -> None:
        """The page is left; what it was about to fetch is waited for."""
        self._is_closing = True
        if self._fetching is not None:
            await self._fetching
        self.transport.close()

    def _told(self, message: bytes) -> None:
        lines = dict(line.split(b": ", 1) for line in message.split(b"\n") if b": " in line)
        if self.measured is None or lines.get(b"event") != b"desktop.changed":
            return
        at = datetime.fromisoformat(json.loads(lines[b"data"])["at"]).timestamp()
        self.measured.delays.append((time.time() - at) * 1000)
        if self._viewer.desktop_id is None or self._is_closing:
            return
        self._again = True
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        """As the page's script does: one fetch at a time; what changes meanwhile is one more together."""
        while self._again and self.measured is not None:
            self._again = False
            path = f"/desktops/{self._viewer.desktop_id}/card"
            await timed(self.measured, "card", 200, time.monotonic(), self._client, "GET", path, self._viewer.cookie)


async def timed(
    measured: Measured,
    kind: str,
    status: int,
    due: float,
    client: Client,
    method: str,
    path: str,
    cookie: str = "",
    body: bytes = b"",
    **headers: str,
) -> Answer | None:
    """One request that was ``due`` (monotonic seconds) and has to be answered with ``status``; None when it was not.

    What is given up counts as a failure, and with the time it had: it would have taken longer.
    """
    try:
        answer = await client.ask(method, path, cookie, body, **headers)
    except (OSError, TimeoutError, h11.RemoteProtocolError, asyncio.CancelledError) as error:
        measured.failures.append(f"{method} {path}: {error!r}")
        if isinstance(error, asyncio.CancelledError):
            measured.answers.setdefault(kind, []).append((time.monotonic() - due) * 1000)
            raise
        return None
    if answer.status != status:
        measured.failures.append(f"{method} {path}: {answer.status}")
        return None
    measured.answers.setdefault(kind, []).append((time.monotonic() - due) * 1000)
    return answer
