"""What the connections of one worker share."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final, Protocol

from yunzhuo.gateway.config import GatewayConfig
from yunzhuo.gateway.metrics import Counters, Slot
from yunzhuo.gateway.pipe import Pipe
from yunzhuo.gateway.protocol.policy import EVERYTHING, Policy
from yunzhuo.gateway.protocol.spice_link import ServerKey, ViewerLink
from yunzhuo.gateway.reports import Ended, Seen
from yunzhuo.gateway.screen import OpenScreen

# The longest header that a WebSocket frame from a server has.
FRAME_HEADER_BYTES: Final = 10
_SCRATCH_BYTES: Final = 256 * 1024
_LITTLE_BYTES: Final = 64 * 1024


class Connection(Protocol):
    """What a worker may do to any connection, in whatever stage it is."""

    def tick(self) -> None:
        """A tick of the worker's clock has passed."""

    def stop(self) -> None:
        """The gateway stops: say so to the peer and close."""

    def abort(self) -> None:
        """Close without another word."""


class OpenSession(Protocol):
    """What the manager's word does to an open session, and what the manager is told of it."""

    def withdraw(self, reason: str) -> None:
        """The right has ended: close both sides now."""

    def seen(self) -> Seen:
        """How it stands at this moment."""


@dataclass(frozen=True, slots=True)
class SessionName:
    """Who is connected to what; kept as long as the session, and so without any secret."""

    session_id: str
    user_id: str
    desktop_id: str
    client_address: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """A ticket that was good, and the screen that it leads to. ``ends_in_seconds`` None: whenever it ends."""

    name: SessionName
    screen: OpenScreen
    policy: Policy = EVERYTHING
    ends_in_seconds: float | None = None


class Admit(Protocol):
    """From a ticket to an open screen; ``link`` is what a native SPICE viewer said. Raises RequestRefused."""

    async def __call__(self, ticket: str, *, client_address: str, link: ViewerLink | None = None) -> Admitted: ...


class ClientDoorway(Protocol):
    """Takes a connection over on which a client asks for a part of the API; ``first`` is what it has said so far."""

    def __call__(self, before: Connection, transport: asyncio.Transport, address: str, first: bytes) -> None: ...


class ReportEnd(Protocol):
    """Takes note that a session has ended, for the log and for the manager."""

    def __call__(self, name: SessionName, ended: Ended) -> None: ...


class Scratch:
    """The one buffer that all connections of a worker read into: what was read is sent on before anything else is read.

    Reads begin behind the room that a frame's header needs, so that header and payload are sent in one piece, uncopied.
    """

    __slots__ = ("buffer", "pipe", "reading", "reading_first", "reading_little", "view")

    def __init__(self) -> None:
        self.buffer = bytearray(FRAME_HEADER_BYTES + _SCRATCH_BYTES)
        self.view = memoryview(self.buffer)
        self.reading = self.view[FRAME_HEADER_BYTES:]
        # For what has to be copied (TLS): an allocator keeps pieces of this size, and gets larger ones anew each time.
        self.reading_little = self.reading[:_LITTLE_BYTES]
        # For a connection on which much comes: all but its first byte goes through the pipe.
        self.reading_first = self.reading[:1]
        self.pipe = Pipe()


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
    by_address: Counter[str] = field(default_factory=Counter)
    sessions: dict[OpenSession, str] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    scratch: Scratch = field(default_factory=Scratch)
    spice_key: ServerKey = field(default_factory=ServerKey)
    client_door: ClientDoorway | None = None
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    refuses_plain: bool = False
    stopping: bool = False
    on_empty: Callable[[], None] = lambda: None

    def ticks(self, seconds: float) -> int:
        """How many ticks make at least ``seconds``."""
        return max(1, -int(-seconds // self.tick_seconds))

    def trusts(self, address: str) -> bool:
        """Whether this is a proxy of ours, which says who is really there."""
        if not self.trusted_proxies:
            return False
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self.trusted_proxies)

    def is_really(self, proxy: str, client: str) -> None:
        """A connection of a proxy's is this client's."""
        self._forget(proxy)
        self.by_address[client] += 1

    def _forget(self, address: str) -> None:
        self.by_address[address] -= 1
        if not self.by_address[address]:
            del self.by_address[address]

    def run(self, task: asyncio.Task[None]) -> None:
        """Keep a task until it is done."""
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def add(self, connection: Connection, address: str) -> None:
        self.connections.add(connection)
        self.by_address[address] += 1
        self.counters.add(Slot.CONNECTIONS)
        self.counters.add(Slot.CONNECTIONS_OPEN)

    def replace(self, connection: Connection, successor: Connection) -> None:
        """The same peer goes on as ``successor``."""
        self.connections.remove(connection)
        self.connections.add(successor)

    def remove(self, connection: Connection, address: str) -> None:
        self.connections.remove(connection)
        self._forget(address)
        self.counters.add(Slot.CONNECTIONS_OPEN, -1)
        if not self.connections:
            self.on_empty()

    def open_session(self, session_id: str, session: OpenSession) -> None:
        self.sessions[session] = session_id
        self.counters.add(Slot.SESSIONS)
        self.counters.add(Slot.SESSIONS_OPEN)

    def close_session(self, session: OpenSession) -> None:
        del self.sessions[session]
        self.counters.add(Slot.SESSIONS_OPEN, -1)
