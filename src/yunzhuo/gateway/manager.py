"""The way to the manager: JSON over HTTP/1.1 on connections that are kept, with the gateway's own key.

``httptools`` reads the answers; connections are ours. A general client costs ten times as much for each ticket (decisions 22
and 33).
"""

import asyncio
import json
import ssl
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, cast
from urllib.parse import urlsplit

import httptools

from yunzhuo import __version__
from yunzhuo.gateway.config import GatewayConfig

_CONNECTIONS: Final = 32
_ANSWER_MAX_BYTES: Final = 1024 * 1024
_HEAD_MAX_BYTES: Final = 16384
# Shorter than any server of ours keeps an idle connection, so that none is used at the moment it is closed.
_KEPT_SECONDS: Final = 2.0
_PORTS: Final = {"http": 80, "https": 443}


class ManagerAway(Exception):
    """No sound answer from the manager; ``str`` says in a word what was wrong, and nothing of what was sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the manager said."""

    status: int
    body: bytes
    content_type: str = "application/octet-stream"

    @property
    def is_good(self) -> bool:
        """Whether it did what it was asked."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_refusal(self) -> bool:
        """Whether asking again changes nothing."""
        return HTTPStatus.BAD_REQUEST <= self.status < HTTPStatus.INTERNAL_SERVER_ERROR


class ManagerLink:
    """Asks the manager. It goes straight there, whatever proxy the environment names."""

    def __init__(self, config: GatewayConfig, key: str) -> None:
        parts = urlsplit(config.manager_url)
        self._host = parts.hostname or ""
        self._port = parts.port or _PORTS[parts.scheme]
        self._path = parts.path.rstrip("/")
        self._tls = ssl.create_default_context(cafile=config.manager_ca_file or None) if parts.scheme == "https" else None
        self._fixed = (f"Host: {parts.netloc}", f"User-Agent: yunzhuo-gateway/{__version__} ({config.name})")
        self._key = key
        self._timeout_seconds = config.limits.redeem_timeout_seconds
        self._idle: deque[_Connection] = deque()
        self._room = asyncio.Semaphore(_CONNECTIONS)

    def show_key(self, key: str) -> None:
        """Show another key from now on."""
        self._key = key

    async def post(self, path: str, body: Mapping[str, object], *, timeout_seconds: float | None = None) -> Answer:
        """Asks once. Raises ManagerAway when there is no answer in time."""
        headers = [("Content-Type", "application/json"), ("Authorization", f"Bearer {self._key}")]
        return await self.send("POST", path, headers, json.dumps(body).encode(), timeout_seconds=timeout_seconds)

    async def send(
        self,
        method: str,
        path: str,
        headers: Sequence[tuple[str, str]],
        content: bytes,
        *,
        timeout_seconds: float | None = None,
    ) -> Answer:
        """Asks once, in whoever's name ``headers`` say. Raises ManagerAway when there is no answer in time."""
        question = _head(
            f"{method} {self._path}{path} HTTP/1.1",
            *self._fixed,
            *(f"{name}: {value}" for name, value in headers),
            f"Content-Length: {len(content)}",
        )
        try:
            async with asyncio.timeout(timeout_seconds or self._timeout_seconds), self._room:
                connection = await self._connection()
                try:
                    answer = await connection.ask(question + content)
                except BaseException:  # a cancelled question, too, leaves a connection that nobody can use
                    connection.close()
                    raise
        except (OSError, httptools.HttpParserError) as error:  # TimeoutError is an OSError
            raise ManagerAway(type(error).__name__) from error
        if connection.can_be_kept:
            connection.kept_at = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def close(self) -> None:
        """Closes what is kept."""
        while self._idle:
            self._idle.pop().close()

    async def _connection(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        oldest = loop.time() - _KEPT_SECONDS
        while self._idle and self._idle[0].kept_at < oldest:
            self._idle.popleft().close()
        while self._idle:
            kept = self._idle.pop()
            if kept.can_be_kept:
                return kept
        _, made = await loop.create_connection(_Connection, self._host, self._port, ssl=self._tls)
        return made


def _head(*lines: str) -> bytes:
    """The head of a request. Raises ManagerAway where one of the lines would be two."""
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1 or "\0" in text:
        raise ManagerAway("impossible_header")
    return text.encode("latin-1") + b"\r\n\r\n"


class _Connection(asyncio.Protocol):
    """One connection, one question at a time. What ``httptools`` finds in an answer it tells with the methods ``on_...``."""

    def __init__(self) -> None:
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._answered: asyncio.Future[Answer] | None = None
        self._status = 0
        self._content_type = b""
        self._body = bytearray()
        self._head_bytes = 0
        self._may_be_kept = True
        self.kept_at = 0.0

    @property
    def can_be_kept(self) -> bool:
        return self._answered is None and self._may_be_kept and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    async def ask(self, question: bytes) -> Answer:
        if self._transport.is_closing():
            raise ConnectionResetError
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(question)
        answer = await self._answered
        self._answered = None
        return answer

    def close(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._answered is None or self._answered.done() or self._parser is None:
            self._transport.abort()  # nobody has asked
            return
        self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
            if self._head_bytes > _HEAD_MAX_BYTES and not self._status:
                raise httptools.HttpParserError("the head of the answer is too long")
            if len(self._body) > _ANSWER_MAX_BYTES:
                raise httptools.HttpParserError("the answer is too long")
        except httptools.HttpParserError as error:
            self._fail(error)

    def connection_lost(self, error: Exception | None) -> None:
        """An answer that only the connection's end would end cannot be told from half of one: it counts as none."""
        self._parser = None
        self._fail(ConnectionResetError())

    def on_message_begin(self) -> None:
        self._status = 0
        self._content_type = b"application/octet-stream"
        self._body.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-type":
            self._content_type = value

    def on_headers_complete(self) -> None:
        if self._parser is not None:
            self._status = self._parser.get_status_code()
            self._may_be_kept = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._status < HTTPStatus.OK or self._answered is None:
            return  # an interim answer: the real one follows
        if self._answered.done():
            self._may_be_kept = False  # two answers to one question
            return
        self._head_bytes = 0
        self._answered.set_result(Answer(self._status, bytes(self._body), self._content_type.decode("latin-1")))

    def _fail(self, error: Exception) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error)
