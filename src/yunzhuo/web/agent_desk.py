"""Who is at the other end of the agents' requests now, and what each is being asked. In memory, in one event loop."""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from yunzhuo.phoenix.common.errors import LimitReached, Unavailable
from yunzhuo.services.agents import AgentPlace, Heard
from yunzhuo.services.rules.agent_words import Answer, Question, Turn

#: An agent comes again within 25 s; one that has not is away.
SILENT_SECONDS = 45.0
_FORGOTTEN_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class DeskBounds:
    """How fast one desktop's agent may come, and how many questions may wait for it."""

    turns_per_second: float = 20.0
    burst: int = 40
    waiting: int = 8


@dataclass(frozen=True, slots=True)
class Told:
    """What an agent answered, and how its desktop was at that moment."""

    answer: Answer
    heard: Heard


class AgentAway(Unavailable):
    """No agent of this desktop is there."""

    def __init__(self) -> None:
        super().__init__("agent_away", "No agent of this desktop is there.")


class TooManyWait(Unavailable):
    """So many questions wait for this agent already."""

    def __init__(self) -> None:
        super().__init__("agent_busy", "The desktop's agent has too much to do.")


class TooFast(LimitReached):
    """An agent comes too often."""

    def __init__(self) -> None:
        super().__init__("too_fast", "This is too often; come again a little later.")


@dataclass(slots=True)
class _Open:
    """A request that waits for a question, and which key it came with."""

    issue: str
    question: "asyncio.Future[Question | None]"


@dataclass(slots=True)
class _Asked:
    """A question on its way; ``issues`` are those whose requests may have it, ``given_to`` the one that got it."""

    question: Question
    issues: frozenset[str]
    told: "asyncio.Future[Told]"
    given_to: str | None = None

    def answer(self, told: Told) -> None:
        """The first answer counts."""
        if not self.told.done():
            self.told.set_result(told)


@dataclass(slots=True)
class _Seat:
    """One desktop's agent."""

    heard: Heard
    last: float
    allowance: float
    open: _Open | None = None
    asked: _Asked | None = None
    waiting: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class AgentDesk:
    """Brings questions and agents together: one question at a time for each desktop, in the order in which they came."""

    def __init__(self, bounds: DeskBounds | None = None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._bounds = bounds or DeskBounds()
        self._monotonic = monotonic
        self._seats: dict[str, _Seat] = {}
        self._is_closing = False

    def pace(self, desktop_id: str) -> None:
        """Count a turn. Raises TooFast."""
        seat = self._seats.get(desktop_id)
        if seat is None:
            return
        now, bounds = self._monotonic(), self._bounds
        seat.allowance = min(bounds.burst, seat.allowance + (now - seat.last) * bounds.turns_per_second)
        seat.last = now
        if seat.allowance < 1:
            raise TooFast()
        seat.allowance -= 1

    def hear(self, heard: Heard, issue: str, turn: Turn) -> bool:
        """Take what a turn says. Answers whether this system is here for the first time."""
        seat = self._seats.get(heard.desktop_id)
        is_new = seat is None or seat.heard.boot != heard.boot
        if seat is None:
            seat = self._seats[heard.desktop_id] = _Seat(heard, self._monotonic(), self._bounds.burst - 1)
        seat.heard = heard
        answer, asked = turn.answer, seat.asked
        if answer is not None and asked is not None and asked.given_to == issue and asked.question.id == answer.id:
            asked.answer(Told(answer, heard))
        return is_new

    async def next_question(self, desktop_id: str, issue: str, wait_seconds: float) -> Question | None:
        """What the agent is asked next, within so many seconds. Another request of the desktop's ends this one."""
        seat = self._seats[desktop_id]
        if seat.open is not None and not seat.open.question.done():
            seat.open.question.set_result(None)
        mine = seat.open = _Open(issue, asyncio.get_running_loop().create_future())
        if seat.asked is not None:
            self._give(seat, seat.asked)
        if self._is_closing and not mine.question.done():
            mine.question.set_result(None)
        try:
            async with asyncio.timeout(wait_seconds):
                return await mine.question
        except TimeoutError:
            return None
        finally:
            if seat.open is mine:
                seat.open = None

    async def ask(self, place: AgentPlace, question: Question, seconds: float) -> Told:
        """The agent's answer. Raises AgentAway, TooManyWait, TimeoutError."""
        seat = self._seats.get(place.desktop_id)
        if seat is None or self.is_silent(seat.last):
            raise AgentAway()
        if seat.waiting >= self._bounds.waiting:
            raise TooManyWait()
        seat.waiting += 1
        try:
            async with asyncio.timeout(seconds), seat.turn:
                asked = seat.asked = _Asked(question, place.issues, asyncio.get_running_loop().create_future())
                try:
                    self._give(seat, asked)
                    return await asked.told
                finally:
                    seat.asked = None
        finally:
            seat.waiting -= 1

    def is_silent(self, last: float) -> bool:
        """Whether somebody who came last at that moment is away."""
        return self._monotonic() - last > SILENT_SECONDS

    def heard(self) -> list[Heard]:
        """What those who are here said last. Who has been away for long is forgotten."""
        now = self._monotonic()
        for desktop_id in [each for each, seat in self._seats.items() if now - seat.last > _FORGOTTEN_SECONDS]:
            if not self._seats[desktop_id].waiting:
                del self._seats[desktop_id]
        return [seat.heard for seat in self._seats.values()]

    def close(self) -> None:
        """Answer all that wait."""
        self._is_closing = True
        for seat in self._seats.values():
            if seat.open is not None and not seat.open.question.done():
                seat.open.question.set_result(None)

    def _give(self, seat: _Seat, asked: _Asked) -> None:
        """Hand a question to the request that waits, if it came with a key that counts; one that did not is sent away."""
        waiting = seat.open
        if waiting is None or waiting.question.done() or asked.told.done():
            return
        if waiting.issue not in asked.issues:
            waiting.question.set_result(None)
            return
        asked.given_to = waiting.issue
        waiting.question.set_result(asked.question)


def new_question_id() -> str:
    """By which an answer is known to be to this question."""
    return secrets.token_urlsafe(18)
