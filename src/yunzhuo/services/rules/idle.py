"""When a desktop is idle, when its person is warned of it, and when something is done.

Four things, each with a rule: nobody is connected; somebody is and gives no input; the guest works by itself (then it is not
idle, whoever looks); and nobody is there any more whose it is. A pool's spares are never idle.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from yunzhuo.phoenix.common.errors import InvalidInput

LONGEST_MINUTES = 7 * 24 * 60
LONGEST_NOTICE = 120
LEAST_PERCENT = 5


class Cause(StrEnum):
    """Why a desktop is idle."""

    DISCONNECTED = "disconnected"
    NO_INPUT = "no_input"
    UNASSIGNED = "unassigned"


class IdleDeed(StrEnum):
    """What is done about it. ``end_screen`` closes the screen, after which the desktop is one that nobody is connected to."""

    STOP = "stop"
    SUSPEND = "suspend"
    END_SCREEN = "end_screen"


@dataclass(frozen=True, slots=True)
class Terms:
    """After how long something is done, each None: never.

    ``disconnected_minutes`` without a connection, ``closed_minutes`` the same outside of a pool's hours (None: no sooner),
    ``no_input_minutes`` with one but without keys and mouse, ``unassigned_minutes`` with nobody whose it is. People are
    warned then, and ``notice_minutes`` later it is done. A guest that uses at least ``busy_percent`` of its processors (None:
    nobody asks) is not idle.
    """

    disconnected_minutes: int | None = None
    closed_minutes: int | None = None
    disconnected_deed: IdleDeed = IdleDeed.STOP
    no_input_minutes: int | None = None
    no_input_deed: IdleDeed = IdleDeed.END_SCREEN
    unassigned_minutes: int | None = None
    notice_minutes: int = 10
    busy_percent: int | None = None

    def checked(self) -> "Terms":
        """The terms in form. Raises InvalidInput, for all that is wrong at once."""
        wrong: dict[str, str] = {}
        for name in ("disconnected_minutes", "closed_minutes", "no_input_minutes", "unassigned_minutes"):
            minutes = getattr(self, name)
            if minutes is not None and not 1 <= minutes <= LONGEST_MINUTES:
                wrong[name] = f"From 1 to {LONGEST_MINUTES}."
        if not 1 <= self.notice_minutes <= LONGEST_NOTICE:
            wrong["notice_minutes"] = f"From 1 to {LONGEST_NOTICE}."
        if self.busy_percent is not None and not LEAST_PERCENT <= self.busy_percent <= 100:  # noqa: PLR2004 # of hundred
            wrong["busy_percent"] = f"From {LEAST_PERCENT} to 100."
        if self.disconnected_deed is IdleDeed.END_SCREEN:
            wrong["disconnected_deed"] = "There is no screen to close where nobody is connected."
        if wrong:
            raise InvalidInput("The rules are not valid.", fields=wrong)
        return replace(self)

    @property
    def says_something(self) -> bool:
        """Whether anything is ever done."""
        minutes = (self.disconnected_minutes, self.closed_minutes, self.no_input_minutes, self.unassigned_minutes)
        return any(each is not None for each in minutes)


@dataclass(frozen=True, slots=True)
class Facts:
    """A desktop that is on, and what is known of its use.

    ``usable_since``: since when it could be used by whose it is. ``disconnected_since`` None: somebody is connected, last with
    input at ``last_input_at``. ``unassigned_since`` None: it has somebody. ``busy_at``: when the guest was last seen working
    (None: never, or nobody knows). ``is_open`` says whether it is within its pool's hours.
    """

    is_spare: bool
    usable_since: datetime
    disconnected_since: datetime | None
    last_input_at: datetime
    unassigned_since: datetime | None = None
    busy_at: datetime | None = None
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Warned:
    """That somebody was told: of what, when, and when it is done."""

    cause: Cause
    at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Idle:
    """A desktop that is idle by one of the rules: since when it has been unused, and since when that is too long."""

    cause: Cause
    deed: IdleDeed
    since: datetime
    due_at: datetime


class Move(StrEnum):
    """What is to be done now: tell its person, do what was told, or take back what was told."""

    WARN = "warn"
    ACT = "act"
    CALL_OFF = "call_off"


def idle(facts: Facts, terms: Terms) -> Idle | None:
    """The rule that holds first for a desktop as it stands; None: none ever does. ``due_at`` may be to come."""
    if facts.is_spare:
        return None
    return min(_rules(facts, terms), key=lambda each: (each.due_at, each.cause), default=None)


def move(now: datetime, facts: Facts, terms: Terms, warned: Warned | None) -> tuple[Move, Idle | None] | None:
    """What is to be done about a desktop now; None: nothing. Nothing is done to anybody who was not told in time."""
    found = idle(facts, terms)
    if found is None or found.due_at > now:
        return (Move.CALL_OFF, None) if warned is not None else None
    if found.cause is Cause.UNASSIGNED:
        return Move.ACT, found  # there is nobody to tell
    # What was told before somebody came back does not count.
    if warned is None or warned.cause is not found.cause or warned.at < found.since:
        return Move.WARN, found
    return (Move.ACT, found) if now >= warned.ends_at else None


def _rules(facts: Facts, terms: Terms) -> Iterator[Idle]:
    busy_at = facts.busy_at or facts.usable_since
    if facts.unassigned_since is not None and terms.unassigned_minutes is not None:
        since = max(facts.unassigned_since, facts.usable_since)
        yield _after(Cause.UNASSIGNED, IdleDeed.STOP, since, terms.unassigned_minutes)
    minutes = disconnected_minutes(terms, is_open=facts.is_open)
    if facts.disconnected_since is not None and minutes is not None:
        since = max(facts.disconnected_since, facts.usable_since, busy_at)
        yield _after(Cause.DISCONNECTED, terms.disconnected_deed, since, minutes)
    if facts.disconnected_since is None and terms.no_input_minutes is not None:
        since = max(facts.last_input_at, facts.usable_since, busy_at)
        yield _after(Cause.NO_INPUT, terms.no_input_deed, since, terms.no_input_minutes)


def disconnected_minutes(terms: Terms, *, is_open: bool) -> int | None:
    """After how many minutes without a connection; outside of the hours sooner, never later."""
    said = [terms.disconnected_minutes, None if is_open else terms.closed_minutes]
    return min((each for each in said if each is not None), default=None)


def _after(cause: Cause, deed: IdleDeed, since: datetime, minutes: int) -> Idle:
    return Idle(cause, deed, since, since + timedelta(minutes=minutes))


def is_busy(percent: float | None, terms: Terms) -> bool:
    """Whether a guest works by itself; None: nobody knows, and the other rules decide."""
    return percent is not None and terms.busy_percent is not None and percent >= terms.busy_percent


def cpu_percent(before: float, after: float, seconds: float, vcpus: int) -> float | None:
    """How much of its processors a server used in ``seconds``, from two readings of its CPU seconds; None: they say nothing, as
    when it was started anew in between."""
    if seconds <= 0 or after < before or vcpus < 1:
        return None
    return min(100.0, (after - before) / seconds / vcpus * 100)
