"""What can be done about an operation: cancel it while it goes on; try it again, undo it, or delete the desktop after it."""

from collections.abc import Mapping
from enum import StrEnum

from yunzhuo.services.rules import lifecycle
from yunzhuo.services.rules.lifecycle import Action, Facts, OperationStatus

REMOVALS = frozenset({Action.DELETE, Action.FORCE_DELETE})

#: What takes a change back. What is not here cannot be taken back: a disk that was made anew is gone.
UNDO: Mapping[Action, Action] = {
    Action.CREATE: Action.DELETE,
    Action.START: Action.STOP,
    Action.STOP: Action.START,
    Action.SUSPEND: Action.RESUME,
    Action.RESUME: Action.SUSPEND,
    Action.ASSIGN_ADDRESS: Action.RELEASE_ADDRESS,
}

#: A person asks for these where their files are, with what is true of the disk by then.
ASKED_OF_THE_DISK = frozenset({Action.CONNECT_DISK, Action.DISCONNECT_DISK, Action.RESTORE_DISK})


class Cancellation(StrEnum):
    """How an operation is cancelled."""

    DROP = "drop"  # nothing was asked of the cloud: it is as if nobody had wished
    UNDO = "undo"  # another operation takes back what may have happened
    LET_GO = "let_go"  # nobody waits for it any more, and the desktop shows what the cloud says


class Remedy(StrEnum):
    """What can be done about an operation."""

    CANCEL = "cancel"
    RETRY = "retry"
    UNDO = "undo"
    DELETE = "delete"


def cancellation(action: Action, status: OperationStatus, *, is_undoing: bool) -> Cancellation | None:
    """How to cancel; None for what has ended, and for a deletion: that goes on once it was asked for."""
    if status not in lifecycle.ACTIVE or action in REMOVALS:
        return None
    if is_undoing:
        return Cancellation.LET_GO
    if status is not OperationStatus.RUNNING:
        return Cancellation.DROP
    return Cancellation.UNDO if action in UNDO else Cancellation.LET_GO


def remedies(facts: Facts, *, is_undoing: bool = False) -> frozenset[Remedy]:
    """What can be done about a desktop's latest operation; for earlier ones there is nothing to be done."""
    if facts.status in lifecycle.ACTIVE:
        can_cancel = cancellation(facts.action, facts.status, is_undoing=is_undoing) is not None
        return frozenset({Remedy.CANCEL}) if can_cancel else frozenset()
    if facts.status is OperationStatus.SUCCEEDED:
        return frozenset()
    allowed = lifecycle.allowed_actions(facts)
    found = set()
    if facts.action in allowed - ASKED_OF_THE_DISK:
        found.add(Remedy.RETRY)
    if UNDO.get(facts.action) in allowed - REMOVALS - {Action.RELEASE_ADDRESS}:  # what was not assigned is back already
        found.add(Remedy.UNDO)
    if Action.DELETE in allowed:
        found.add(Remedy.DELETE)
    return frozenset(found)
