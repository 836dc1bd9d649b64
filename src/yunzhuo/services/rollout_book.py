"""Roll-outs as they stand in the database: which one a pool has, how far it is, and which image somebody gets meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, not_, select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.db.models import Desktop, Image, Operation, Pool, PoolRollout
from yunzhuo.services import pool_seats
from yunzhuo.services.rules import lifecycle, rollouts
from yunzhuo.services.rules.lifecycle import Action, OperationStatus
from yunzhuo.services.rules.pools import Counts
from yunzhuo.services.rules.rollouts import Bounds, RolloutStatus, RolloutVerb

_ACTIVE = [status.value for status in lifecycle.ACTIVE]
# A pool that has failed for long need not be counted to the end.
_LOOKED_AT = 100


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a roll-out is: what is made from the image it leads to, all other desktops, and what it may."""

    new: Counts
    old: Counts
    bounds: Bounds
    is_last: bool

    @property
    def there(self) -> int:
        """All desktops that are of use, or on their way to be."""
        return sum(side.ready + side.coming + side.in_use for side in (self.new, self.old))

    @property
    def have_it(self) -> int:
        """Those that have the image."""
        return self.new.ready + self.new.in_use


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image, as its name and version call it."""

    id: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class RolloutView:
    """A roll-out as administrators see it.

    Of the pool's ``there`` desktops ``have_it`` have the image it leads to, which is ``origin`` on the way back; people work
    on ``with_people`` that do not, and ``changing`` are under way. At the present stage ``level`` may have it, and
    ``at_once`` be changed together. ``verbs`` are what can be said to it now; ``gives_way``: another one may begin.
    """

    id: str
    status: RolloutStatus
    is_back: bool
    origin: ImageRef
    target: ImageRef
    stages: Sequence[int]
    stage: int
    level: int
    at_once: int
    at_once_percent: int
    most_failures: int
    notice_hours: int
    there: int
    have_it: int
    with_people: int
    changing: int
    is_stage_reached: bool
    problem: str | None
    verbs: frozenset[RolloutVerb]
    gives_way: bool
    started_at: datetime
    ended_at: datetime | None


def open_in(tx: Session, pool: Pool) -> PoolRollout | None:
    """The roll-out that goes on in a pool, or rests."""
    if pool.rolling_image_id is None:
        return None
    return tx.scalar(select(PoolRollout).where(PoolRollout.open_pool_id == pool.id))


def latest(tx: Session, pool_id: str) -> PoolRollout | None:
    """A pool's latest roll-out, going on or ended."""
    return tx.scalar(select(PoolRollout).where(PoolRollout.pool_id == pool_id).order_by(PoolRollout.started_at.desc()).limit(1))


def target_of(rollout: PoolRollout) -> str:
    """The image that it leads to."""
    return rollout.from_image_id if rollout.is_back else rollout.to_image_id


def is_new(rollout: PoolRollout) -> ColumnElement[bool]:
    """The condition under which a desktop counts as one of the new image: one whose disk was not put onto it in the end does
    not. ``Operation`` is its latest."""
    is_not_there = and_(Operation.action == Action.REBUILD, Operation.status != OperationStatus.SUCCEEDED)
    return and_(Desktop.image_id == target_of(rollout), not_(is_not_there))


def standing(tx: Session, pool: Pool, rollout: PoolRollout) -> Standing:
    """How far it is."""
    condition = is_new(rollout)
    new, old = (pool_seats.counted(tx, [pool.id], side)[pool.id] for side in (condition, not_(condition)))
    percent = rollouts.stage_of(rollout.stages, rollout.stage, is_back=rollout.is_back)
    bounds = Bounds(
        level=rollouts.portion(pool.capacity, percent),
        at_once=rollouts.portion(pool.capacity, rollout.at_once_percent),
        is_proven=rollout.proven_at is not None,
        changing=_changing(tx, pool),
    )
    return Standing(new, old, bounds, is_last=percent == rollouts.WHOLE)


def images_to_give(tx: Session, pool: Pool) -> Sequence[str]:
    """From which images people are given spares, those of the first one before the others: of the new one while it comes."""
    rollout = open_in(tx, pool)
    if rollout is None or pool.rolling_image_id is None:
        return [pool.image_id]
    is_coming = rollout.status == RolloutStatus.RUNNING and not rollout.is_back
    images = [pool.rolling_image_id, pool.image_id]
    return images if is_coming else images[::-1]


def image_for_somebody(tx: Session, pool: Pool) -> str:
    """From which image a desktop is built for somebody who waits for it."""
    rollout = open_in(tx, pool)
    if rollout is None or rollout.status != RolloutStatus.RUNNING:
        return pool.image_id
    now = standing(tx, pool, rollout)
    return target_of(rollout) if rollouts.image_is_new_for_somebody(now.new, now.bounds) else pool.image_id


def tried(tx: Session, pool: Pool, rollout: PoolRollout) -> tuple[bool, int, str | None]:
    """Whether one was made from the image it leads to since failures are counted, how many could not be made after that, one
    after another, and why the last one could not."""
    query = (
        select(Operation.action, Operation.arguments, Operation.status, Operation.error_message, Desktop.image_id)
        .join(Desktop, Desktop.id == Operation.desktop_id)
        .where(Desktop.pool_id == pool.id, Operation.action.in_([Action.CREATE, Action.REBUILD]))
        .where(Operation.status.in_([OperationStatus.SUCCEEDED, OperationStatus.FAILED]))
        .where(Operation.ended_at > rollout.counted_from)
        .order_by(Operation.ended_at.desc(), Operation.id)
        .limit(_LOOKED_AT)
    )
    failures, problem = 0, None
    for action, arguments, status, message, image_id in tx.execute(query):
        made_from = arguments.get("image") if action == Action.REBUILD else image_id
        if made_from != target_of(rollout):
            continue
        if status == OperationStatus.SUCCEEDED:
            return True, failures, problem
        failures, problem = failures + 1, problem or message
    return False, failures, problem


def view_of(tx: Session, pool: Pool, rollout: PoolRollout) -> RolloutView:
    """A roll-out with how far it is. Of one that has ended that is how far its images are now."""
    now, status = standing(tx, pool, rollout), RolloutStatus(rollout.status)
    images = {
        row.id: row for row in tx.scalars(select(Image).where(Image.id.in_([rollout.from_image_id, rollout.to_image_id])))
    }
    first, second = (
        ImageRef(each, images[each].name, images[each].version) for each in (rollout.from_image_id, rollout.to_image_id)
    )
    return RolloutView(
        id=rollout.id,
        status=status,
        is_back=rollout.is_back,
        origin=first,
        target=second,
        stages=rollout.stages,
        stage=rollout.stage,
        level=now.bounds.level,
        at_once=now.bounds.at_once,
        at_once_percent=rollout.at_once_percent,
        most_failures=rollout.most_failures,
        notice_hours=rollout.notice_hours,
        there=now.there,
        have_it=now.have_it,
        with_people=now.old.in_use,
        changing=now.bounds.changing + now.new.coming,
        is_stage_reached=rollouts.is_stage_reached(now.new, now.old, now.bounds),
        problem=rollout.problem,
        verbs=_verbs(pool, rollout, is_last=now.is_last),
        gives_way=gives_way(rollout, now),
        started_at=rollout.started_at,
        ended_at=rollout.ended_at,
    )


def gives_way(rollout: PoolRollout, now: Standing) -> bool:
    """Whether another roll-out may begin: this one is done, or waits for people only."""
    if rollout.status != RolloutStatus.RUNNING:
        return rollout.status == RolloutStatus.DONE
    return rollouts.waits_for_people_only(now.new, now.old, now.bounds, is_last=now.is_last)


def _verbs(pool: Pool, rollout: PoolRollout, *, is_last: bool) -> frozenset[RolloutVerb]:
    found = {verb for verb, statuses in rollouts.POSSIBLE_IN.items() if rollout.status in statuses}
    if is_last:
        found.discard(RolloutVerb.ADVANCE)
    # From what is done there is a way back for as long as the pool is what it made of it.
    if rollout.is_back or (rollout.status == RolloutStatus.DONE and pool.image_id != rollout.to_image_id):
        found.discard(RolloutVerb.BACK)
    return frozenset(found)


def _changing(tx: Session, pool: Pool) -> int:
    """How many of the people's desktops the pool itself is putting onto another image."""
    query = (
        select(func.coalesce(func.sum(case((Operation.status.in_(_ACTIVE), 1), else_=0)), 0))
        .join(Desktop, Desktop.operation_id == Operation.id)
        .where(Desktop.pool_id == pool.id, Desktop.deleted_at.is_(None))
        .where(Operation.action == Action.REBUILD, Operation.user_id == pool.account_id)
    )
    return int(tx.scalar(query) or 0)
