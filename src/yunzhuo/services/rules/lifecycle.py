"""A desktop's life as tables: which steps an operation takes, what a desktop's state is called, what may be asked when."""

from dataclasses import dataclass
from enum import StrEnum


class Wanted(StrEnum):
    """What should be."""

    RUNNING = "running"
    STOPPED = "stopped"
    GONE = "gone"


class Observed(StrEnum):
    """What the cloud said last (the words of the cloud's ``ServerStatus``, and ``missing``)."""

    BUILDING = "building"
    RUNNING = "running"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    ERROR = "error"
    UNKNOWN = "unknown"
    MISSING = "missing"


class Action(StrEnum):
    """Changes that can be asked for."""

    CREATE = "create"
    START = "start"
    STOP = "stop"
    REBOOT = "reboot"
    DELETE = "delete"


class Step(StrEnum):
    """What operations are made of. Each can be done twice without harm."""

    RESERVE = "reserve"
    SERVER = "server"
    START = "start"
    STOP = "stop"
    REBOOT = "reboot"
    RUNNING = "running"
    READY = "ready"
    STOPPED = "stopped"
    SETTLE = "settle"
    REMOVE = "remove"
    GONE = "gone"


class OperationStatus(StrEnum):
    """Where an operation stands."""

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
    SUSPENDED = "suspended"
    DELETING = "deleting"
    DELETED = "deleted"
    ERROR = "error"


ACTIVE = frozenset({OperationStatus.QUEUED, OperationStatus.RUNNING})

PLANS: dict[Action, tuple[Step, ...]] = {
    Action.CREATE: (Step.RESERVE, Step.SERVER, Step.RUNNING, Step.READY),
    Action.START: (Step.START, Step.RUNNING, Step.READY),
    Action.STOP: (Step.STOP, Step.STOPPED),
    Action.REBOOT: (Step.REBOOT, Step.RUNNING, Step.READY),
    Action.DELETE: (Step.SETTLE, Step.REMOVE, Step.GONE),
}

WANTED_AFTER: dict[Action, Wanted] = {
    Action.CREATE: Wanted.RUNNING,
    Action.START: Wanted.RUNNING,
    Action.STOP: Wanted.STOPPED,
    Action.REBOOT: Wanted.RUNNING,
    Action.DELETE: Wanted.GONE,
}

STATE_DURING: dict[Action, State] = {
    Action.CREATE: State.BUILDING,
    Action.START: State.STARTING,
    Action.STOP: State.STOPPING,
    Action.REBOOT: State.REBOOTING,
    Action.DELETE: State.DELETING,
}

# What may be asked for in each state. Delete supersedes whatever is running; everything else waits its turn.
ALLOWED: dict[State, frozenset[Action]] = {
    State.BUILDING: frozenset({Action.DELETE}),
    State.AVAILABLE: frozenset({Action.STOP, Action.REBOOT, Action.DELETE}),
    State.STARTING: frozenset({Action.DELETE}),
    State.STOPPING: frozenset({Action.DELETE}),
    State.STOPPED: frozenset({Action.START, Action.DELETE}),
    State.REBOOTING: frozenset({Action.DELETE}),
    State.SUSPENDED: frozenset({Action.DELETE}),
    State.DELETING: frozenset(),
    State.DELETED: frozenset(),
    State.ERROR: frozenset({Action.CREATE, Action.START, Action.STOP, Action.REBOOT, Action.DELETE}),
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a desktop's state is computed from: the wanted, the observed, and the latest operation."""

    wanted: Wanted
    observed: Observed | None
    is_ready: bool
    action: Action
    status: OperationStatus


def state(facts: Facts) -> State:
    """What a person reads."""
    if facts.status in ACTIVE:
        return STATE_DURING[facts.action]
    if facts.wanted is Wanted.GONE and facts.status is OperationStatus.SUCCEEDED:
        return State.DELETED
    if facts.status is OperationStatus.FAILED and facts.action in (Action.CREATE, Action.DELETE):
        return State.ERROR
    match facts.observed:
        case Observed.RUNNING:
            return State.AVAILABLE if facts.is_ready else State.ERROR
        case Observed.STOPPED:
            return State.STOPPED
        case Observed.SUSPENDED:
            return State.SUSPENDED
        case _:
            return State.ERROR


def allowed_actions(facts: Facts) -> frozenset[Action]:
    """What may be asked for now. A desktop that was never made can only be tried again or deleted."""
    present = state(facts)
    allowed = ALLOWED[present]
    if present is not State.ERROR:
        return allowed
    if facts.action is Action.DELETE or facts.observed is Observed.MISSING:
        return frozenset({Action.DELETE})
    if facts.action is Action.CREATE and facts.status is OperationStatus.FAILED:
        return frozenset({Action.CREATE, Action.DELETE})
    if facts.observed is Observed.RUNNING:
        return allowed - {Action.CREATE, Action.START}
    return allowed - {Action.CREATE, Action.REBOOT}


RETRY_FIRST_SECONDS = 0.5
RETRY_LONGEST_SECONDS = 15.0


def retry_delay_seconds(attempts: int) -> float:
    """How long to wait before what broke is tried again, after ``attempts`` tries: doubling, bounded."""
    return min(RETRY_FIRST_SECONDS * 2.0 ** min(max(attempts - 1, 0), 16), RETRY_LONGEST_SECONDS)


def check_delay_seconds(elapsed: float) -> float:
    """How long to wait before looking again at what takes its time, ``elapsed`` seconds into it.

    A tenth of what has passed: quick where a clone takes half a second, gentle where a boot takes half a minute.
    """
    return min(max(0.1 * elapsed, 0.05), 2.0)
