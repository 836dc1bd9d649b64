"""One reader of the event table for everybody: what is new goes to those whom it concerns."""

import asyncio
import contextlib
import json
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Self

from yunzhuo.phoenix.common.errors import Forbidden, LimitReached, Unavailable
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.services.access import Actor, require
from yunzhuo.services.accounts import ACCESS_ENDED, UserView
from yunzhuo.services.events import Address, EventService, EventView
from yunzhuo.services.sessions import SessionService
from yunzhuo.services.tokens import TokenService
from yunzhuo.web.event_tail import Tail

log = get_logger()

KEEPALIVE = b": keepalive\n\n"
RESET = b"event: stream.reset\ndata: {}\n\n"
TOO_SLOW = b": too slow, come again\nretry: 1000\n\n"
_BEGIN_SECONDS = 5.0
_PAUSE_AFTER_FAILURE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much there may be of what: messages that wait for one reader, streams of one person; and how often it is seen
    whether those who listen still may."""

    queue_length: int = 256
    streams_per_user: int = 100
    check_seconds: float = 4.0


class Proof(StrEnum):
    """How somebody shows who they are."""

    TOKEN = "token"  # nosec B105 # a kind, no secret
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Credential:
    """A bearer token or a browser session's secret."""

    proof: Proof
    secret: str = field(repr=False)


class Door:
    """Knows whose a credential is."""

    def __init__(self, sessions: SessionService, tokens: TokenService) -> None:
        self._sessions = sessions
        self._tokens = tokens

    def user(self, credential: Credential) -> UserView:
        """Whose credential this is now, who may listen. Raises NotSignedIn, Forbidden."""
        is_token = credential.proof is Proof.TOKEN
        user = self._tokens.user(credential.secret) if is_token else self._sessions.user(credential.secret)
        _require_to_listen(user)
        return user

    def users(self, credentials: Collection[Credential]) -> Mapping[Credential, UserView]:
        """Whose the credentials are, as :meth:`user` would say, by a few statements for thousands. What does not count is
        left out."""
        secrets = {proof: [each.secret for each in credentials if each.proof is proof] for proof in Proof}
        users = {
            Proof.TOKEN: self._tokens.users(secrets[Proof.TOKEN]),
            Proof.SESSION: self._sessions.users(secrets[Proof.SESSION]),
        }
        found: dict[Credential, UserView] = {}
        for credential in credentials:
            with contextlib.suppress(Forbidden):
                if user := users[credential.proof].get(credential.secret):
                    _require_to_listen(user)
                    found[credential] = user
        return found


def _require_to_listen(user: UserView) -> None:
    """Raises Forbidden when this person may not listen, or not yet."""
    if user.must_change_password or user.must_enroll:
        raise Forbidden("first_step_needed", "Choose a password of your own, or set up a second factor, first.")
    require(user.actor(), "event:read")


def as_message(event: EventView, settled_id: int) -> bytes:
    """An event as it is sent (HTML standard, "Server-sent events").

    Its id is where a client goes on after it: not after ``settled_id``, because an event with a smaller number may still
    come. So what came in between is told twice after a cut, and nothing is lost.
    """
    at = event.at.isoformat().replace("+00:00", "Z")
    names = {"event_id": event.id, "object_id": event.object_id, "at": at}
    data = json.dumps({**names, **event.data}, ensure_ascii=False, separators=(",", ":"))
    return f"id: {min(event.id, settled_id)}\nevent: {event.kind}\ndata: {data}\n\n".encode()


class Subscriber:
    """One open stream. What it has not been sent yet waits here; too much of that ends it."""

    __slots__ = ("_arrived", "_bounds", "_is_over", "_replayed", "_waiting", "actor", "credential")

    def __init__(self, actor: Actor, credential: Credential, bounds: Bounds) -> None:
        self.actor = actor
        self.credential = credential
        self._bounds = bounds
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._arrived = asyncio.Event()
        self._replayed: set[int] = set()
        self._is_over = False

    def offer(self, event_id: int, message: bytes) -> None:
        """Let this be sent, unless it was already."""
        if self._is_over or event_id in self._replayed:
            return
        if len(self._waiting) >= self._bounds.queue_length:
            self.end(TOO_SLOW)
            return
        self._waiting.append((event_id, message))
        self._arrived.set()

    def has_replayed(self, event_ids: Collection[int]) -> None:
        """These were sent by another way: not again."""
        self._replayed.update(event_ids)
        self._waiting = deque((event_id, message) for event_id, message in self._waiting if event_id not in self._replayed)
        if not self._waiting and not self._is_over:
            self._arrived.clear()  # what had arrived is sent; with nothing to send the stream would be taken for ended

    def end(self, last_words: bytes = b"") -> None:
        """Nothing more is sent but ``last_words``."""
        if self._is_over:
            return
        self._is_over = True
        self._waiting = deque([(0, last_words)] if last_words else [])
        self._arrived.set()

    async def next(self, keepalive_seconds: float) -> bytes | None:
        """All that waits to be sent, a comment when that takes long, None at the end."""
        try:
            async with asyncio.timeout(keepalive_seconds):
                await self._arrived.wait()
        except TimeoutError:
            return KEEPALIVE
        messages = b"".join(message for _, message in self._waiting)
        self._waiting.clear()
        if not self._is_over:
            self._arrived.clear()
        return messages or None


class EventHub:
    """Reads new events while anybody listens. To be entered in the loop that it works in."""

    def __init__(self, events: EventService, door: Door, *, poll_seconds: float, bounds: Bounds = Bounds()) -> None:
        self._events = events
        self._door = door
        self._poll_seconds = poll_seconds
        self._bounds = bounds
        self._subscribers: set[Subscriber] = set()
        self._tail: Tail | None = None
        self._is_closing = False

    async def __aenter__(self) -> Self:
        self._somebody = asyncio.Event()
        self._reading = asyncio.Event()
        self._to_check = asyncio.Event()
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._check())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def subscribe(self, credential: Credential) -> tuple[Subscriber, int]:
        """A stream of everything from now on, and the id of the last event that it will not be offered.

        Raises NotSignedIn, LimitReached, and Unavailable when the table cannot be read or this process is ending.
        """
        user = await asyncio.to_thread(self._door.user, credential)
        streams = Counter(subscriber.actor.user_id for subscriber in self._subscribers)
        if streams[user.id] >= self._bounds.streams_per_user:
            raise LimitReached("too_many_streams", f"You have {streams[user.id]} event streams open.")
        subscriber = Subscriber(user.actor(), credential, self._bounds)
        self._subscribers.add(subscriber)
        self._somebody.set()
        try:
            async with asyncio.timeout(_BEGIN_SECONDS):
                await self._reading.wait()
        except TimeoutError:
            self.unsubscribe(subscriber)
            raise Unavailable("stream_unavailable", "Events cannot be read now.") from None
        if self._is_closing or self._tail is None:
            self.unsubscribe(subscriber)
            raise Unavailable("stream_unavailable", "The event stream is being restarted.")
        return subscriber, self._tail.position

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """The stream has ended. With the last one, reading ends too."""
        self._subscribers.discard(subscriber)
        if not self._subscribers:
            self._somebody.clear()
            self._reading.clear()
            self._tail = None

    def close(self) -> None:
        """End all streams, and let none begin."""
        self._is_closing = True
        for subscriber in self._subscribers:
            subscriber.end()

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._somebody.wait()
            try:
                if self._tail is None:
                    self._tail = Tail(await asyncio.to_thread(self._events.latest_id))
                    self._reading.set()
                tail = self._tail
                events = await asyncio.to_thread(self._events.after, tail.position)
            except Exception:
                # Whatever the database says, the next look may succeed; whoever listens is told nothing meanwhile.
                log.exception("events_unreadable")
                await asyncio.sleep(_PAUSE_AFTER_FAILURE_SECONDS)
                continue
            if tail is not self._tail:
                continue  # the last listener went meanwhile; who came since begins at a later event
            self._spread(tail.fresh(events, loop.time()), tail.position)
            await asyncio.sleep(self._poll_seconds)

    def _spread(self, events: Sequence[EventView], settled_id: int) -> None:
        if not events:
            return
        listeners: defaultdict[Address, list[Subscriber]] = defaultdict(list)
        for subscriber in self._subscribers:
            if address := self._events.listens_at(subscriber.actor):
                listeners[address].append(subscriber)
        for event in events:
            if event.kind == ACCESS_ENDED:
                self._to_check.set()
            message = as_message(event, settled_id)
            for address in self._events.told_at(event):
                for subscriber in listeners.get(address, ()):
                    subscriber.offer(event.id, message)

    async def _check(self) -> None:
        """See again and again whether those who listen still may; at once when somebody's access has ended."""
        while True:
            await self._somebody.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._bounds.check_seconds):
                    await self._to_check.wait()
            self._to_check.clear()
            credentials = {subscriber.credential for subscriber in self._subscribers}
            try:
                users = await asyncio.to_thread(self._users_of, credentials)
            except Exception:
                log.exception("streams_unchecked")
                continue
            self._keep(users)

    def _users_of(self, credentials: Collection[Credential]) -> Mapping[Credential, UserView | None]:
        users = self._door.users(credentials)
        return {credential: users.get(credential) for credential in credentials}

    def _keep(self, users: Mapping[Credential, UserView | None]) -> None:
        for subscriber in self._subscribers:
            if subscriber.credential not in users:
                continue  # came while we looked
            user = users[subscriber.credential]
            if user is None:
                subscriber.end()
            else:
                subscriber.actor = user.actor()
