"""What the engine reads of an operation, and how it takes and gives back its lease.

The statements are written once, as they are needed at every step: to put one together takes as long as to have it answered.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Row, and_, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from yunzhuo.phoenix.db.models import Desktop, Flavor, Image, Operation, OperationStep, User
from yunzhuo.services.rules import lifecycle
from yunzhuo.services.rules.lifecycle import Action, OperationStatus

# Both come before anything that they change is read in their transaction.
_TAKE = (
    update(Operation)
    .where(
        Operation.id == bindparam("operation"),
        Operation.status.in_([status.value for status in lifecycle.ADMITTED]),
        Operation.due_at <= bindparam("due_until"),
        or_(Operation.lease_expires_at.is_(None), Operation.lease_expires_at <= bindparam("now")),
    )
    .values(lease_owner=bindparam("worker"), lease_expires_at=bindparam("lease_end"), status=OperationStatus.RUNNING)
    .execution_options(synchronize_session=False)
)
_GIVE_BACK = (
    update(Operation)
    .where(
        Operation.id == bindparam("operation"),
        Operation.lease_owner == bindparam("worker"),
        Operation.position == bindparam("place"),
    )
    .values(lease_owner=None, lease_expires_at=None)
    .execution_options(synchronize_session=False)
)
_EVERYTHING = (
    select(Operation, OperationStep, Desktop, Image, Flavor, User)
    .join(OperationStep, and_(OperationStep.operation_id == Operation.id, OperationStep.position == Operation.position))
    .join(Desktop, Desktop.id == Operation.desktop_id)
    .join(Image, Image.id == Desktop.image_id)
    .join(Flavor, Flavor.id == Desktop.flavor_id)
    .join(User, User.id == Desktop.owner_id)
    .where(Operation.id == bindparam("operation"))
)
_PRESENT_AND_NEXT = (
    select(Operation, OperationStep)
    .join(OperationStep, OperationStep.operation_id == Operation.id)
    .where(Operation.id == bindparam("operation"))
    .where(OperationStep.position.between(Operation.position, Operation.position + 1))
    .order_by(OperationStep.position)
)


@dataclass(frozen=True, slots=True)
class Rows:
    """An operation, its desktop, its present step and the one after it, if there is one."""

    operation: Operation
    desktop: Desktop
    step: OperationStep
    later: OperationStep | None


def take(tx: Session, operation_id: str, worker: str, *, now: datetime, due_until: datetime, lease_end: datetime) -> bool:
    """Take the lease of an operation that is due and free; answers whether it was."""
    particulars = {"operation": operation_id, "worker": worker, "now": now, "due_until": due_until, "lease_end": lease_end}
    return getattr(tx.execute(_TAKE, particulars), "rowcount", 0) == 1


def give_back(tx: Session, operation_id: str, worker: str, position: int) -> bool:
    """Give back a lease; answers whether it was still the worker's, and the operation where it had been taken."""
    particulars = {"operation": operation_id, "worker": worker, "place": position}
    return getattr(tx.execute(_GIVE_BACK, particulars), "rowcount", 0) == 1


def everything_about(tx: Session, operation_id: str) -> Row[Operation, OperationStep, Desktop, Image, Flavor, User]:
    """An operation, its present step, its desktop, what that is made of and whose it is: one question, not six."""
    return tx.execute(_EVERYTHING, {"operation": operation_id}).one()


def present_and_next(tx: Session, operation_id: str, desktop: Desktop) -> Rows:
    """What the outcome of the present step is written into."""
    (operation, step), *more = tx.execute(_PRESENT_AND_NEXT, {"operation": operation_id}).all()
    return Rows(operation, desktop, step, more[0][1] if more else None)


def is_first(operation: Operation) -> bool:
    """Whether nothing was asked of the cloud before the present step. Who waited there need not look for others again."""
    return operation.position == (1 if operation.action == Action.CREATE else 0)


def predecessor_at_work(tx: Session, operation: Operation, now: datetime) -> bool:
    others: ColumnElement[bool] = and_(Operation.desktop_id == operation.desktop_id, Operation.id != operation.id)
    at_work = select(func.count()).where(others, Operation.lease_owner.is_not(None), Operation.lease_expires_at > now)
    return bool(tx.scalar(at_work))
