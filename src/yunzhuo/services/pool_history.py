"""What a pool did today, and how long it takes until somebody is at their desktop: sampled, and read from what operations and
screens record anyway."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.phoenix.db.models import ConsoleSession, Desktop, Operation, Pool, PoolSample, Ticket
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.services import pool_seats
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.changes import steps_of
from yunzhuo.services.forgetting import forget
from yunzhuo.services.rules import pool_times
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, Step
from yunzhuo.services.rules.pool_times import Spread, WaitPhase
from yunzhuo.services.rules.pools import Counts
from yunzhuo.services.stated import needs

#: Today and yesterday are there in every time zone.
KEEP = timedelta(days=3)
#: How many of the latest desktops figures are about.
LOOKED_AT = 50


@dataclass(frozen=True, slots=True)
class Sample:
    """How many desktops were what."""

    at: datetime
    in_use: int
    ready: int
    coming: int


@dataclass(frozen=True, slots=True)
class PoolDay:
    """A pool's day by its time zone, from ``begins_at`` to ``ends_at``, as far as it was seen."""

    begins_at: datetime
    ends_at: datetime
    time_zone: str
    capacity: int
    samples: Sequence[Sample]


@dataclass(frozen=True, slots=True)
class PoolTimes:
    """How long the latest desktops took, in seconds. ``phases`` of which nothing is known have None.

    ``making`` is from the wish to a desktop that is ready, ``waiting`` what people waited from their click to a desktop they
    could open. ``within_goal`` is which part of those waits was within ``goal_seconds``.
    """

    goal_seconds: int | None
    phases: Mapping[WaitPhase, Spread | None]
    making: Spread | None
    waiting: Spread | None
    within_goal: float | None


class PoolHistory:
    """Keeps and tells what pools did. Methods with an actor raise NotFound."""

    def __init__(self, db: Database, audit: AuditLog, clock: Clock) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock

    def sample(self) -> None:
        """Write down what all pools do now, once for each five minutes, whatever number of schedulers asks for it."""
        at = pool_times.slot_of(self._clock.now())
        with self._db.reading() as tx:
            there = select(PoolSample.pool_id).where(PoolSample.at == at)
            missing = list(tx.scalars(select(Pool.id).where(Pool.id.not_in(there))))
            counts = pool_seats.counted(tx, missing)
        for pool_id in missing:
            try:
                self._keep(pool_id, at, counts[pool_id])
            except IntegrityError:
                continue  # another one was first, or the pool is gone

    @retried_when_contended
    def _keep(self, pool_id: str, at: datetime, now: Counts) -> None:
        with self._db.transaction() as tx:
            tx.add(PoolSample(pool_id=pool_id, at=at, in_use=now.in_use, ready=now.ready, coming=now.coming))

    def forget_old(self) -> int:
        """Drop samples that nobody looks at any more; answers how many."""
        return forget(self._db, (PoolSample.pool_id, PoolSample.at), PoolSample.at < self._clock.now() - KEEP)

    @needs("pool:read")
    def today(self, actor: Actor, pool_id: str) -> PoolDay:
        """The day that it is in the pool's time zone."""
        with self._db.reading() as tx:
            pool = _pool(tx, actor, pool_id)
            begin, end = pool_times.day_of(self._clock.now(), ZoneInfo(pool.time_zone))
            query = select(PoolSample).where(PoolSample.pool_id == pool.id, PoolSample.at >= begin, PoolSample.at < end)
            rows = tx.scalars(query.order_by(PoolSample.at))
            samples = [Sample(row.at, row.in_use, row.ready, row.coming) for row in rows]
            return PoolDay(begin, end, pool.time_zone, pool.capacity, samples)

    @needs("pool:read")
    def times(self, actor: Actor, pool_id: str) -> PoolTimes:
        """How long the latest desktops took to be made, and people waited for theirs."""
        with self._db.reading() as tx:
            pool = _pool(tx, actor, pool_id)
            made = _made(tx, pool.id)
            waits = _waits(tx, pool.id)
            spreads = {phase: pool_times.spread(each[phase] for each in made if phase in each) for phase in WaitPhase}
            spreads[WaitPhase.PICTURE] = pool_times.spread(_pictures(tx, pool.id))
            return PoolTimes(
                goal_seconds=pool.goal_seconds,
                phases=spreads,
                making=pool_times.spread(sum(each.values()) for each in made),
                waiting=pool_times.spread(waits),
                within_goal=pool_times.share_within(waits, pool.goal_seconds),
            )


def _pool(tx: Session, actor: Actor, pool_id: str) -> Pool:
    pool = tx.get(Pool, pool_id)
    if pool is None or pool.organization_id != actor.organization_id:
        raise NotFound("pool_not_found", "There is no such pool.", verb="pool:read")
    return pool


def _made(tx: Session, pool_id: str) -> Sequence[Mapping[WaitPhase, float]]:
    """The phases of the latest desktops that were made well."""
    query = (
        select(Operation)
        .join(Desktop, Desktop.id == Operation.desktop_id)
        .where(Desktop.pool_id == pool_id, Operation.action == Action.CREATE)
        .where(Operation.status == OperationStatus.SUCCEEDED)
        .order_by(Operation.created_at.desc())
        .limit(LOOKED_AT)
    )
    operations = tx.scalars(query).all()
    steps = steps_of(tx, [each.id for each in operations])
    return [
        pool_times.phases(
            each.created_at,
            each.admitted_at,
            {Step(step.name): step.ended_at for step in steps[each.id] if step.ended_at is not None},
        )
        for each in operations
    ]


def _waits(tx: Session, pool_id: str) -> Sequence[float]:
    """How long the latest people waited for a desktop that they could open."""
    query = (
        select(Desktop.claimed_at, Operation.ended_at)
        .join(Operation, Operation.desktop_id == Desktop.id)
        .where(Desktop.pool_id == pool_id, Desktop.claimed_at.is_not(None), Operation.action == Action.CREATE)
        .where(Operation.status == OperationStatus.SUCCEEDED)
        .order_by(Desktop.claimed_at.desc())
        .limit(LOOKED_AT)
    )
    return [pool_times.waited(claimed_at, usable_at) for claimed_at, usable_at in tx.execute(query) if claimed_at and usable_at]


def _pictures(tx: Session, pool_id: str) -> Sequence[float]:
    """How long the latest screens took from the wish to see them to their connection, while their tickets are still there."""
    opened = func.min(ConsoleSession.started_at)
    query = (
        select(Ticket.created_at, opened)
        .join(ConsoleSession, ConsoleSession.ticket_id == Ticket.id)
        .join(Desktop, Desktop.id == Ticket.desktop_id)
        .where(Desktop.pool_id == pool_id)
        .group_by(Ticket.id, Ticket.created_at)
        .order_by(Ticket.created_at.desc())
        .limit(LOOKED_AT)
    )
    return [pool_times.waited(asked_at, opened_at) for asked_at, opened_at in tx.execute(query)]
