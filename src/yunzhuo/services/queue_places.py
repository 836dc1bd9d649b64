"""Where in the queue what waits stands, and for about how long: for those who wait."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, aliased

from yunzhuo.phoenix.db.models import Operation
from yunzhuo.services.admission import going_on, standing, typical_seconds
from yunzhuo.services.changes import QueuePlace
from yunzhuo.services.rules import admission
from yunzhuo.services.rules.admission import Lane, Place
from yunzhuo.services.rules.lifecycle import OperationStatus


def queue_places(tx: Session, operations: Sequence[Operation]) -> Mapping[str, QueuePlace]:
    """The places of those among ``operations`` that wait to be let in, by id; nothing is asked when none does."""
    lanes: dict[Lane, list[Operation]] = defaultdict(list)
    for operation in operations:
        if operation.status == OperationStatus.WAITING and operation.lane:
            lanes[Lane(operation.lane)].append(operation)
    return {name: place for lane, waiting in lanes.items() for name, place in _places(tx, lane, waiting).items()}


def _places(tx: Session, lane: Lane, operations: Sequence[Operation]) -> Mapping[str, QueuePlace]:
    in_use = going_on(tx, lane)
    now = standing(tx, lane, in_use)
    ranks = _ranks(tx, [operation.id for operation in operations])
    wanted = {
        operation.id: (Place(operation.organization_id, operation.user_id), ranks[operation.id])
        for operation in operations
        if operation.id in ranks
    }
    length = sum(line.length for line in now.lines)
    slots, typical = sum(in_use.values()), typical_seconds(tx, lane)
    return {
        name: QueuePlace(position, length, admission.expected_wait_seconds(position, slots, typical))
        for name, position in admission.positions(now, wanted).items()
    }


def _ranks(tx: Session, operation_ids: Sequence[str]) -> Mapping[str, int]:
    """The how manieth of its person's waiting ones each is."""
    one, before = aliased(Operation), aliased(Operation)
    query = (
        select(one.id, func.count())
        .join(
            before,
            (before.lane == one.lane)
            & (before.status == OperationStatus.WAITING)
            & (before.organization_id == one.organization_id)
            & (before.user_id == one.user_id)
            & or_(before.created_at < one.created_at, (before.created_at == one.created_at) & (before.id <= one.id)),
        )
        .where(one.id.in_(operation_ids), one.status == OperationStatus.WAITING)
        .group_by(one.id)
    )
    return {row[0]: row[1] for row in tx.execute(query)}
