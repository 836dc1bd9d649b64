"""What a license means at a moment: whether it counts, what may be built, what people are to be told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

#: A clock that was put back by less than this is taken for one that was only set right.
CLOCK_TOLERANCE = timedelta(minutes=10)
#: From which share of a limit people are warned.
WARNED_PERCENTS = (80, 90, 100)
#: From how many days before the end on.
WARNED_DAYS = (30, 7, 1)


class Phase(StrEnum):
    """Where in its life an installation is with its license."""

    UNLICENSED = "unlicensed"  # there is none, and none is needed: whole and without limits
    MISSING = "missing"  # there is none, and this build needs one
    NOT_YET = "not_yet"
    ACTIVE = "active"
    GRACE = "grace"  # all runs, nothing new is built
    ENDED = "ended"  # desktops can be stopped, saved and deleted
    WITHDRAWN = "withdrawn"  # by the vendor: as ended
    CLOCK_BACK = "clock_back"  # the computer's clock was put back: as ended until it is right again
    EDITED = "edited"  # somebody has edited what the database keeps of it: as ended until a license is taken


class Reach(StrEnum):
    """How much a phase lets people do."""

    ALL = "all"
    KEEP = "keep"  # use what is there
    CLOSE = "close"  # stop, save, delete


REACHES: Mapping[Phase, Reach] = {
    Phase.UNLICENSED: Reach.ALL,
    Phase.ACTIVE: Reach.ALL,
    Phase.GRACE: Reach.KEEP,
    Phase.MISSING: Reach.CLOSE,
    Phase.NOT_YET: Reach.CLOSE,
    Phase.ENDED: Reach.CLOSE,
    Phase.WITHDRAWN: Reach.CLOSE,
    Phase.CLOCK_BACK: Reach.CLOSE,
    Phase.EDITED: Reach.CLOSE,
}


class Feature(StrEnum):
    """What a license allows beyond desktops for people, each a word of its ``features``. Whoever has no license has all."""

    POOLS = "pools"  # to make pools
    PERSONAL_DISKS = "personal_disks"  # to give people personal disks
    GATEWAYS = "gateways"  # to make gateways beside the one of the manager
    API_TOKENS = "api_tokens"  # to make tokens for programs; what signs in with a password is none


#: How far a license has to reach for more of a feature: what only keeps things going can be made in grace, too.
FEATURE_REACHES: Mapping[Feature, Reach] = {
    Feature.POOLS: Reach.ALL,
    Feature.PERSONAL_DISKS: Reach.ALL,
    Feature.GATEWAYS: Reach.KEEP,
    Feature.API_TOKENS: Reach.KEEP,
}

#: What a vendor sells under one word; the license lists the features, and they are what counts.
EDITIONS: Mapping[str, tuple[Feature, ...]] = {
    "standard": (),
    "school": (Feature.POOLS, Feature.PERSONAL_DISKS),
    "campus": tuple(Feature),
}


class Why(StrEnum):
    """Why a license that is rightly signed is not taken."""

    OTHER_INSTALLATION = "license_other_installation"
    OLDER = "license_older"
    EDITED = "license_edited_here"
    NOT_YET = "license_too_early"
    ENDED = "license_over"


@dataclass(frozen=True, slots=True)
class Term:
    """From when until when a license counts, and which one it is of those that an installation had."""

    serial: int
    not_before: datetime
    expires_at: datetime
    grace_ends_at: datetime
    is_withdrawn: bool = False


def phase(term: Term | None, *, is_needed: bool, now: datetime, latest_seen: datetime | None) -> Phase:
    """The phase at ``now``. ``latest_seen`` is the latest time that this installation has ever had."""
    if term is None:
        return Phase.MISSING if is_needed else Phase.UNLICENSED
    if term.is_withdrawn:
        return Phase.WITHDRAWN
    if latest_seen is not None and now < latest_seen - CLOCK_TOLERANCE:
        return Phase.CLOCK_BACK
    if now < term.not_before:
        return Phase.NOT_YET
    if now < term.expires_at:
        return Phase.ACTIVE
    return Phase.GRACE if now < term.grace_ends_at else Phase.ENDED


def why_not_take(new: Term, highest_serial: int, *, is_ours: bool, is_edited: bool, now: datetime) -> Why | None:
    """Why ``new`` does not replace the present license; None when it does. The same serial once more is no reason, unless what
    is kept was edited: then only a newer one tells the installation what time it was."""
    if not is_ours:
        return Why.OTHER_INSTALLATION
    if new.serial < highest_serial:
        return Why.OLDER
    if is_edited and new.serial == highest_serial:
        return Why.EDITED
    if now < new.not_before:  # the present one, which counts, would be lost for it
        return Why.NOT_YET
    if now >= new.grace_ends_at:
        return Why.ENDED
    return None


def next_witness(latest_seen: datetime | None, *, now: datetime, issued_at: datetime, is_newer: bool) -> datetime:
    """The latest time that an installation has had, once it takes a license.

    A newer license is the vendor's word on what time it was: a clock that was far ahead for a while, and is right again, does
    no harm from there on. The same license once more says nothing new.
    """
    if is_newer or latest_seen is None:
        return max(now, issued_at)
    return max(now, latest_seen)


def warned_days(days_left: int) -> int | None:
    """The lowest of :data:`WARNED_DAYS` that is reached; None when none is."""
    reached = [days for days in WARNED_DAYS if days_left <= days]
    return reached[-1] if reached else None


def warned_percent(used: int, most: int | None) -> int | None:
    """The highest of :data:`WARNED_PERCENTS` that is reached; None when none is, or there is no limit."""
    if most is None:
        return None
    reached = [percent for percent in WARNED_PERCENTS if used * 100 >= most * percent]
    return reached[-1] if reached else None


def fits(used: int, more: int, most: int | None) -> bool:
    """Whether ``more`` can be taken on top of what is used. Nothing more always can, even over the limit."""
    return more <= 0 or most is None or used + more <= most
