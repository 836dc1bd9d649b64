"""A desktop's life as tables: which steps an operation takes, what a desktop's state is called, what may be asked when."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Wanted(StrEnum):
    """What should be."""

    RUNNING = "running"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    GONE = "gone"


class Observed(StrEnum):
    """What the cloud said last (the words of the cloud's ``ServerStatus``, and ``missing``)."""

    BUILDING = "building"
    RUNNING = "running"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    RESCUED = "rescued"
    ERROR = "error"
    UNKNOWN = "unknown"
    MISSING = "missing"


class Action(StrEnum):
    """Changes that can be asked for."""

    CREATE = "create"
    START = "start"
    STOP = "stop"
    REBOOT = "reboot"
    SUSPEND = "suspend"
    RESUME = "resume"
    REBUILD = "rebuild"
    RESIZE = "resize"
    SNAPSHOT = "snapshot"
    ROLL_BACK = "roll_back"
    DELETE_SNAPSHOT = "delete_snapshot"
    CONNECT_DISK = "connect_disk"
    DISCONNECT_DISK = "disconnect_disk"
    RESTORE_DISK = "restore_disk"
    ASSIGN_ADDRESS = "assign_address"
    RELEASE_ADDRESS = "release_address"
    DELETE = "delete"
    FORCE_DELETE = "force_delete"


class Step(StrEnum):
    """What operations are made of. Each can be done twice without harm."""

    RESERVE = "reserve"
    SERVER = "server"
    START = "start"
    STOP = "stop"
    REBOOT = "reboot"
    SUSPEND = "suspend"
    RESUME = "resume"
    REBUILD = "rebuild"
    RESIZE = "resize"
    SNAPSHOT = "snapshot"
    ROLL_BACK = "roll_back"
    DROP_SNAPSHOT = "drop_snapshot"
    RUNNING = "running"
    READY = "ready"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    REBUILT = "rebuilt"
    RESIZED = "resized"
    KEPT = "kept"
    ROLLED_BACK = "rolled_back"
    DROPPED = "dropped"
    FETCH_DISK = "fetch_disk"
    CONNECT_DISK = "connect_disk"
    DISCONNECT_DISK = "disconnect_disk"
    RESTORE_DISK = "restore_disk"
    MAKE_ADDRESS = "make_address"
    CONNECT_ADDRESS = "connect_address"
    RELEASE_ADDRESS = "release_address"
    SETTLE = "settle"
    REMOVE = "remove"
    GONE = "gone"
    LEAVE = "leave"
    GIVE_UP = "give_up"
    GIVEN_UP = "given_up"


class OperationStatus(StrEnum):
    """Where an operation stands. ``waiting``: not let in yet; ``queued``: nobody has begun with it."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class State(StrEnum):
    """What a person reads; computed, never stored."""

    BUILDING = "building"
    AVAILABLE = "available"
    STARTING = "starting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    REBOOTING = "rebooting"
    SUSPENDING = "suspending"
    SUSPENDED = "suspended"
    RESUMING = "resuming"
    REBUILDING = "rebuilding"
    RESIZING = "resizing"
    SNAPSHOTTING = "snapshotting"
    ROLLING_BACK = "rolling_back"
    CHANGING_DISK = "changing_disk"
    CHANGING_ADDRESS = "changing_address"
    RESCUED = "rescued"
    BINNED = "binned"
    DELETING = "deleting"
    DELETED = "deleted"
    ERROR = "error"


ACTIVE = frozenset({OperationStatus.WAITING, OperationStatus.QUEUED, OperationStatus.RUNNING})
# Let in, and not at its end: what a worker may take a step of.
ADMITTED = frozenset({OperationStatus.QUEUED, OperationStatus.RUNNING})
_UNDONE = frozenset({OperationStatus.FAILED, OperationStatus.CANCELLED})

PLANS: Mapping[Action, tuple[Step, ...]] = {
    Action.CREATE: (Step.RESERVE, Step.SERVER, Step.RUNNING, Step.READY),
    Action.START: (Step.START, Step.RUNNING, Step.READY),
    Action.STOP: (Step.STOP, Step.STOPPED),
    Action.REBOOT: (Step.REBOOT, Step.RUNNING, Step.READY),
    Action.SUSPEND: (Step.SUSPEND, Step.SUSPENDED),
    Action.RESUME: (Step.RESUME, Step.RUNNING, Step.READY),
    Action.REBUILD: (Step.REBUILD, Step.REBUILT, Step.READY),
    Action.RESIZE: (Step.RESIZE, Step.RESIZED, Step.READY),
    Action.SNAPSHOT: (Step.SNAPSHOT, Step.KEPT, Step.READY),
    Action.ROLL_BACK: (Step.ROLL_BACK, Step.ROLLED_BACK, Step.READY),
    Action.DELETE_SNAPSHOT: (Step.DROP_SNAPSHOT, Step.DROPPED),
    Action.CONNECT_DISK: (Step.FETCH_DISK, Step.CONNECT_DISK),
    Action.DISCONNECT_DISK: (Step.DISCONNECT_DISK,),
    Action.RESTORE_DISK: (Step.DISCONNECT_DISK, Step.RESTORE_DISK, Step.CONNECT_DISK),
    Action.ASSIGN_ADDRESS: (Step.MAKE_ADDRESS, Step.CONNECT_ADDRESS),
    Action.RELEASE_ADDRESS: (Step.RELEASE_ADDRESS,),
    Action.DELETE: (Step.SETTLE, Step.REMOVE, Step.GONE),
    Action.FORCE_DELETE: (Step.LEAVE,),
}

#: What follows in a create when a host has not made its server: that is deleted, and the next is asked for.
ANEW = (Step.GIVE_UP, Step.GIVEN_UP, Step.SERVER, Step.RUNNING)

#: What is said of a step whose operation took too long.
TOO_LATE: Mapping[Step, str] = {
    Step.SERVER: "The cloud did not make the virtual machine in time.",
    Step.RUNNING: "The virtual machine did not start in time.",
    Step.READY: "The system inside the desktop did not get ready in time.",
    Step.STOPPED: "The virtual machine did not stop in time.",
    Step.SUSPENDED: "The memory was not put to disk in time.",
    Step.REBUILT: "The virtual machine was not put back to the image in time.",
    Step.RESIZED: "The virtual machine did not get its new size in time.",
    Step.KEPT: "The snapshot was not made in time.",
    Step.ROLLED_BACK: "The virtual machine did not return to the snapshot in time.",
    Step.DROPPED: "The cloud did not remove the snapshot in time.",
    Step.MAKE_ADDRESS: "The cloud did not give an address in time.",
    Step.CONNECT_ADDRESS: "The address was not led to the desktop in time.",
    Step.RELEASE_ADDRESS: "The address was not taken away in time.",
    Step.GONE: "The cloud did not remove the virtual machine in time.",
}

# What is wanted from then on. What is not here leaves that as it was, or ends as ``power_after`` says.
WANTED_AFTER: Mapping[Action, Wanted] = {
    Action.CREATE: Wanted.RUNNING,
    Action.START: Wanted.RUNNING,
    Action.STOP: Wanted.STOPPED,
    Action.REBOOT: Wanted.RUNNING,
    Action.SUSPEND: Wanted.SUSPENDED,
    Action.RESUME: Wanted.RUNNING,
    Action.DELETE: Wanted.GONE,
    Action.FORCE_DELETE: Wanted.GONE,
}

# Changes after which the server is as it was before: they end running, or stopped.
KEEPS_POWER = frozenset({Action.REBUILD, Action.RESIZE, Action.SNAPSHOT, Action.ROLL_BACK, Action.RESTORE_DISK})

STATE_DURING: Mapping[Action, State] = {
    Action.CREATE: State.BUILDING,
    Action.START: State.STARTING,
    Action.STOP: State.STOPPING,
    Action.REBOOT: State.REBOOTING,
    Action.SUSPEND: State.SUSPENDING,
    Action.RESUME: State.RESUMING,
    Action.REBUILD: State.REBUILDING,
    Action.RESIZE: State.RESIZING,
    Action.SNAPSHOT: State.SNAPSHOTTING,
    Action.ROLL_BACK: State.ROLLING_BACK,
    Action.DELETE_SNAPSHOT: State.SNAPSHOTTING,
    Action.CONNECT_DISK: State.CHANGING_DISK,
    Action.DISCONNECT_DISK: State.CHANGING_DISK,
    Action.RESTORE_DISK: State.CHANGING_DISK,
    Action.ASSIGN_ADDRESS: State.CHANGING_ADDRESS,
    Action.RELEASE_ADDRESS: State.CHANGING_ADDRESS,
    Action.DELETE: State.DELETING,
    Action.FORCE_DELETE: State.DELETING,
}

_REMOVALS = frozenset({Action.DELETE, Action.FORCE_DELETE})
_ON_DISK = frozenset({Action.REBUILD, Action.ROLL_BACK, Action.DELETE_SNAPSHOT})
_OF_PERSON = frozenset({Action.DISCONNECT_DISK, Action.RESTORE_DISK})
_ON_ADDRESS = frozenset({Action.ASSIGN_ADDRESS, Action.RELEASE_ADDRESS})

# What is done to a desktop that is ready beside whoever works at it.
_BESIDE_WORK = frozenset({State.BUILDING, State.CHANGING_DISK, State.CHANGING_ADDRESS})

# What may be asked for in each state. Deletion supersedes whatever is running; everything else waits its turn.
ALLOWED: Mapping[State, frozenset[Action]] = {
    **dict.fromkeys(STATE_DURING.values(), _REMOVALS),
    State.AVAILABLE: _REMOVALS
    | _ON_DISK
    | _OF_PERSON
    | _ON_ADDRESS
    | {Action.STOP, Action.REBOOT, Action.SUSPEND, Action.RESIZE, Action.SNAPSHOT, Action.CONNECT_DISK},
    State.STOPPED: _REMOVALS | _ON_DISK | _OF_PERSON | _ON_ADDRESS | {Action.START, Action.RESIZE, Action.SNAPSHOT},
    State.SUSPENDED: _REMOVALS | _ON_ADDRESS | {Action.RESUME, Action.DELETE_SNAPSHOT},
    State.RESCUED: _REMOVALS,
    State.BINNED: _REMOVALS,
    State.DELETING: frozenset({Action.FORCE_DELETE}),
    State.DELETED: frozenset(),
    State.ERROR: _REMOVALS,
}

_ON_BROKEN = _REMOVALS | _ON_DISK | {Action.STOP, Action.REBOOT, Action.DISCONNECT_DISK, Action.RELEASE_ADDRESS}

# What helps a desktop that needs attention depends on what the cloud says of its server.
ALLOWED_IN_ERROR: Mapping[Observed | None, frozenset[Action]] = {
    Observed.RUNNING: _ON_BROKEN,
    Observed.ERROR: _ON_BROKEN,
    Observed.UNKNOWN: _REMOVALS | {Action.START, Action.STOP},
    Observed.BUILDING: _REMOVALS | {Action.START, Action.STOP},
    Observed.MISSING: _REMOVALS | {Action.RELEASE_ADDRESS},
    None: _REMOVALS | {Action.START, Action.STOP},
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a desktop's state is computed from: the wanted, the observed, the latest operation, whether it is in the bin.

    ``is_locked`` is no state: it goes on as it was, and nobody changes it.
    """

    wanted: Wanted
    observed: Observed | None
    is_ready: bool
    action: Action
    status: OperationStatus
    is_binned: bool = False
    is_locked: bool = False


def state(facts: Facts) -> State:
    """What a person reads."""
    if facts.is_binned and facts.action not in _REMOVALS:
        return State.BINNED
    if facts.status in ACTIVE:
        return STATE_DURING[facts.action]
    if facts.wanted is Wanted.GONE and facts.status in (OperationStatus.SUCCEEDED, OperationStatus.CANCELLED):
        return State.DELETED
    if _was_never_made(facts) or (facts.status is OperationStatus.FAILED and facts.action in _REMOVALS):
        return State.ERROR
    return _state_at_rest(facts)


def is_reachable(facts: Facts) -> bool:
    """Whether somebody can work at the desktop: its screen opens, and files and clipboard are carried.

    So it is also while its personal disk or its address comes or goes, when a new one is ready and waits for its disk alone,
    and while another system runs in it to repair its own.
    """
    found = state(facts)
    is_up = facts.observed is Observed.RUNNING and facts.is_ready
    return found in (State.AVAILABLE, State.RESCUED) or (found in _BESIDE_WORK and is_up)


def _was_never_made(facts: Facts) -> bool:
    return facts.action is Action.CREATE and facts.status in _UNDONE


def _state_at_rest(facts: Facts) -> State:
    match facts.observed:
        case Observed.RUNNING:
            return State.AVAILABLE if facts.is_ready else State.ERROR
        case Observed.STOPPED:
            return State.STOPPED
        case Observed.SUSPENDED:
            return State.SUSPENDED
        case Observed.RESCUED:
            return State.RESCUED
        case _:
            return State.ERROR


def allowed_actions(facts: Facts) -> frozenset[Action]:
    """What may be asked for now. A desktop that was never made can only be tried again or deleted.

    What waits to be let in has changed nothing yet: another wish takes its place. One that is locked is changed by nobody.
    """
    if facts.is_locked:
        return frozenset()
    present = state(facts)
    if present is State.BINNED:
        return ALLOWED[present]
    if facts.status is OperationStatus.WAITING and facts.action is not Action.CREATE:
        at_rest = _state_at_rest(facts)
        allowed = ALLOWED_IN_ERROR.get(facts.observed, _REMOVALS) if at_rest is State.ERROR else ALLOWED[at_rest]
        return allowed - {facts.action}
    if present is State.DELETING and facts.action is Action.FORCE_DELETE:
        return frozenset()
    if present is not State.ERROR:
        return ALLOWED[present]
    if facts.action in _REMOVALS and facts.status is OperationStatus.FAILED:
        return _REMOVALS
    if _was_never_made(facts) and facts.observed is not Observed.MISSING:
        return _REMOVALS | {Action.CREATE}
    return ALLOWED_IN_ERROR.get(facts.observed, _REMOVALS)


def power_after(facts: Facts) -> Wanted:
    """How a change that keeps the power ends: stopped if the server is stopped, else running."""
    return Wanted.STOPPED if facts.observed is Observed.STOPPED else Wanted.RUNNING


def plan(action: Action, ends: Wanted | None = None, undoes: Action | None = None) -> tuple[Step, ...]:
    """The steps of an operation; nobody waits for the system inside a server that ends stopped, nor gives it a disk.

    One that undoes a change nobody knows how far it came takes that change to its end first: each of those steps is safe
    twice, and from there the way back is known. An address is given back from wherever it is.
    """
    steps = PLANS[action]
    if undoes is not None and undoes is not Action.ASSIGN_ADDRESS:
        steps = (*(step for step in PLANS[undoes] if step is not Step.READY), *steps)
    return tuple(step for step in steps if step not in _OF_RUNNING) if ends is Wanted.STOPPED else steps


def build_try(position: int) -> int:
    """Which try the step at this place of a create belongs to, from 1 on: each that was given up has grown the plan by
    :data:`ANEW`."""
    return 1 + max(position - PLANS[Action.CREATE].index(Step.SERVER), 0) // len(ANEW)


def with_address(action: Action, steps: tuple[Step, ...], *, has_address: bool) -> tuple[Step, ...]:
    """The steps of a change, with the one that gives the desktop's address back before its server goes."""
    if action is not Action.DELETE or not has_address:
        return steps
    before = steps.index(Step.REMOVE)
    return (*steps[:before], Step.RELEASE_ADDRESS, *steps[before:])


_OF_RUNNING = frozenset({Step.READY, Step.CONNECT_DISK})


def changes_first(action: Action, step: Step) -> bool:
    """Whether nothing was changed before this step was taken; what is refused there leaves all as it was."""
    return step in (PLANS[action][0], Step.DISCONNECT_DISK)


# These leave nothing behind that only their end would set right.
_STOPPABLE = frozenset({Action.CREATE, Action.START, Action.RESUME, Action.REBOOT})
_NEVER_CALLED_OFF = frozenset({Action.DELETE, Action.FORCE_DELETE})


def ends_with_its_owner(action: Action, *, has_begun: bool) -> bool:
    """Whether an operation ends when its owner, who asked for it, is disabled; what must not stay half done goes on."""
    return action not in _NEVER_CALLED_OFF and (action in _STOPPABLE or not has_begun)
