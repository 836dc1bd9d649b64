"""A manager for the gateway to ask: an HTTP server with the two internal addresses, tickets that are good once, bad days."""

import asyncio
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.gateway.running import KEY
from tests.gateway.screens import Screen

# Answers a request in its own way: (path, body) -> (status, body), or None to hang up.
Mood = Callable[[str, dict[str, Any]], Awaitable[tuple[int, bytes] | None]]


def session_of(ticket: str) -> str:
    return "session-" + hashlib.sha256(ticket.encode()).hexdigest()[:16]


@dataclass
class StandInManager:
    """Knows the tickets that it issued. ``redeemed`` and ``ended`` hold what the gateway said."""

    port: int = 0
    grants: dict[str, dict[str, Any]] = field(default_factory=dict)
    tickets: list[str] = field(default_factory=list)
    uses: dict[str, int] = field(default_factory=dict)
    redeemed: list[dict[str, Any]] = field(default_factory=list)
    ended: dict[str, dict[str, Any]] = field(default_factory=dict)
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)
    reported: dict[str, Any] = field(default_factory=dict)
    withdrawn: dict[str, str] = field(default_factory=dict)
    keys: set[str] = field(default_factory=lambda: {KEY})
    mood: Mood | None = None
    _told: asyncio.Condition = field(default_factory=asyncio.Condition)
    _server: asyncio.Server | None = None
    _connections: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in tuple(self._connections):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    def issue(
        self,
        screen: Screen,
        *,
        protocol: str = "vnc",
        policy: dict[str, Any] | None = None,
        ends_in_seconds: float | None = None,
        times: int = 1,
        **target: Any,
    ) -> str:
        """A ticket for a session on ``screen``; ``target`` replaces parts of where it stands. ``times``: of how many channels
        of one SPICE session it is the ticket."""
        ticket = secrets.token_urlsafe(32)
        self.tickets.append(ticket)
        self.grants[ticket] = {
            "session_id": session_of(ticket),
            "protocol": protocol,
            "user_id": "user-1",
            "desktop_id": "desktop-1",
            "target": {**screen.target, **target},
            "policy": policy or {},
            "ends_in_seconds": ends_in_seconds,
            "something_new": True,
        }
        self.uses[ticket] = times
        return ticket

    async def end_of(self, ticket: str, timeout_seconds: float = 20) -> dict[str, Any]:
        """What was said of the end of the ticket's session, once it was said."""
        session_id = session_of(ticket)
        async with asyncio.timeout(timeout_seconds), self._told:
            await self._told.wait_for(lambda: session_id in self.ended)
        return self.ended[session_id]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(
                    int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length")
                )
                body = json.loads(await reader.readexactly(length))
                answer = await self._answer(head, body)
                if answer is None:
                    break
                status, said = answer
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(said)) + said)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the gateway hung up, as clients do
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _answer(self, head: str, body: dict[str, Any]) -> tuple[int, bytes] | None:
        path = head.split(" ")[1]
        if path == "/internal/gateway/report":
            self.reported |= body
            self.reports |= {session["id"]: session for session in body["sessions"]}
            return 204, b""
        if path == "/internal/gateway/withdrawn":
            return 200, json.dumps({"withdrawn": self.withdrawn}).encode()
        if self.mood is not None:
            return await self.mood(path, body)
        if not any(f"authorization: bearer {key}".lower() in head.lower() for key in self.keys):
            return 401, b'{"code": "gateway_unknown", "message": "no gateway has this key"}'
        if path == "/internal/gateway/redeem":
            return self._redeem(body)
        assert path == "/internal/gateway/ended"
        for session in body["ended"]:
            self.ended[session.pop("id")] = session
        async with self._told:
            self._told.notify_all()
        return 204, b""

    def _redeem(self, body: dict[str, Any]) -> tuple[int, bytes]:
        self.redeemed.append(body)
        ticket = body["ticket"]
        grant = self.grants.get(ticket)
        if grant is None or not self.uses[ticket]:
            return 403, b'{"code": "ticket_not_good", "message": "This ticket is not good."}'
        self.uses[ticket] -= 1
        return 200, json.dumps(grant).encode()
