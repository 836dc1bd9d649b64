"""How many desktops of a pool should stand ready, and what is built or removed for that."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from yunzhuo.phoenix.common.errors import InvalidInput

MOST_DESKTOPS = 2000
MOST_WINDOWS = 20
LONGEST_RELEASE_MINUTES = 7 * 24 * 60
LONGEST_GOAL_SECONDS = 3600
MOST_SECURITY_GROUPS = 20
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAILY = "daily"
_LINE = re.compile(r"(?P<days>[a-z,-]{1,40})\s+(?P<from>\d\d:\d\d)-(?P<to>\d\d:\d\d)\s+(?P<spares>\d{1,4})")
_DAY_MINUTES = 24 * 60


class Kind(StrEnum):
    """What becomes of a desktop after use: a dedicated one is kept by its person, a floating one replaced."""

    DEDICATED = "dedicated"
    FLOATING = "floating"


class Way(StrEnum):
    """How somebody came to a desktop: they had it, it stood ready, it was being built, or it is built for them now."""

    HAD = "had"
    READY = "ready"
    COMING = "coming"
    BUILT = "built"


@dataclass(frozen=True, slots=True)
class Window:
    """So many spares on these weekdays (0 is Monday) between two minutes of the day.

    One that ends no later than it begins goes on past midnight, into a day that need not be among its own.
    """

    days: frozenset[int]
    from_minute: int
    to_minute: int
    spares: int

    def holds(self, local: datetime) -> bool:
        """Whether it does at this wall-clock time."""
        minute, today = local.hour * 60 + local.minute, local.weekday()
        if self.from_minute < self.to_minute:
            return today in self.days and self.from_minute <= minute < self.to_minute
        return (today in self.days and minute >= self.from_minute) or ((today - 1) % 7 in self.days and minute < self.to_minute)


@dataclass(frozen=True, slots=True)
class Counts:
    """A pool's desktops now: ``ready`` and ``coming`` are nobody's, ``in_use`` somebody's, ``leaving`` are being removed.

    Of no use are ``broken`` spares, which could not be made, and ``lost`` ones, which something else became of.
    """

    ready: int = 0
    coming: int = 0
    in_use: int = 0
    leaving: int = 0
    broken: int = 0
    lost: int = 0

    @property
    def there(self) -> int:
        """All that take room."""
        return self.ready + self.coming + self.in_use + self.leaving + self.broken + self.lost

    def __add__(self, other: "Counts") -> "Counts":
        """Both together."""
        return Counts(
            ready=self.ready + other.ready,
            coming=self.coming + other.coming,
            in_use=self.in_use + other.in_use,
            leaving=self.leaving + other.leaving,
            broken=self.broken + other.broken,
            lost=self.lost + other.lost,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now: so many to build, so many to remove of those that are being built, and of those that are ready."""

    build: int = 0
    remove_coming: int = 0
    remove_ready: int = 0


def windows_of(lines: Iterable[str]) -> Sequence[Window]:
    """Hours as people write them, a window a line: ``mon-fri 07:30-18:00 5``, ``sat,sun 10:00-14:00 1``, ``daily ...``.

    Raises InvalidInput, naming the line.
    """
    wanted = [line.strip().lower() for line in lines if line.strip()]
    if len(wanted) > MOST_WINDOWS:
        raise _wrong(f"At most {MOST_WINDOWS} lines.")
    return [_window(line) for line in wanted]


def line_of(window: Window) -> str:
    """The line that :func:`windows_of` reads as this window."""
    days = sorted(window.days)
    runs = days == list(range(days[0], days[-1] + 1)) and len(days) > 2  # noqa: PLR2004 # two are shorter as they are
    if len(days) == len(_DAYS):
        named = _DAILY
    elif runs:
        named = f"{_DAYS[days[0]]}-{_DAYS[days[-1]]}"
    else:
        named = ",".join(_DAYS[day] for day in days)
    return f"{named} {_clock(window.from_minute)}-{_clock(window.to_minute)} {window.spares}"


def spares_wanted(now: datetime, zone: tzinfo, otherwise: int, windows: Iterable[Window]) -> int:
    """How many should stand ready now: the most that a window of this hour says, ``otherwise`` where there is none.

    Hours are what the clocks of ``zone`` show, so they move with daylight saving.
    """
    local = now.astimezone(zone)
    return max((window.spares for window in windows if window.holds(local)), default=otherwise)


def is_open(now: datetime, zone: tzinfo, windows: Sequence[Window]) -> bool:
    """Whether it is within hours at which something stands ready; a pool without hours is always open."""
    local = now.astimezone(zone)
    return not windows or any(window.spares > 0 and window.holds(local) for window in windows)


def plan(wanted: int, capacity: int, counts: Counts, *, at_once: int) -> Plan:
    """What brings the spares to ``wanted``, within ``capacity``; at most ``at_once`` are begun in one go.

    Nobody's desktop is taken away: where those in use leave less room, less stand ready. What is broken keeps its place
    until it is removed, so that a cloud in which nothing can be built is not asked again and again.
    """
    fitting = max(0, min(wanted, capacity - counts.in_use - counts.leaving))
    spare = counts.ready + counts.coming
    surplus = max(0, spare - fitting)
    if surplus:
        coming = min(surplus, counts.coming)
        return Plan(remove_coming=coming, remove_ready=surplus - coming)
    missing = min(wanted - spare - counts.broken, capacity - counts.there, at_once)
    return Plan(build=max(0, missing))


def may_build_for_somebody(capacity: int, counts: Counts) -> bool:
    """Whether there is room for one more, which nobody waits for yet."""
    return counts.there < capacity


FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(minutes=10)


def pause_after(failures: int) -> timedelta:
    """How long what failed stays before it is tried anew, after so many failures in a row: doubling, bounded."""
    doubled: int = 2 ** min(max(failures, 0), 10)
    return min(FIRST_PAUSE * doubled, LONGEST_PAUSE)


def is_given_back(now: datetime, last_used: datetime, minutes: int | None) -> bool:
    """Whether a floating desktop that nobody has been connected to since ``last_used`` is given back."""
    return minutes is not None and now - last_used >= timedelta(minutes=minutes)


def _window(line: str) -> Window:
    found = _LINE.fullmatch(line)
    if found is None:
        raise _wrong(f"“{line[:60]}” is not like “mon-fri 07:30-18:00 5”.")
    return Window(
        days=_days(found["days"], line),
        from_minute=_minute(found["from"], line),
        to_minute=_minute(found["to"], line),
        spares=int(found["spares"]),
    )


def _days(text: str, line: str) -> frozenset[int]:
    if text == _DAILY:
        return frozenset(range(len(_DAYS)))
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS or part.endswith("-"):
            raise _wrong(f"In “{line[:60]}”, days are mon, tue, wed, thu, fri, sat, sun, or daily.")
        begin, end = _DAYS.index(first), _DAYS.index(last or first)
        days.update((begin + ahead) % 7 for ahead in range((end - begin) % 7 + 1))
    return frozenset(days)


def _minute(text: str, line: str) -> int:
    hours, minutes = int(text[:2]), int(text[3:])
    if minutes > 59 or hours * 60 + minutes > _DAY_MINUTES:  # noqa: PLR2004 # an hour's last minute
        raise _wrong(f"In “{line[:60]}”, {text} is no time of day.")
    return hours * 60 + minutes


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _wrong(reason: str) -> InvalidInput:
    return InvalidInput("The hours are not valid.", fields={"hours": reason})
