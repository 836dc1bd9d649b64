"""Where in a desktop's changes its owner's personal disk comes and goes."""

from collections.abc import Sequence
from enum import StrEnum

from yunzhuo.services.rules.lifecycle import Action, Step, Wanted


class DiskState(StrEnum):
    """What a person reads; computed, never stored."""

    BEING_MADE = "being_made"
    FREE = "free"
    MOVING = "moving"
    CONNECTED = "connected"
    WAITING = "waiting"
    """It belongs at a desktop that does not have it at the moment, or could not be given it."""


DISK_STEPS = frozenset({Step.FETCH_DISK, Step.CONNECT_DISK, Step.DISCONNECT_DISK, Step.RESTORE_DISK})

# Memory that knows the disk's files must not meet another state of them; and what takes a machine away takes what it has not
# written out. So the disk is given back first. Those that end running get it again.
_WITHOUT_DISK = frozenset({Action.SUSPEND, Action.SNAPSHOT, Action.ROLL_BACK, Action.REBUILD, Action.RESIZE})
_ENDS_RUNNING = frozenset({Action.CREATE, Action.START, Action.RESUME})

#: What is open there is ended: it would be by the change itself.
ENDS_PROGRAMS = frozenset({Action.STOP, Action.ROLL_BACK, Action.REBUILD, Action.RESIZE, Action.DELETE, Action.RESTORE_DISK})
#: Changes that go on when the disk could not be taken away first: they end the machine, and that frees it.
GO_ON_WITHOUT = frozenset({Action.STOP, Action.REBUILD, Action.RESIZE, Action.DELETE})
#: Changes in the middle of which the disk still belongs at the desktop.
KEEP_PLACE = frozenset({Action.SNAPSHOT, Action.ROLL_BACK, Action.REBUILD, Action.RESIZE, Action.RESTORE_DISK})


def with_disk(action: Action, steps: Sequence[Step], *, has_disk: bool, is_here: bool, ends: Wanted | None) -> tuple[Step, ...]:
    """The steps of a change, and those that the disk needs around them.

    ``has_disk``: the desktop's owner has one. ``is_here``: this desktop has it, whoever's it is.
    """
    plan = list(steps)
    if is_here and action in _WITHOUT_DISK:
        plan.insert(0, Step.DISCONNECT_DISK)
    elif is_here and action is Action.STOP:
        plan.append(Step.DISCONNECT_DISK)
    elif action is Action.DELETE and (is_here or has_disk):
        plan.insert(plan.index(Step.REMOVE), Step.DISCONNECT_DISK)
    comes_back = action in KEEP_PLACE and ends is Wanted.RUNNING and Step.CONNECT_DISK not in plan
    if has_disk and (action in _ENDS_RUNNING or comes_back):
        plan.append(Step.CONNECT_DISK)
    return tuple(plan)
