"""How a pool comes from one image to another: how much at which stage, how much at once, never out of anybody's hands.

Two sides: what is made from the image that the roll-out leads to is ``new``, everything else is ``old``. Old spares are
given away for as long as there are any, and one is removed when there are enough without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.rules.pools import Counts

MOST_STAGES = 10
WHOLE = 100
MOST_FAILURES = 20
LONGEST_NOTICE_HOURS = 7 * 24
# Nobody was connected to a desktop for so long, and nobody was given it, before its disk is put onto another image.
IDLE = timedelta(minutes=30)


class RolloutStatus(StrEnum):
    """Where a roll-out stands. ``paused``: somebody said so; ``stopped``: by itself, for what could not be built; ``done``:
    nothing is left to be changed, or a newer one took its place."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"


class RolloutVerb(StrEnum):
    """What can be said to a roll-out."""

    PAUSE = "pause"
    RESUME = "resume"
    ADVANCE = "advance"
    BACK = "back"


# In which statuses each verb means something. Back is also the way from what is done to what was before.
POSSIBLE_IN: Mapping[RolloutVerb, frozenset[RolloutStatus]] = {
    RolloutVerb.PAUSE: frozenset({RolloutStatus.RUNNING}),
    RolloutVerb.RESUME: frozenset({RolloutStatus.PAUSED, RolloutStatus.STOPPED}),
    RolloutVerb.ADVANCE: frozenset({RolloutStatus.RUNNING}),
    RolloutVerb.BACK: frozenset(RolloutStatus),
}


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a roll-out goes.

    ``stages`` are percents of the pool's capacity that have the new image at most, one after another, each after somebody
    looked; the last is all of it. ``at_once_percent`` of the capacity are being changed at the same moment at most, and after
    ``most_failures`` in a row it stops. ``notice_hours`` before their desktop is put onto the new image people are told.
    """

    stages: Sequence[int] = (10, 50, WHOLE)
    at_once_percent: int = 10
    most_failures: int = 3
    notice_hours: int = 24

    def checked(self) -> "Pace":
        """The pace as it is. Raises InvalidInput, for all that is wrong at once."""
        wrong: dict[str, str] = {}
        stages = list(self.stages)
        is_rising = stages == sorted(set(stages)) and 1 <= len(stages) <= MOST_STAGES
        if not is_rising or stages[0] < 1 or stages[-1] != WHOLE:
            wrong["stages"] = f"Up to {MOST_STAGES} percents that rise, the last of them {WHOLE}."
        if not 1 <= self.at_once_percent <= WHOLE:
            wrong["at_once_percent"] = f"From 1 to {WHOLE}."
        if not 1 <= self.most_failures <= MOST_FAILURES:
            wrong["most_failures"] = f"From 1 to {MOST_FAILURES}."
        if not 0 <= self.notice_hours <= LONGEST_NOTICE_HOURS:
            wrong["notice_hours"] = f"From 0 to {LONGEST_NOTICE_HOURS}."
        if wrong:
            raise InvalidInput("The roll-out is not valid.", fields=wrong)
        return self


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a roll-out may now: ``level`` desktops of the new image in all, ``at_once`` being changed.

    ``is_proven``: one was made from the new image in this roll-out. ``changing`` of the people's desktops are being put onto
    it. All of it was said by somebody or counted, nothing is guessed.
    """

    level: int
    at_once: int
    is_proven: bool
    changing: int = 0


@dataclass(frozen=True, slots=True)
class Moves:
    """What to do now: spares to be built of each image, spares to be removed, and people's desktops to be put onto the new."""

    build_new: int = 0
    build_old: int = 0
    remove_new_coming: int = 0
    remove_new_ready: int = 0
    remove_old_coming: int = 0
    remove_old_ready: int = 0
    rebuild: int = 0


def portion(capacity: int, percent: int) -> int:
    """So many desktops are this percent of a capacity: rounded down, but one at least."""
    return max(1, capacity * percent // WHOLE)


def stage_of(stages: Sequence[int], stage: int, *, is_back: bool) -> int:
    """The percent of a stage. The way back has no stages: it leads to what is known."""
    return WHOLE if is_back else stages[min(stage, len(stages) - 1)]


def moves(wanted: int, capacity: int, new: Counts, old: Counts, bounds: Bounds, *, idle: int = 0, at_once: int) -> Moves:
    """What leads a step further; at most ``at_once`` spares are begun.

    ``wanted`` spares should stand ready; ``idle`` people's desktops of the old image nobody uses, and their people were told.
    A new spare comes before an old one goes, where the capacity has room for both. Until one is proven, one at a time is
    tried, beside the old ones that there should be; and where there is no room, one old one goes first.
    """
    there = new.there + old.there
    room = max(0, capacity - there)
    seats = max(0, capacity - new.in_use - old.in_use - new.leaving - old.leaving)
    fitting = min(wanted, seats)
    certain = new.ready + old.ready + old.coming
    share = (bounds.at_once if bounds.is_proven else 1) - new.coming - new.broken - bounds.changing
    level_left = max(0, bounds.level - (new.there - new.leaving) - bounds.changing)
    kept = fitting if bounds.is_proven else min(max(fitting, 1), seats)
    lacking = max(0, kept - new.ready - new.coming - new.broken)
    missing = max(0, fitting - certain - old.broken - (new.coming if bounds.is_proven else 0))
    # What is missing anyway takes nothing out of use: it is built from the new image, unless that gives trouble.
    allowed = max(0, share) + (missing if bounds.is_proven and not new.broken else 0)
    build_new = min(lacking, level_left, allowed, room, at_once)
    build_old = min(max(0, missing - build_new) if bounds.is_proven else missing, room - build_new, at_once - build_new)
    surplus_new = max(0, new.ready + new.coming - kept)
    remove_new_coming = min(new.coming, surplus_new)
    remove_old_ready = min(old.ready, max(0, new.ready + old.ready - fitting))
    has_no_room = room == 0 and build_new == 0 and remove_old_ready == 0
    if has_no_room:
        # Nothing can come before something goes.
        making_room = min(share, level_left, lacking) - new.leaving - old.leaving
        remove_old_ready = min(old.ready, max(0, making_room))
    is_all_in_use = room == 0 and there == new.in_use + old.in_use
    is_tried = bounds.is_proven or is_all_in_use
    left = share - build_new - (remove_old_ready if has_no_room else 0)
    return Moves(
        build_new=build_new,
        build_old=build_old,
        remove_new_coming=remove_new_coming,
        remove_new_ready=surplus_new - remove_new_coming,
        remove_old_coming=min(old.coming, max(0, certain - fitting)),
        remove_old_ready=remove_old_ready,
        rebuild=max(0, min(idle, left, level_left - build_new)) if is_tried else 0,
    )


def image_is_new_for_somebody(new: Counts, bounds: Bounds) -> bool:
    """Whether a desktop that is built for somebody who waits for it is of the new image: not while that gives trouble."""
    return bounds.is_proven and not new.broken and new.there - new.leaving + bounds.changing < bounds.level


def is_stage_reached(new: Counts, old: Counts, bounds: Bounds) -> bool:
    """Whether a stage leaves nothing to do: as many have the new image as may, or all that there are."""
    return bounds.is_proven and (new.ready + new.in_use >= bounds.level or not _left(old))


def is_done(new: Counts, old: Counts, bounds: Bounds, *, is_last: bool) -> bool:
    """Whether a roll-out has come to its end: no desktop of the pool has another image, and one of the new was made."""
    return is_last and bounds.is_proven and not _left(old) and not bounds.changing and not new.broken


def waits_for_people_only(new: Counts, old: Counts, bounds: Bounds, *, is_last: bool) -> bool:
    """Whether all that is left are desktops that people have: a newer roll-out may take this one's place."""
    return is_last and bounds.is_proven and not (old.ready + old.coming + new.broken + bounds.changing)


def _left(old: Counts) -> int:
    return old.ready + old.coming + old.in_use
