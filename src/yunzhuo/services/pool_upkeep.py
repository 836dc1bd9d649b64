"""What is done for pools in time: spares are built and removed, broken ones replaced, floating desktops given back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, false, func, not_, or_, select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import InvalidInput, Refused, YunzhuoError
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.db.models import ConsoleSession, Desktop, Operation, Organization, Pool
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services import pool_seats
from yunzhuo.services.admission import typical_seconds
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.changes import facts_of
from yunzhuo.services.desktops import DesktopService
from yunzhuo.services.pools import acting_for, wanted_now
from yunzhuo.services.rollout_book import is_new, target_of
from yunzhuo.services.rollout_upkeep import RolloutKeeper, Sight
from yunzhuo.services.rules import admission, lifecycle, pools
from yunzhuo.services.rules.admission import Lane, Limits
from yunzhuo.services.rules.lifecycle import Action, Observed, OperationStatus, State, Wanted
from yunzhuo.services.rules.pools import Counts, Kind
from yunzhuo.services.rules.rollouts import Moves
from yunzhuo.services.wishes import WishBook

log = get_logger()

# How many desktops of a pool are begun, or ended, in one round: a transaction is short, and the queue paces them anyway.
AT_ONCE = 20
_PACE_FOR = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Pace:
    """How long building a desktop takes (0: nothing was ever built), and on how many hosts desktops are, at a moment."""

    seen_at: datetime
    build_seconds: float
    hosts: int


class PoolKeeper:
    """Brings each pool to what is wanted of it. Any number of schedulers may: a pool is looked after by one at a time."""

    def __init__(
        self,
        db: Database,
        desktops: DesktopService,
        wishes: WishBook,
        rollouts: RolloutKeeper,
        audit: AuditLog,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._limits = limits
        self._pace = _Pace(clock.now() - _PACE_FOR, 0.0, 1)
        self._db = db
        self._rollouts = rollouts
        self._desktops = desktops
        self._wishes = wishes
        self._audit = audit
        self._clock = clock

    def round(self) -> None:
        """Look after every pool that something has to be done for. What goes wrong with one does not stop the others."""
        now = self._clock.now()
        for pool_id in self._in_need(now):
            try:
                self._tend(pool_id)
            except YunzhuoError as error:
                log.warning("pool_not_tended", pool_id=pool_id, code=error.code, reason=error.message)

    def _in_need(self, now: datetime) -> Sequence[str]:
        """The pools that a round would change something of; looking holds nothing. Of an organization that is disabled all
        stays as it is."""
        with self._db.reading() as tx:
            enabled = select(Organization.id).where(Organization.disabled_at.is_(None))
            rows = tx.scalars(select(Pool).where(Pool.organization_id.in_(enabled))).all()
            counts = pool_seats.counted(tx, [row.id for row in rows])
            return [row.id for row in rows if self._is_in_need(tx, row, counts[row.id], now)]

    def _is_in_need(self, tx: Session, pool: Pool, counts: Counts, now: datetime) -> bool:
        if counts.broken + counts.lost + counts.leaving or self._left_alone(tx, pool, now, limit=1):
            return True
        sight = self._rollouts.look(tx, pool, self._wanted(tx, pool, now), at_once=AT_ONCE)
        return sight.wants_something if sight is not None else self._plan(tx, pool, counts, now) != Moves()

    @retried_when_contended
    def _tend(self, pool_id: str) -> None:
        now = self._clock.now()
        with self._db.transaction() as tx:
            pool = tx.get(Pool, pool_id, with_for_update=True)
            if pool is None:
                return
            self._forgive(tx, pool)
            for desktop_id in self._left_alone(tx, pool, now, limit=AT_ONCE):
                self._remove(tx, pool, desktop_id, "left_alone")
            for desktop_id in _worthless(tx, pool, now):
                self._remove(tx, pool, desktop_id, "worthless")
            sight = self._rollouts.look(tx, pool, self._wanted(tx, pool, now), at_once=AT_ONCE)
            if sight is None:
                moves = self._plan(tx, pool, pool_seats.counted(tx, [pool.id])[pool.id], now)
                self._remove_surplus(tx, pool, moves, false())
                self._build(tx, pool, pool.image_id, moves.build_old)
                return
            self._rollouts.tend(tx, pool, sight)
            if not sight.ends:
                self._roll_on(tx, pool, sight)

    def _roll_on(self, tx: Transaction, pool: Pool, sight: Sight) -> None:
        self._remove_surplus(tx, pool, sight.moves, is_new(sight.rollout))
        refusal = self._build(tx, pool, target_of(sight.rollout), sight.moves.build_new)
        if isinstance(refusal, InvalidInput):  # the image is gone, say: asking again changes nothing
            self._rollouts.stop(tx, pool, sight.rollout, pool.problem or refusal.message)
        self._build(tx, pool, pool.image_id, sight.moves.build_old)

    def _remove_surplus(self, tx: Transaction, pool: Pool, moves: Moves, new: ColumnElement[bool]) -> None:
        """Remove spares that are too many; ``new`` are those of the image that is rolled out."""
        for condition, count in (
            (and_(new, _coming()), moves.remove_new_coming),
            (and_(new, _not_coming()), moves.remove_new_ready),
            (and_(not_(new), _coming()), moves.remove_old_coming),
            (and_(not_(new), _not_coming()), moves.remove_old_ready),
        ):
            for desktop_id in _spares(tx, pool, condition, min(count, AT_ONCE)):
                self._remove(tx, pool, desktop_id, "surplus")

    def _plan(self, tx: Session, pool: Pool, counts: Counts, now: datetime) -> Moves:
        """What is to be done in a pool in which nothing is rolled out."""
        plan = pools.plan(self._wanted(tx, pool, now), pool.capacity, counts, at_once=AT_ONCE)
        return Moves(build_old=plan.build, remove_old_coming=plan.remove_coming, remove_old_ready=plan.remove_ready)

    def _wanted(self, tx: Session, pool: Pool, now: datetime) -> int:
        """How many should stand ready. Spares of an hour to come are begun so much earlier as building them takes."""
        most = max((window.spares for window in pools.windows_of(pool.hours)), default=0)
        if not most:
            return wanted_now(pool, now)
        pace = self._pace_at(tx, now)
        ahead = admission.lead(most, self._limits, pace.hosts, pace.build_seconds)
        return max(wanted_now(pool, now), wanted_now(pool, now + ahead))

    def _pace_at(self, tx: Session, now: datetime) -> _Pace:
        """Looked up now and then."""
        if now - self._pace.seen_at >= _PACE_FOR:
            hosts = tx.scalar(select(func.count(Desktop.host.distinct())).where(Desktop.deleted_at.is_(None))) or 0
            self._pace = _Pace(now, typical_seconds(tx, Lane.BUILD) or 0.0, hosts)
        return self._pace

    def _build(self, tx: Transaction, pool: Pool, image_id: str, count: int) -> Refused | None:
        """Ask for so many spares. What is refused (the quota, an image that is gone) is answered, and stops nothing else of the
        round."""
        if not count:
            return None
        try:
            for _ in range(count):
                self._desktops.build_within(tx, acting_for(tx, pool), pool, image_id=image_id)
        except Refused as error:
            why = " ".join([error.message, *error.fields.values()] if isinstance(error, InvalidInput) else [error.message])
            if pool.problem != why:
                log.warning("pool_cannot_build", pool_id=pool.id, code=error.code, reason=why)
            pool.problem = why[:1000]
            return error
        pool.problem = None
        return None

    def _remove(self, tx: Transaction, pool: Pool, desktop_id: str, why: str) -> None:
        """Delete one; nothing when it has become somebody's, or is another's, meanwhile."""
        desktop = tx.get_one(Desktop, desktop_id, with_for_update=True)
        is_theirs = desktop.claimant_id is not None
        if desktop.deleted_at is not None or is_theirs is not (why == "left_alone"):
            return
        latest, now = tx.get_one(Operation, desktop.operation_id), self._clock.now()
        if Action.DELETE not in lifecycle.allowed_actions(facts_of(desktop, latest)):
            return
        if _made_nothing(latest) and (pool.failed_at is None or (latest.ended_at or now) > pool.failed_at):
            # However many failed together, the cloud was asked once.
            pool.failures, pool.failed_at = pool.failures + 1, now
        if is_theirs:
            after = {"desktop": desktop.name, "why": why}
            self._audit.record(tx, acting_for(tx, pool), "pool:claim", "pool", pool.id, owner_id=desktop.owner_id, before=after)
        self._wishes.change(tx, acting_for(tx, pool), desktop.id, Action.DELETE)

    def _left_alone(self, tx: Session, pool: Pool, now: datetime, *, limit: int) -> Sequence[str]:
        """Desktops of a floating pool that nobody has been connected to for as long as the pool says."""
        if pool.kind != Kind.FLOATING or pool.release_after_minutes is None:
            return []
        since = now - timedelta(minutes=pool.release_after_minutes)
        recently = or_(ConsoleSession.ended_at.is_(None), ConsoleSession.ended_at > since)
        is_used = exists().where(ConsoleSession.desktop_id == Desktop.id, recently)
        # From when it could be used, or a queue's length would take it away.
        query = select(Desktop.id, Desktop.ready_at, Desktop.claimed_at, Desktop.busy_at).where(
            Desktop.pool_id == pool.id,
            Desktop.claimant_id.is_not(None),
            Desktop.deleted_at.is_(None),
            Desktop.claimed_at <= since,
            ~is_used,
            ~_is_changing(),
        )
        minutes = pool.release_after_minutes
        return [
            desktop_id
            for desktop_id, *used in tx.execute(query.limit(limit * 5))
            if pools.is_given_back(now, max(filter(None, used)), minutes)
        ][:limit]

    def _forgive(self, tx: Session, pool: Pool) -> None:
        """What was made well after the last failure says that things can be made again."""
        if pool.failed_at is None:
            return
        well = exists().where(
            Operation.desktop_id == Desktop.id,
            Operation.action == Action.CREATE,
            Operation.status == OperationStatus.SUCCEEDED,
            Operation.ended_at > pool.failed_at,
        )
        if tx.scalar(select(Desktop.id).where(Desktop.pool_id == pool.id, well).limit(1)) is not None:
            pool.failures, pool.failed_at = 0, None


def _worthless(tx: Session, pool: Pool, now: datetime) -> Sequence[str]:
    """Spares that nobody can be given, and deletions that failed; what failed only after its pause."""
    query = (
        select(Desktop, Operation)
        .join(Operation, Operation.id == Desktop.operation_id)
        .where(Desktop.pool_id == pool.id, Desktop.claimant_id.is_(None), Desktop.deleted_at.is_(None))
        .where(Operation.status.not_in([status.value for status in lifecycle.ACTIVE]))
        .order_by(Desktop.created_at)
    )
    before = now - pools.pause_after(pool.failures)
    found = []
    for desktop, latest in tx.execute(query):
        if latest.status == OperationStatus.FAILED:
            is_due = latest.ended_at is not None and latest.ended_at <= before
        else:
            is_fresh = (
                latest.action == Action.CREATE
                and latest.status == OperationStatus.SUCCEEDED
                and lifecycle.state(facts_of(desktop, latest)) is State.AVAILABLE
                and desktop.image_id in (pool.image_id, pool.rolling_image_id)
                and desktop.flavor_id == pool.flavor_id
            )
            # A host that does not answer may come back, and with it a hundred spares at once.
            is_known = desktop.observed_status != Observed.UNKNOWN
            is_due = not is_fresh and is_known and desktop.wanted != Wanted.GONE
        if is_due:
            found.append(desktop.id)
    return found[:AT_ONCE]


def _spares(tx: Session, pool: Pool, condition: ColumnElement[bool], count: int) -> Sequence[str]:
    """The newest spares of a condition: the others have waited longer for somebody."""
    if count == 0:
        return []
    query = (
        select(Desktop.id)
        .join(Operation, Operation.id == Desktop.operation_id)
        .where(Desktop.pool_id == pool.id, Desktop.claimant_id.is_(None), Desktop.deleted_at.is_(None))
        .where(Desktop.wanted == Wanted.RUNNING, Operation.action == Action.CREATE, condition)
        .order_by(Desktop.created_at.desc(), Desktop.id)
    )
    return list(tx.scalars(query.limit(count)))


def _coming() -> ColumnElement[bool]:
    return Operation.status.in_([status.value for status in lifecycle.ACTIVE])


def _not_coming() -> ColumnElement[bool]:
    return Operation.status == OperationStatus.SUCCEEDED


def _is_changing() -> ColumnElement[bool]:
    return exists().where(Operation.active_desktop_id == Desktop.id)


def _made_nothing(latest: Operation) -> bool:
    return latest.action == Action.CREATE and latest.status == OperationStatus.FAILED
