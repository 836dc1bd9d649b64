"""When a schedule is due, what is done when nobody looked in time, and which change brings a desktop to what it wants."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.rules.lifecycle import Action, State

LONGEST_RULE = 100
MOST_SCHEDULES = 200
LONGEST_CATCH_UP = timedelta(days=7)
DEFAULT_CATCH_UP = timedelta(hours=12)
# What is later than this is told to whoever runs the installation.
ALARM_AFTER = timedelta(seconds=60)
_FIELDS = 5


class Deed(StrEnum):
    """What a schedule does to desktops."""

    START = "start"
    STOP = "stop"
    SUSPEND = "suspend"


class SubjectKind(StrEnum):
    """Whose desktops: those that people have of a pool, or those of the people in a group."""

    POOL = "pool"
    GROUP = "group"


class RunStatus(StrEnum):
    """How far a run is. ``partly``: some changes were refused; ``failed``: all were; ``missed``: nobody looked in time."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTLY = "partly"
    FAILED = "failed"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done about a schedule that is due.

    ``run_at`` is the moment for which it is run now (None: all that was due is too late), ``missed_at`` the first moment that
    is left out (None: none is), ``next_at`` when it is due again (None: never).
    """

    run_at: datetime | None
    missed_at: datetime | None
    next_at: datetime | None


def checked_rule(text: str) -> str:
    """A rule in form: minute, hour, day of the month, month, day of the week, as cron has them. Raises InvalidInput."""
    rule = " ".join(text.split())
    if len(rule) > LONGEST_RULE or len(rule.split(" ")) != _FIELDS or not rule.isascii():
        raise _wrong()
    try:
        CronSim(rule, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise _wrong() from error
    return rule


def next_after(rule: str, zone: ZoneInfo, moment: datetime) -> datetime | None:
    """The first time after ``moment`` that the rule holds by the clocks of ``zone``; None when it never does.

    With daylight saving as Debian's cron: what is to be at a time that the clocks leave out is right after it, and what is to
    be at a time that they show twice is once. Rules for every hour or minute go on through both.
    """
    return next(_times(rule, zone, moment), None)


def decide(rule: str, zone: ZoneInfo, next_at: datetime, now: datetime, catch_up: timedelta) -> Decision:
    """What to do about a schedule that has been due since ``next_at``: late rather than never, but once, and not later than
    ``catch_up``. Several moments that passed unseen are one run, for the last of them."""
    earliest = now - catch_up
    run_at = next_at if next_at >= earliest else None
    begin = max(next_at, earliest - timedelta(seconds=1))
    following = None
    for moment in _times(rule, zone, begin):
        if moment > now:
            following = moment
            break
        run_at = moment
    return Decision(run_at, None if run_at == next_at else next_at, following)


# How long before a stop whoever is connected is warned of it.
WARN_AHEAD = timedelta(minutes=5)


def warns(deed: Deed, *, leaves_connected: bool) -> bool:
    """Whether those who are connected have to be warned: what is open in a desktop ends then."""
    return deed is not Deed.START and not leaves_connected


def change_for(deed: Deed, state: State, *, is_used: bool, leaves_connected: bool) -> Action | None:
    """Which change brings a desktop in this state to what is wanted; None: it needs none, or must be left alone.

    ``is_used``: somebody is connected to it. What is broken, or being changed, is left as it is.
    """
    match deed, state:
        case Deed.START, State.STOPPED:
            return Action.START
        case Deed.START, State.SUSPENDED:
            return Action.RESUME
        case Deed.STOP | Deed.SUSPEND, State.AVAILABLE:
            if is_used and leaves_connected:
                return None
            return Action.STOP if deed is Deed.STOP else Action.SUSPEND
        case _:
            return None


# What a desktop is doing that ends in another state than is wanted, or may.
_IN_THE_WAY: Mapping[Deed, frozenset[State]] = {
    Deed.START: frozenset({State.STOPPING, State.SUSPENDING}),
    **dict.fromkeys((Deed.STOP, Deed.SUSPEND), frozenset({State.STARTING, State.RESUMING, State.REBOOTING})),
}
# How long a run waits for changes that are going on.
WAIT_FOR_CHANGES = timedelta(minutes=10)


def waits_for(deed: Deed, state: State) -> bool:
    """Whether a desktop is being changed to something else, and has to be looked at again when that is done."""
    return state in _IN_THE_WAY[deed]


def status_after(begun: int, refused: int) -> RunStatus:
    """How a run ended that asked for ``begun`` changes and was refused ``refused``."""
    if refused == 0:
        return RunStatus.SUCCEEDED
    return RunStatus.PARTLY if begun else RunStatus.FAILED


def is_late(due_at: datetime | None, now: datetime) -> bool:
    """Whether what was due then, and has not been done, is so late that somebody has to look."""
    return due_at is not None and now - due_at > ALARM_AFTER


def _times(rule: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """The moments after ``after``, in order and each once."""
    last = after
    for moment in CronSim(rule, after.astimezone(zone)):
        found = moment.astimezone(UTC)
        if found > last:
            yield found
            last = found


def _wrong() -> InvalidInput:
    return InvalidInput("The rule is not valid.", fields={"rule": "Like “0 7 * * 1-5”: minute, hour, day, month, weekday."})
