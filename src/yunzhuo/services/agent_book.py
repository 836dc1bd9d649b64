"""Which key of a desktop's agent counts, by the database; always inside a transaction of a desktop's operation.

Keys are made, not stored: a step that is taken again gives the server the same key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.db.models import Desktop, GuestAgent, Operation
from yunzhuo.phoenix.db.session import Transaction
from yunzhuo.phoenix.security.agent_keys import AgentKey, AgentKeys
from yunzhuo.services.agent_door import AgentDoor
from yunzhuo.services.rules import first_boot
from yunzhuo.services.rules.lifecycle import Step, build_try

_GIVES_A_KEY = frozenset({Step.SERVER, Step.REBUILD})
# What these have begun ends the boot that was: a word of it counts no more.
_ENDS_BOOT = frozenset({Step.START, Step.STOP, Step.REBOOT, Step.REBUILD, Step.RESIZE, Step.ROLL_BACK})


@dataclass(frozen=True, slots=True)
class AgentView:
    """What a desktop's agent said last, at ``heard_at``. ``load`` is the last minute's, for each processor; ``signed_in_since``
    None: nobody is signed in."""

    heard_at: datetime
    is_ready: bool
    version: str
    load: float | None
    memory_mib: int | None
    memory_used_mib: int | None
    signed_in_since: datetime | None


class AgentBook:
    """``door`` None: no desktop gets an agent's key."""

    def __init__(self, keys: AgentKeys, door: AgentDoor | None) -> None:
        self._keys = keys
        self._door = door

    def begin(self, tx: Transaction, desktop: Desktop, operation: Operation, step: Step) -> str | None:
        """What a step tells the server's first boot; None: nothing. From now on its key counts, beside the one before."""
        if self._door is None or step not in _GIVES_A_KEY:
            return None
        issue = _issue(operation, step)
        row = tx.get(GuestAgent, desktop.id, with_for_update=True)
        if row is None:
            tx.add(GuestAgent(desktop_id=desktop.id, issue=issue))
        elif issue not in (operation.id, row.issue):
            # The server that had the key before is given up: whatever becomes of it, nothing that it says is believed.
            row.issue, row.next_issue, row.left_boot = issue, None, row.boot
        elif row.issue != issue:
            row.next_issue = issue
        key = self._keys.make(AgentKey(desktop.id, issue))
        door = self._door
        return first_boot.user_data(url=door.url, authority=door.authority, key=key, own=door.own_user_data)

    def settle(self, tx: Transaction, desktop: Desktop, step: Step) -> None:
        """The cloud has taken the step: after a restore the key before it counts no more, nor does what was said before."""
        if step not in _ENDS_BOOT:
            return
        row = tx.get(GuestAgent, desktop.id, with_for_update=True)
        if row is None:
            return
        row.left_boot = row.boot
        if step is Step.REBUILD and row.next_issue is not None:
            row.issue, row.next_issue = row.next_issue, None


def _issue(operation: Operation, step: Step) -> str:
    """A key for each server that the operation makes, the same for a step that is taken again."""
    number = build_try(operation.position) if step is Step.SERVER else 1
    return operation.id if number == 1 else str(uuid5(UUID(operation.id), str(number)))


def of_desktops(tx: Session, desktop_ids: Sequence[str]) -> Mapping[str, AgentView]:
    """What the agents of several desktops said, of those that were heard of at all, in one query."""
    found = tx.scalars(select(GuestAgent).where(GuestAgent.desktop_id.in_(desktop_ids)))
    return {row.desktop_id: _view(row, row.heard_at) for row in found if row.heard_at is not None}


def forget(tx: Transaction, desktop_id: str) -> None:
    """The desktop is gone: no key of it counts any more."""
    tx.execute(delete(GuestAgent).where(GuestAgent.desktop_id == desktop_id))


def _view(row: GuestAgent, heard_at: datetime) -> AgentView:
    return AgentView(
        heard_at=heard_at,
        is_ready=bool(row.is_ready) and row.boot != row.left_boot,
        version=row.version or "",
        load=row.load,
        memory_mib=row.memory_mib,
        memory_used_mib=row.memory_used_mib,
        signed_in_since=row.signed_in_since,
    )
