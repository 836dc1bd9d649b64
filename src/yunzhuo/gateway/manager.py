"""The way to the manager: JSON over HTTP/1.1 on connections that are kept, with the gateway's own key.

``h11`` speaks the protocol; connections are ours. A general client costs ten times as much for each ticket (decision 22).
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

import h11

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
        self._fixed = [
            ("Host", parts.netloc),
            ("User-Agent", f"yunzhuo-gateway/{__version__} ({config.name})"),
        ]
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
        fields = [*self._fixed, *headers, ("Content-Length", str(len(content)))]
        request = h11.Request(method=method, target=self._path + path, headers=fields)
        try:
            async with asyncio.timeout(timeout_seconds or self._timeout_seconds), self._room:
                connection = await self._connection()
                try:
                    answer = await connection.ask(request, content)
                except BaseException:  # a cancelled question, too, leaves a connection that nobody can use
                    connection.close()
                    raise
        except (OSError, h11.ProtocolError) as error:  # TimeoutError is an OSError
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


class _Connection(asyncio.Protocol):
    """One connection, one question at a time."""

    def __init__(self) -> None:
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_MAX_BYTES)
        self._answered: asyncio.Future[Answer] | None = None
        self._status = 0
        self._content_type = ""
        self._body = bytearray()
        self.kept_at = 0.0

    @property
    def can_be_kept(self) -> bool:
        return self._h11.our_state is h11.IDLE and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    async def ask(self, request: h11.Request, content: bytes) -> Answer:
        self._answered = asyncio.get_running_loop().create_future()
        self._status = 0
        self._body.clear()
        if self._transport.is_closing():
            raise ConnectionResetError
        said = (self._h11.send(request), self._h11.send(h11.Data(content)), self._h11.send(h11.EndOfMessage()))
        self._transport.write(b"".join(part for part in said if part))
        answer = await self._answered
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        return answer

    def close(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._take(data)

    def eof_received(self) -> None:
        self._take(b"")

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(ConnectionResetError())

    def _take(self, data: bytes) -> None:
        if self._answered is None or self._answered.done():
            self._transport.abort()  # nobody has asked
            return
        try:
            self._h11.receive_data(data)
            while (event := self._h11.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Response):
                    self._status = event.status_code
                    named = (value for name, value in event.headers if name == b"content-type")
                    self._content_type = next(named, b"application/octet-stream").decode("latin-1")
                elif isinstance(event, h11.Data):
                    self._body += event.data
                    if len(self._body) > _ANSWER_MAX_BYTES:
                        raise h11.RemoteProtocolError("the answer is too long")
                elif isinstance(event, h11.EndOfMessage):
                    self._answered.set_result(Answer(self._status, bytes(self._body), self._content_type))
                    return
                elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                    raise h11.RemoteProtocolError("the connection was closed")
        except h11.ProtocolError as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error)
