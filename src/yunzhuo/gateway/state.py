"""What the connections of one worker share."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from yunzhuo.gateway.config import GatewayConfig
from yunzhuo.gateway.metrics import Counters, Slot
from yunzhuo.gateway.reports import Ended
from yunzhuo.gateway.screen import OpenScreen


class Connection(Protocol):
    """What a worker may do to any connection, in whatever stage it is."""

    def tick(self) -> None:
        """A tick of the worker's clock has passed."""

    def stop(self) -> None:
        """The gateway stops: say so to the peer and close."""

    def abort(self) -> None:
        """Close without another word."""


@dataclass(frozen=True, slots=True)
class SessionName:
    """Who is connected to what; kept as long as the session, and so without any secret."""

    session_id: str
    user_id: str
    desktop_id: str
    client_address: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """A ticket that was good, and the screen that it leads to."""

    name: SessionName
    screen: OpenScreen


class Admit(Protocol):
    """From a ticket to an open screen. Raises RequestRefused."""

    async def __call__(self, ticket: str, *, client_address: str) -> Admitted: ...


class ReportEnd(Protocol):
    """Takes note that a session has ended, for the log and for the manager."""

    def __call__(self, name: SessionName, ended: Ended) -> None: ...


@dataclass(slots=True)
class WorkerState:
    """The connections of one worker, their settings, and where they go on to."""

    config: GatewayConfig
    allowed_origins: frozenset[str]
    counters: Counters
    admit: Admit
    report_end: ReportEnd
    tick_seconds: float
    connections: set[Connection] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    stopping: bool = False
    on_empty: Callable[[], None] = lambda: None

    def ticks(self, seconds: float) -> int:
        """How many ticks make at least ``seconds``."""
        return max(1, -int(-seconds // self.tick_seconds))

    def add(self, connection: Connection) -> None:
        self.connections.add(connection)
        self.counters.add(Slot.CONNECTIONS)
        self.counters.add(Slot.CONNECTIONS_OPEN)

    def replace(self, connection: Connection, successor: Connection) -> None:
        """The same peer goes on as ``successor``."""
        self.connections.remove(connection)
        self.connections.add(successor)

    def remove(self, connection: Connection) -> None:
        self.connections.remove(connection)
        self.counters.add(Slot.CONNECTIONS_OPEN, -1)
        if not self.connections:
            self.on_empty()
