"""Schedules as administrators make them: what is done to which desktops at which times, and what became of it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, LimitReached, NotFound
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.db.models import Group, Pool, Schedule, ScheduleRun, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services.access import Actor, require
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.own_accounts import address_of, own_account
from yunzhuo.services.rules import schedules
from yunzhuo.services.rules.schedules import Deed, RunStatus, SubjectKind
from yunzhuo.services.schedule_wishes import UTC_ZONE, RunView, ScheduleView, ScheduleWish
from yunzhuo.services.stated import needs

__all__ = ["MAX_RUNS", "UTC_ZONE", "RunView", "ScheduleService", "ScheduleView", "ScheduleWish"]

MAX_RUNS = 100


class ScheduleService:
    """What administrators do with schedules. What is about one raises NotFound for one that is not there."""

    def __init__(self, db: Database, audit: AuditLog, clock: Clock) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock

    @needs("schedule:read")
    def list(self, actor: Actor) -> Sequence[ScheduleView]:
        """The organization's schedules by name."""
        with self._db.reading() as tx:
            query = select(Schedule).where(Schedule.organization_id == actor.organization_id).order_by(Schedule.name)
            return schedule_views(tx, tx.scalars(query).all(), self._clock.now())

    @needs("schedule:read")
    def get(self, actor: Actor, schedule_id: str) -> ScheduleView:
        """One schedule."""
        with self._db.reading() as tx:
            return schedule_views(tx, [_found(tx, actor, schedule_id, "schedule:read")], self._clock.now())[0]

    @needs("schedule:read")
    def runs(self, actor: Actor, schedule_id: str | None = None, *, limit: int = 50) -> Sequence[RunView]:
        """The latest runs of one schedule, or of all of the organization's; the newest first."""
        query = (
            select(ScheduleRun, Schedule.name)
            .join(Schedule, Schedule.id == ScheduleRun.schedule_id)
            .where(Schedule.organization_id == actor.organization_id)
            .order_by(ScheduleRun.started_at.desc(), ScheduleRun.id)
        )
        with self._db.reading() as tx:
            if schedule_id is not None:
                query = query.where(Schedule.id == _found(tx, actor, schedule_id, "schedule:read").id)
            return [_run_view(run, name) for run, name in tx.execute(query.limit(min(max(limit, 1), MAX_RUNS)))]

    @needs("schedule:create")
    @retried_when_contended
    def create(self, actor: Actor, wish: ScheduleWish) -> ScheduleView:
        """Make a schedule, which is due from then on. Raises InvalidInput, LimitReached, Conflict when the name is taken."""
        checked = wish.checked()
        try:
            with self._db.transaction() as tx:
                return self.create_within(tx, actor, checked)
        except IntegrityError as error:
            raise _name_taken() from error

    def create_within(self, tx: Transaction, actor: Actor, wish: ScheduleWish, *, document: str | None = None) -> ScheduleView:
        """As :meth:`create`, as part of another service's transaction, which hears IntegrityError when the name is taken.
        ``document``: it is made because that says so."""
        require(actor, "schedule:create")
        checked, now, schedule_id = wish.checked(), self._clock.now(), new_id()
        _subject_name(tx, actor.organization_id, checked)
        theirs = select(func.count()).where(Schedule.organization_id == actor.organization_id)
        if (tx.scalar(theirs) or 0) >= schedules.MOST_SCHEDULES:
            message = f"There are {schedules.MOST_SCHEDULES} schedules already."
            raise LimitReached("too_many_schedules", message, limit=schedules.MOST_SCHEDULES)
        account = own_account(actor.organization_id, address_of("schedule", checked.name, schedule_id), now)
        tx.add(account)
        tx.flush()
        row = Schedule(
            id=schedule_id,
            organization_id=actor.organization_id,
            account_id=account.id,
            next_at=_next(checked, now),
            document=document,
            created_at=now,
            **_columns(checked),
        )
        tx.add(row)
        self._audit.record(tx, actor, "schedule:create", "schedule", schedule_id, after=_columns(checked))
        tx.flush()
        return schedule_views(tx, [row], now)[0]

    @needs("schedule:update")
    @retried_when_contended
    def change(self, actor: Actor, schedule_id: str, changed: Callable[[ScheduleWish], ScheduleWish]) -> ScheduleView:
        """Make a schedule what ``changed`` makes of what it is; it is due by its new rule from now on.

        Raises InvalidInput, Conflict when the name is taken.
        """
        try:
            with self._db.transaction() as tx:
                return self.change_within(tx, actor, schedule_id, changed)
        except IntegrityError as error:
            raise _name_taken() from error

    def change_within(
        self, tx: Transaction, actor: Actor, schedule_id: str, changed: Callable[[ScheduleWish], ScheduleWish]
    ) -> ScheduleView:
        """As :meth:`change`, as part of another service's transaction, which hears IntegrityError when the name is taken."""
        require(actor, "schedule:update")
        now = self._clock.now()
        row = _found(tx, actor, schedule_id, "schedule:update", locked=True)
        present = schedule_views(tx, [row], now)[0].as_wish()
        wish = changed(present).checked()
        _subject_name(tx, actor.organization_id, wish)
        before, after = _columns(present), _columns(wish)
        for name, value in after.items():
            setattr(row, name, value)
        if row.paused_at is None and (wish.rule, wish.time_zone) != (present.rule, present.time_zone):
            row.next_at = _next(wish, now)
        tx.get_one(User, row.account_id).email = address_of("schedule", row.name, row.id)
        different = {name for name in after if before[name] != after[name]}
        self._audit.record(
            tx,
            actor,
            "schedule:update",
            "schedule",
            row.id,
            before={name: before[name] for name in different},
            after={name: after[name] for name in different},
        )
        tx.flush()
        return schedule_views(tx, [row], now)[0]

    @needs("schedule:update")
    def pause(self, actor: Actor, schedule_id: str) -> ScheduleView:
        """Let a schedule rest; what falls due meanwhile is not done, nor later. Twice is harmless."""
        return self._rest(actor, schedule_id, is_paused=True)

    @needs("schedule:update")
    def resume(self, actor: Actor, schedule_id: str) -> ScheduleView:
        """Let a schedule go on with what falls due from now on. Twice is harmless."""
        return self._rest(actor, schedule_id, is_paused=False)

    @needs("schedule:run")
    @retried_when_contended
    def run(self, actor: Actor, schedule_id: str) -> RunView:
        """Do now what a schedule does, paused or not; when it is due next stays. Raises Conflict while it is being done."""
        now = self._clock.now()
        with self._db.transaction() as tx:
            row = _found(tx, actor, schedule_id, "schedule:run", locked=True)
            going_on = select(ScheduleRun.id).where(ScheduleRun.schedule_id == row.id, ScheduleRun.status == RunStatus.RUNNING)
            if tx.scalar(going_on.limit(1)) is not None:
                raise Conflict("schedule_is_running", "This schedule is being done already.")
            run = new_run(row.id, now, now, RunStatus.RUNNING)
            tx.add(run)
            self._audit.record(tx, actor, "schedule:run", "schedule", row.id, after={"name": row.name})
            return _run_view(run, row.name)

    @needs("schedule:delete")
    @retried_when_contended
    def delete(self, actor: Actor, schedule_id: str) -> None:
        """Forget a schedule and its runs; what it has asked for goes on."""
        with self._db.transaction() as tx:
            self.delete_within(tx, actor, schedule_id)

    def delete_within(self, tx: Transaction, actor: Actor, schedule_id: str) -> None:
        """As :meth:`delete`, as part of another service's transaction."""
        require(actor, "schedule:delete")
        row = _found(tx, actor, schedule_id, "schedule:delete", locked=True)
        tx.execute(delete(ScheduleRun).where(ScheduleRun.schedule_id == row.id))
        self._audit.record(tx, actor, "schedule:delete", "schedule", row.id, before={"name": row.name})
        tx.delete(row)

    @retried_when_contended
    def _rest(self, actor: Actor, schedule_id: str, *, is_paused: bool) -> ScheduleView:
        with self._db.transaction() as tx:
            return self.rest_within(tx, actor, schedule_id, is_paused=is_paused)

    def rest_within(self, tx: Transaction, actor: Actor, schedule_id: str, *, is_paused: bool) -> ScheduleView:
        """As :meth:`pause` or :meth:`resume`, as part of another service's transaction."""
        require(actor, "schedule:update")
        now = self._clock.now()
        row = _found(tx, actor, schedule_id, "schedule:update", locked=True)
        if is_paused is not (row.paused_at is not None):
            row.paused_at = now if is_paused else None
            row.next_at = None if is_paused else schedules.next_after(row.rule, ZoneInfo(row.time_zone), now)
            self._audit.record(tx, actor, "schedule:update", "schedule", row.id, after={"paused": is_paused})
        return schedule_views(tx, [row], now)[0]


def new_run(schedule_id: str, due_at: datetime, now: datetime, status: RunStatus) -> ScheduleRun:
    """A run to be written down. The database refuses a second one for the same moment."""
    ended_at = None if status is RunStatus.RUNNING else now
    return ScheduleRun(
        id=new_id(),
        schedule_id=schedule_id,
        due_at=due_at,
        status=status,
        started_at=now,
        ended_at=ended_at,
        begun=0,
        untouched=0,
        refused=0,
        waiting=0,
    )


def schedule_views(tx: Session, rows: Sequence[Schedule], now: datetime) -> Sequence[ScheduleView]:
    """Views of several schedules in a few queries."""
    subject_ids = [row.subject_id for row in rows]
    names: dict[str, str] = {}
    for table in (Pool, Group):
        names |= {row[0]: row[1] for row in tx.execute(select(table.id, table.name).where(table.id.in_(subject_ids)))}
    latest = _latest(tx, [row.id for row in rows])
    return [
        ScheduleView(
            id=row.id,
            name=row.name,
            rule=row.rule,
            time_zone=row.time_zone,
            action=Deed(row.action),
            subject_kind=SubjectKind(row.subject_kind),
            subject_id=row.subject_id,
            subject_name=names.get(row.subject_id),
            leaves_connected=row.leaves_connected,
            catch_up_minutes=row.catch_up_minutes,
            next_at=row.next_at,
            is_paused=row.paused_at is not None,
            is_late=schedules.is_late(row.next_at, now),
            latest=_run_view(latest[row.id], row.name) if row.id in latest else None,
            created_at=row.created_at,
        )
        for row in rows
    ]


def _latest(tx: Session, schedule_ids: Sequence[str]) -> Mapping[str, ScheduleRun]:
    last = (
        select(ScheduleRun.schedule_id, func.max(ScheduleRun.due_at).label("due_at"))
        .where(ScheduleRun.schedule_id.in_(schedule_ids))
        .group_by(ScheduleRun.schedule_id)
        .subquery()
    )
    is_last = (ScheduleRun.schedule_id == last.c.schedule_id) & (ScheduleRun.due_at == last.c.due_at)
    return {run.schedule_id: run for run in tx.scalars(select(ScheduleRun).join(last, is_last))}


def _run_view(run: ScheduleRun, name: str) -> RunView:
    return RunView(
        id=run.id,
        schedule_id=run.schedule_id,
        schedule_name=name,
        due_at=run.due_at,
        status=RunStatus(run.status),
        started_at=run.started_at,
        ended_at=run.ended_at,
        begun=run.begun,
        untouched=max(0, run.untouched),
        refused=run.refused,
        problem=run.problem,
    )


def _found(tx: Session | Transaction, actor: Actor, schedule_id: str, verb: str, *, locked: bool = False) -> Schedule:
    query = select(Schedule).where(Schedule.id == schedule_id, Schedule.organization_id == actor.organization_id)
    row = tx.scalar(query.with_for_update() if locked else query)
    if row is None:
        raise NotFound("schedule_not_found", "There is no such schedule.", verb=verb)
    return row


def _subject_name(tx: Session, organization_id: str, wish: ScheduleWish) -> str:
    table = Pool if wish.subject_kind is SubjectKind.POOL else Group
    found = tx.scalar(select(table.name).where(table.id == wish.subject_id, table.organization_id == organization_id))
    if found is None:
        raise InvalidInput("The schedule is not valid.", fields={"subject": f"There is no such {wish.subject_kind}."})
    return found


def _next(wish: ScheduleWish, now: datetime) -> datetime:
    found = schedules.next_after(wish.rule, ZoneInfo(wish.time_zone), now)
    if found is None:
        raise InvalidInput("The schedule is not valid.", fields={"rule": "There is no such day."})
    return found


def _columns(wish: ScheduleWish) -> dict[str, object]:
    return {
        "name": wish.name,
        "rule": wish.rule,
        "time_zone": wish.time_zone,
        "action": str(wish.action),
        "subject_kind": str(wish.subject_kind),
        "subject_id": wish.subject_id,
        "leaves_connected": wish.leaves_connected,
        "catch_up_minutes": wish.catch_up_minutes,
    }


def _name_taken() -> Conflict:
    return Conflict("schedule_name_taken", "There is a schedule of this name already.")


def catch_up_of(row: Schedule) -> timedelta:
    """How late a schedule is still done."""
    return timedelta(minutes=row.catch_up_minutes)
