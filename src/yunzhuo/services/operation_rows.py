"""What the engine reads of an operation."""

from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.db.models import Desktop, Flavor, Image, Operation, OperationStep, User
from yunzhuo.services.rules.lifecycle import Action


def everything_about(operation_id: str) -> Select[Operation, OperationStep, Desktop, Image, Flavor, User]:
    """An operation, its present step, its desktop, what that is made of and whose it is: one question, not six."""
    return (
        select(Operation, OperationStep, Desktop, Image, Flavor, User)
        .join(OperationStep, and_(OperationStep.operation_id == Operation.id, OperationStep.position == Operation.position))
        .join(Desktop, Desktop.id == Operation.desktop_id)
        .join(Image, Image.id == Desktop.image_id)
        .join(Flavor, Flavor.id == Desktop.flavor_id)
        .join(User, User.id == Desktop.owner_id)
        .where(Operation.id == operation_id)
    )


def steps_from(operation_id: str, position: int) -> Select[OperationStep]:
    """The step at this position and the one after it, if there is one."""
    at = OperationStep.position.between(position, position + 1)
    return select(OperationStep).where(OperationStep.operation_id == operation_id, at).order_by(OperationStep.position)


def step_at(operation_id: str, position: int) -> Select[OperationStep]:
    return select(OperationStep).where(OperationStep.operation_id == operation_id, OperationStep.position == position)


def is_first(operation: Operation) -> bool:
    """Whether nothing was asked of the cloud before the present step. Who waited there need not look for others again."""
    return operation.position == (1 if operation.action == Action.CREATE else 0)


def predecessor_at_work(tx: Session, operation: Operation, now: datetime) -> bool:
    others: ColumnElement[bool] = and_(Operation.desktop_id == operation.desktop_id, Operation.id != operation.id)
    at_work = select(func.count()).where(others, Operation.lease_owner.is_not(None), Operation.lease_expires_at > now)
    return bool(tx.scalar(at_work))
