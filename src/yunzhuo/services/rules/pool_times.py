"""How long it takes until somebody is at their desktop, by phase; and the day of a pool as its people count it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum

from yunzhuo.services.rules.lifecycle import Step

SAMPLE_EVERY = timedelta(minutes=5)
# Between samples that are further apart nobody looked, and nothing is drawn.
LONGEST_GAP = 3 * SAMPLE_EVERY


class WaitPhase(StrEnum):
    """What passes between the wish and the picture: waiting for a turn, making the machine, starting it, the system inside
    getting ready, and, whenever a screen is opened, the way to its picture."""

    QUEUE = "queue"
    BUILD = "build"
    BOOT = "boot"
    READY = "ready"
    PICTURE = "picture"


# The step that ends each phase of the making.
_ENDS: Mapping[WaitPhase, Step] = {WaitPhase.BUILD: Step.SERVER, WaitPhase.BOOT: Step.RUNNING, WaitPhase.READY: Step.READY}


@dataclass(frozen=True, slots=True)
class Spread:
    """Of ``count`` values, in seconds: the one in the middle, and the one that 95 % are not above."""

    median: float
    high: float
    count: int


def spread(values: Iterable[float]) -> Spread | None:
    """How values are spread; None: there are none. Each figure is one of the values, the lower of two in the middle."""
    found = sorted(values)
    if not found:
        return None
    return Spread(median=found[(len(found) - 1) // 2], high=found[_rank(len(found))], count=len(found))


def phases(created_at: datetime, admitted_at: datetime | None, ended: Mapping[Step, datetime]) -> Mapping[WaitPhase, float]:
    """How long each phase of a desktop's making lasted, in seconds; those whose step has no end are left out."""
    began = admitted_at or created_at
    found = {WaitPhase.QUEUE: _seconds(created_at, began)}
    for phase, step in _ENDS.items():
        if step not in ended:
            break
        found[phase] = _seconds(began, ended[step])
        began = ended[step]
    return found


def waited(claimed_at: datetime, usable_at: datetime) -> float:
    """How long somebody waited for a desktop that was theirs from ``claimed_at``: not at all for one that stood ready."""
    return _seconds(claimed_at, usable_at)


def share_within(values: Sequence[float], goal_seconds: float | None) -> float | None:
    """Which part of the values is within a goal; None: there are none, or there is no goal."""
    if goal_seconds is None or not values:
        return None
    return sum(value <= goal_seconds for value in values) / len(values)


def slot_of(now: datetime) -> datetime:
    """The moment for which a sample that is taken now counts: the same for whoever takes it."""
    seconds = SAMPLE_EVERY.total_seconds()
    return datetime.fromtimestamp(now.timestamp() // seconds * seconds, UTC)


def day_of(now: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """The beginning and the end of the day that it is in ``zone``, in UTC; 23 or 25 hours apart where the clocks change."""
    today = now.astimezone(zone).date()
    begin, end = (datetime.combine(day, time(), zone) for day in (today, today + timedelta(days=1)))
    return begin.astimezone(UTC), end.astimezone(UTC)


def _rank(count: int) -> int:
    """Where in a sorted list the value stands that 95 % are not above."""
    return max(0, -(-count * 95 // 100) - 1)


def _seconds(since: datetime, until: datetime) -> float:
    return max(0.0, (until - since).total_seconds())
