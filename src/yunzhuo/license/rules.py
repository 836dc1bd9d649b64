"""The life of a licensed installation, as a table."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from yunzhuo.phoenix.common.errors import Conflict


class State(StrEnum):
    """What the vendor has decided. Whether a license has expired is a question of the time: :func:`seen_as`."""

    WAITING = "waiting"  # for host info
    READY = "ready"  # the host is known, no license was made yet
    ACTIVE = "active"
    SUSPENDED = "suspended"  # may come back
    REVOKED = "revoked"  # never comes back


class Act(StrEnum):
    """What changes it."""

    BIND = "bind"  # to a host
    ISSUE = "issue"  # a license, also another one
    SUSPEND = "suspend"
    RESUME = "resume"
    REVOKE = "revoke"
    MOVE = "move"  # to another host


TABLE: Mapping[tuple[State, Act], State] = {
    (State.WAITING, Act.BIND): State.READY,
    (State.WAITING, Act.REVOKE): State.REVOKED,
    (State.READY, Act.BIND): State.READY,
    (State.READY, Act.ISSUE): State.ACTIVE,
    (State.READY, Act.REVOKE): State.REVOKED,
    (State.ACTIVE, Act.ISSUE): State.ACTIVE,
    (State.ACTIVE, Act.MOVE): State.ACTIVE,
    (State.ACTIVE, Act.SUSPEND): State.SUSPENDED,
    (State.ACTIVE, Act.REVOKE): State.REVOKED,
    (State.SUSPENDED, Act.RESUME): State.ACTIVE,
    (State.SUSPENDED, Act.REVOKE): State.REVOKED,
}
#: What the newest license of an installation in such a state says: that it is withdrawn.
WITHDRAWN = frozenset({State.SUSPENDED, State.REVOKED})
EXPIRED = "expired"


def after(state: State, act: Act) -> State:
    """The state after ``act``. Raises Conflict when it cannot be done now."""
    found = TABLE.get((state, act))
    if found is None:
        raise Conflict("not_in_this_state", f"An installation that is {state} cannot be changed so ({act}).", state=state)
    return found


def is_over(state: State, *, serial: int, ends_at: datetime, now: datetime) -> bool:
    """Whether nothing that was issued counts any more, so that it can be deleted; ``ends_at`` is the end of the grace."""
    return state is State.REVOKED or serial == 0 or now >= ends_at


def seen_as(state: State, *, expires_at: datetime, now: datetime) -> str:
    """What people read: the state, or that the license has expired."""
    return EXPIRED if state is State.ACTIVE and now >= expires_at else state
