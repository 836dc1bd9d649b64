"""What people see of a desktop and its operation: frozen views, and the event that says that they changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.db.models import Desktop, Operation, OperationStep
from yunzhuo.phoenix.db.session import Transaction
from yunzhuo.services.events import EventService
from yunzhuo.services.rules import lifecycle
from yunzhuo.services.rules.lifecycle import Action, Facts, Observed, OperationStatus, State, Step, Wanted
from yunzhuo.services.rules.remedies import Remedy


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an operation failed: a stable code, and a sentence for a person."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """``position`` is how many are let in until it is this one's turn, itself counted, if nobody else comes; ``length``
    how many wait. ``expected_seconds`` None: nothing has ended yet that would tell."""

    position: int
    length: int
    expected_seconds: float | None


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of an operation."""

    name: Step
    status: OperationStatus
    started_at: datetime | None
    ended_at: datetime | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class OperationView:
    """One change being made, or made. ``position`` counts the steps that are done.

    ``note_code`` says what was lost by it, or later of what it had made.
    ``queue`` is where it stands while it waits to be let in; ``remedies`` what can be done about it by whoever looks.
    """

    id: str
    desktop_id: str
    action: Action
    status: OperationStatus
    position: int
    steps: Sequence[StepView]
    error: Failure | None
    note_code: str | None
    created_at: datetime
    ended_at: datetime | None
    queue: QueuePlace | None = None
    remedies: frozenset[Remedy] = frozenset()


def facts_of(desktop: Desktop, operation: Operation) -> Facts:
    """What the rules decide upon. ``operation`` is the desktop's latest."""
    return Facts(
        wanted=Wanted(desktop.wanted),
        observed=Observed(desktop.observed_status) if desktop.observed_status else None,
        is_ready=desktop.ready_at is not None,
        action=Action(operation.action),
        status=OperationStatus(operation.status),
        is_binned=desktop.binned_at is not None,
        is_locked=desktop.is_locked,
    )


def state_of(desktop: Desktop, operation: Operation) -> State:
    """What a person reads."""
    return lifecycle.state(facts_of(desktop, operation))


def failure_of(operation: Operation) -> Failure | None:
    """Why the operation failed; None when it did not."""
    return Failure(operation.error_code, operation.error_message or "") if operation.error_code else None


def operation_view(
    operation: Operation,
    steps: Sequence[OperationStep],
    *,
    queue: QueuePlace | None = None,
    remedies: frozenset[Remedy] = frozenset(),
) -> OperationView:
    """An operation with its steps, as people see it."""
    return OperationView(
        id=operation.id,
        desktop_id=operation.desktop_id,
        action=Action(operation.action),
        status=OperationStatus(operation.status),
        position=operation.position,
        steps=[StepView(Step(s.name), OperationStatus(s.status), s.started_at, s.ended_at, s.detail) for s in steps],
        error=failure_of(operation),
        note_code=operation.note_code,
        created_at=operation.created_at,
        ended_at=operation.ended_at,
        queue=queue,
        remedies=remedies,
    )


def steps_of(tx: Session, operation_ids: Sequence[str]) -> Mapping[str, Sequence[OperationStep]]:
    """The steps of several operations in one query, in their order."""
    found: dict[str, list[OperationStep]] = {operation_id: [] for operation_id in operation_ids}
    query = select(OperationStep).where(OperationStep.operation_id.in_(operation_ids)).order_by(OperationStep.position)
    for step in tx.scalars(query):
        found[step.operation_id].append(step)
    return found


class ChangeFeed:
    """Tells of desktops that changed, in the transaction that changes them."""

    def __init__(self, events: EventService) -> None:
        self._events = events

    def desktop_changed(self, tx: Transaction, desktop: Desktop, operation: Operation) -> None:
        """Record an event with the desktop's state and where its operation stands."""
        failure = failure_of(operation)
        self._events.record(
            tx,
            organization_id=desktop.organization_id,
            user_id=desktop.owner_id,
            kind="desktop.changed",
            object_id=desktop.id,
            data={
                "state": state_of(desktop, operation),
                "wanted": desktop.wanted,
                "operation": {
                    "id": operation.id,
                    "action": operation.action,
                    "status": operation.status,
                    "position": operation.position,
                    "error": {"code": failure.code, "message": failure.message} if failure else None,
                },
            },
        )
