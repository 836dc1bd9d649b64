"""When desktops end, who is warned when, how often an end can be put off, and what goes through the bin."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.rules.lifecycle import Action, Facts, Observed, OperationStatus
from yunzhuo.services.rules.pools import Kind

LONGEST_DAYS = 3650
LONGEST_BIN_DAYS = 90
MOST_EXTENSIONS = 100
MOST_WARNINGS = 5
LONGEST_WARNING_HOURS = 60 * 24
# Nothing ends sooner after it was first warned of, however late that was.
NOTICE = timedelta(hours=1)
# What ended by itself is kept at least so long, and lives at least so long again when it is taken out of the bin.
LEAST_BIN_DAYS = 1
# How many desktops of a person their bin takes; what ended by itself is always taken.
MOST_BINNED = 10


@dataclass(frozen=True, slots=True)
class Terms:
    """For how long desktops are given. ``days`` None: without an end.

    Their people may put the end off ``extend_times`` times, by ``extend_days`` each (0 times: only administrators may), from
    the first of the warnings on; ``warn_hours`` are those, in hours before the end, the longest first. What is deleted, and
    what ended, waits ``bin_days`` in the bin (0: what is deleted is gone at once).
    """

    days: int | None = None
    extend_days: int = 30
    extend_times: int = 3
    warn_hours: Sequence[int] = (168, 24, 1)
    bin_days: int = 0

    def checked(self) -> "Terms":
        """The terms in form. Raises InvalidInput, for all that is wrong at once."""
        wrong: dict[str, str] = {}
        if self.days is not None and not 1 <= self.days <= LONGEST_DAYS:
            wrong["days"] = f"From 1 to {LONGEST_DAYS}."
        if not 1 <= self.extend_days <= LONGEST_DAYS:
            wrong["extend_days"] = f"From 1 to {LONGEST_DAYS}."
        if not 0 <= self.extend_times <= MOST_EXTENSIONS:
            wrong["extend_times"] = f"From 0 to {MOST_EXTENSIONS}."
        if not 0 <= self.bin_days <= LONGEST_BIN_DAYS:
            wrong["bin_days"] = f"From 0 to {LONGEST_BIN_DAYS}."
        hours = sorted(set(self.warn_hours), reverse=True)
        if not 1 <= len(hours) <= MOST_WARNINGS or not 1 <= hours[-1] <= hours[0] <= LONGEST_WARNING_HOURS:
            wrong["warn_hours"] = f"1 to {MOST_WARNINGS} numbers from 1 to {LONGEST_WARNING_HOURS}."
        if wrong:
            raise InvalidInput("The terms are not valid.", fields=wrong)
        return replace(self, warn_hours=tuple(hours))

    @property
    def first_warning(self) -> timedelta:
        """How long before the end the first warning is."""
        return timedelta(hours=max(self.warn_hours))


def end_of(begin: datetime, terms: Terms) -> datetime | None:
    """When a desktop ends that is given to somebody at ``begin``; None: never."""
    return None if terms.days is None else begin + timedelta(days=terms.days)


def warning_due(now: datetime, ends_at: datetime, terms: Terms, warned_hours: int | None) -> int | None:
    """The stage, in hours before the end, of which somebody has to be warned now; None: of none.

    Of several that passed unseen it is the last: one warning tells all.
    """
    passed = [hours for hours in terms.warn_hours if ends_at - timedelta(hours=hours) <= now]
    latest = min(passed, default=None)
    if latest is None and ends_at <= now:
        latest = min(terms.warn_hours)
    return latest if latest is not None and (warned_hours is None or latest < warned_hours) else None


def has_ended(now: datetime, ends_at: datetime, warned_at: datetime | None) -> bool:
    """Whether a desktop is taken away now: its end has come, and its person has known for :data:`NOTICE`."""
    return now >= ends_at and warned_at is not None and now - warned_at >= NOTICE


def is_ending(now: datetime, ends_at: datetime | None, terms: Terms) -> bool:
    """Whether the end is so near that people are told of it, and may put it off."""
    return ends_at is not None and now >= ends_at - terms.first_warning


def extensions_left(terms: Terms, extended: int) -> int:
    """How many times its person may still put the end off."""
    return max(0, terms.extend_times - extended)


def extended_end(now: datetime, ends_at: datetime, terms: Terms) -> datetime:
    """The end after it was put off once: counted from the present end, or from now when that has passed."""
    return max(now, ends_at) + timedelta(days=terms.extend_days)


def end_after_bin(now: datetime, ends_at: datetime | None) -> datetime | None:
    """When a desktop ends that is taken out of the bin: not before there was time to do something about it."""
    return None if ends_at is None else max(ends_at, now + timedelta(days=LEAST_BIN_DAYS))


def goes_to_bin(facts: Facts, kind: Kind | None, bin_days: int) -> bool:
    """Whether a deletion only puts the desktop into the bin. ``kind`` is its pool's; None: it is of none.

    Not what a floating pool gave (it is replaced after use), nor what was never made, is broken for want of a machine, or is
    in the bin already.
    """
    if bin_days < 1 or kind is Kind.FLOATING or facts.is_binned:
        return False
    was_made = facts.action is not Action.CREATE or facts.status is OperationStatus.SUCCEEDED
    is_removal = facts.action in (Action.DELETE, Action.FORCE_DELETE)
    return was_made and not is_removal and facts.observed not in (None, Observed.MISSING)


def bin_until(now: datetime, terms: Terms, *, ended: bool) -> datetime:
    """Until when what goes into the bin now can be taken out. ``ended``: nobody asked for it."""
    return now + timedelta(days=max(terms.bin_days, LEAST_BIN_DAYS) if ended else terms.bin_days)
