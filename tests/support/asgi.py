"""Talking to an ASGI application directly: what a server would say to it, step by step."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

from yunzhuo.webkit.asgi import App, Message


class Conversation:
    """One request. The body is what :meth:`say` says; what is answered is in :attr:`messages`."""

    def __init__(self, app: App, method: str, path: str, headers: dict[str, str] | None = None, query: str = "") -> None:
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": raw,
            "client": ("192.0.2.7", 4711),
            "server": ("localhost", 8080),
        }
        self.messages: list[Message] = []
        self._heard: asyncio.Queue[Message] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._task = asyncio.create_task(self._run(app))

    async def _run(self, app: App) -> None:
        try:
            await app(self.scope, self._heard.get, self._send)
        finally:
            self._changed.set()

    async def _send(self, message: Message) -> None:
        await self._writable.wait()
        self.messages.append(message)
        self._changed.set()

    def say(self, parts: Iterable[bytes], *, is_all: bool = True) -> None:
        """Send these parts of the body; the last one ends it unless more will come."""
        listed = list(parts) or [b""]
        for index, part in enumerate(listed):
            is_last = is_all and index == len(listed) - 1
            self._heard.put_nowait({"type": "http.request", "body": part, "more_body": not is_last})

    def leave(self) -> None:
        """The client goes away."""
        self._heard.put_nowait({"type": "http.disconnect"})

    def stop_reading(self) -> None:
        """The client takes nothing more for now."""
        self._writable.clear()

    def go_on_reading(self) -> None:
        """The client reads again."""
        self._writable.set()

    @property
    def status(self) -> int:
        """The answer's status."""
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        """The answer's headers."""
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        """What has been answered so far."""
        return b"".join(message["body"] for message in self.messages[1:])

    async def until(self, words: str, *, timeout_seconds: float = 30) -> str:
        """Wait until the answer has these words; answers all of it."""
        async with asyncio.timeout(timeout_seconds):
            while words.encode() not in self.body:
                assert not self._task.done(), self.messages
                self._changed.clear()
                await self._changed.wait()
        return self.body.decode()

    async def end(self, *, timeout_seconds: float = 30) -> None:
        """Wait until the application has said all."""
        async with asyncio.timeout(timeout_seconds):
            await asyncio.shield(self._task)

    async def give_up(self) -> None:
        """Cancel the application, as a server does that must end."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
