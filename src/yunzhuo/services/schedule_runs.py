"""Schedules as schedulers see them: what is due is taken once, and done a few desktops at a time, by whoever is there."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, delete, exists, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Refused, YunzhuoError
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.db.models import (
    ConsoleSession,
    Desktop,
    Group,
    GroupMember,
    Operation,
    Organization,
    Pool,
    Schedule,
    ScheduleRun,
    User,
)
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services.admission import typical_seconds
from yunzhuo.services.changes import state_of
from yunzhuo.services.own_accounts import acting_as
from yunzhuo.services.rules import admission, schedules
from yunzhuo.services.rules.admission import Lane, Limits
from yunzhuo.services.rules.lifecycle import Wanted
from yunzhuo.services.rules.schedules import Deed, RunStatus, SubjectKind
from yunzhuo.services.schedules import catch_up_of, new_run
from yunzhuo.services.wishes import WishBook

log = get_logger()

# How many desktops of a run are dealt with in a round: a transaction is short, and hosts are not all asked at once.
AT_ONCE = 20
LEASE = timedelta(seconds=30)
KEEP = timedelta(days=90)
# How long a start takes where none was ever seen.
UNKNOWN_START_SECONDS = 60.0


class ScheduleKeeper:
    """Does what is due. Any number of schedulers may: a moment is taken by one, a run is worked on by one at a time."""

    def __init__(self, db: Database, wishes: WishBook, clock: Clock, limits: Limits, *, scheduler: str) -> None:
        self._limits = limits
        self._db = db
        self._wishes = wishes
        self._clock = clock
        self._scheduler = scheduler

    def round(self) -> None:
        """Take what is due, the longest overdue first, and go on with what was taken. One that goes wrong stops no other."""
        for schedule_id in self._due():
            self._guarded(self._take, schedule_id)
        for run_id in self._open():
            self._guarded(self._go_on, run_id)

    def late(self) -> Sequence[str]:
        """Ids of the schedules of which something has been due for too long, of all organizations."""
        before = self._clock.now() - schedules.ALARM_AFTER
        with self._db.reading() as tx:
            enabled = select(Organization.id).where(Organization.disabled_at.is_(None))
            query = select(Schedule.id).where(Schedule.next_at < before, Schedule.organization_id.in_(enabled))
            return list(tx.scalars(query.order_by(Schedule.next_at)))

    @retried_when_contended
    def forget_old(self) -> None:
        """Drop runs that ended long ago."""
        with self._db.transaction() as tx:
            before = self._clock.now() - KEEP
            tx.execute(delete(ScheduleRun).where(ScheduleRun.started_at < before, ScheduleRun.ended_at.is_not(None)))

    def _guarded(self, deed: Callable[[str], None], object_id: str) -> None:
        try:
            deed(object_id)
        except YunzhuoError as error:
            log.warning("schedule_failed", id=object_id, code=error.code, reason=error.message)

    def _due(self) -> Sequence[str]:
        """Of an organization that is disabled nothing is done; what it missed is decided when it is enabled again."""
        with self._db.reading() as tx:
            enabled = select(Organization.id).where(Organization.disabled_at.is_(None))
            query = select(Schedule.id).where(Schedule.next_at <= self._clock.now(), Schedule.organization_id.in_(enabled))
            due = list(tx.scalars(query.order_by(Schedule.next_at).limit(100)))
            return [*due, *self._ahead(tx, enabled)]

    def _ahead(self, tx: Session, enabled: Select[str]) -> Sequence[str]:
        """Starts that have to be begun now for all to be ready at their time; none before a stop that is due until then."""
        now = self._clock.now()
        soon = select(Schedule).where(Schedule.next_at > now, Schedule.next_at <= now + admission.LONGEST_LEAD)
        found = tx.scalars(soon.where(Schedule.organization_id.in_(enabled)).order_by(Schedule.next_at).limit(100)).all()
        stops = [(each.organization_id, each.next_at) for each in found if each.action != Deed.START]
        ahead = []
        for one in found:
            is_after_stop = any(org == one.organization_id and at <= one.next_at for org, at in stops if at and one.next_at)
            is_start = one.action == Deed.START and one.next_at is not None and not is_after_stop
            if is_start and one.next_at is not None and one.next_at - self._lead(tx, one) <= now:
                ahead.append(one.id)
        return ahead

    def _lead(self, tx: Session, schedule: Schedule) -> timedelta:
        subject = subject_of(tx, schedule)
        if subject is None:
            return timedelta(0)
        off = select(func.count(), func.count(Desktop.host.distinct())).where(
            Desktop.organization_id == schedule.organization_id,
            Desktop.deleted_at.is_(None),
            Desktop.wanted.in_([Wanted.STOPPED.value, Wanted.SUSPENDED.value]),
            subject,
        )
        count, hosts = tx.execute(off).one()
        typical = typical_seconds(tx, Lane.START) if count else None
        return admission.lead(count, self._limits, hosts, UNKNOWN_START_SECONDS if typical is None else typical)

    @retried_when_contended
    def _take(self, schedule_id: str) -> None:
        """Write down what is to be done for the moment that is due, and when the next one is. Who comes second finds that it
        is not due any more."""
        now = self._clock.now()
        try:
            with self._db.transaction() as tx:
                row = tx.get(Schedule, schedule_id, with_for_update=True)
                if row is None or row.next_at is None or row.next_at - self._ahead_of(tx, row) > now:
                    return
                moment = max(now, row.next_at)
                decision = schedules.decide(row.rule, ZoneInfo(row.time_zone), row.next_at, moment, catch_up_of(row))
                row.next_at = decision.next_at
                if decision.missed_at is not None:
                    tx.add(new_run(row.id, decision.missed_at, now, RunStatus.MISSED))
                    log.warning("schedule_missed", schedule_id=row.id, due_at=decision.missed_at.isoformat())
                if decision.run_at is not None:
                    tx.add(new_run(row.id, decision.run_at, now, RunStatus.RUNNING))
                    late = max(0.0, (now - decision.run_at).total_seconds())
                    is_late = schedules.is_late(decision.run_at, now)
                    (log.warning if is_late else log.info)("schedule_due", schedule_id=row.id, late_seconds=round(late, 1))
        except IntegrityError:
            # It was run by hand at that very moment.
            self._skip(schedule_id, now)

    def _ahead_of(self, tx: Session, schedule: Schedule) -> timedelta:
        return self._lead(tx, schedule) if schedule.action == Deed.START else timedelta(0)

    @retried_when_contended
    def _skip(self, schedule_id: str, now: datetime) -> None:
        with self._db.transaction() as tx:
            row = tx.get(Schedule, schedule_id, with_for_update=True)
            if row is not None and row.next_at is not None and row.next_at - self._ahead_of(tx, row) <= now:
                row.next_at = schedules.next_after(row.rule, ZoneInfo(row.time_zone), max(now, row.next_at))

    def _open(self) -> Sequence[str]:
        with self._db.reading() as tx:
            query = select(ScheduleRun.id).where(ScheduleRun.status == RunStatus.RUNNING, self._is_free())
            # What was due earlier is done earlier: a stop of last night before this morning's start.
            return list(tx.scalars(query.order_by(ScheduleRun.due_at).limit(100)))

    def _is_free(self) -> ColumnElement[bool]:
        return or_(
            ScheduleRun.lease_owner.is_(None),
            ScheduleRun.lease_owner == self._scheduler,
            ScheduleRun.lease_expires_at < self._clock.now(),
        )

    @retried_when_contended
    def _go_on(self, run_id: str) -> None:
        """Deal with the next few desktops of a run, if no other scheduler is at it."""
        now = self._clock.now()
        with self._db.transaction() as tx:
            taken = tx.execute(
                update(ScheduleRun)
                .where(ScheduleRun.id == run_id, ScheduleRun.status == RunStatus.RUNNING, self._is_free())
                .values(lease_owner=self._scheduler, lease_expires_at=now + LEASE)
            )
            if getattr(taken, "rowcount", 0) != 1:
                return
            run = tx.get_one(ScheduleRun, run_id, with_for_update=True, populate_existing=True)
            schedule = tx.get_one(Schedule, run.schedule_id)
            subject = subject_of(tx, schedule)
            if subject is None:
                self._end(run, RunStatus.FAILED, f"There is no such {schedule.subject_kind} any more.")
                return
            desktop_ids = _next_desktops(tx, schedule, subject, run.last_desktop_id)
            for desktop_id in desktop_ids:
                self._do(tx, schedule, run, desktop_id)
            if len(desktop_ids) < AT_ONCE:
                self._pass_ended(run, now)

    def _do(self, tx: Transaction, schedule: Schedule, run: ScheduleRun, desktop_id: str) -> None:
        run.last_desktop_id = desktop_id
        desktop = tx.get_one(Desktop, desktop_id, with_for_update=True, populate_existing=True)
        latest = tx.get_one(Operation, desktop.operation_id)
        deed, state = Deed(schedule.action), state_of(desktop, latest)
        if schedules.waits_for(deed, state):
            run.waiting += 1
            return
        is_used, leaves_connected = _is_used(tx, desktop_id), schedule.leaves_connected
        change = schedules.change_for(deed, state, is_used=is_used, leaves_connected=leaves_connected)
        if change is None or desktop.deleted_at is not None:
            run.untouched += 1
            return
        try:
            self._wishes.change(tx, acting_as(tx.get_one(User, schedule.account_id)), desktop_id, change)
        except Refused as error:
            run.refused += 1
            run.problem = run.problem or f"{desktop.name}: {error.message}"[:1000]
        else:
            run.begun += 1

    def _pass_ended(self, run: ScheduleRun, now: datetime) -> None:
        """All were looked at once. Those that were being changed are looked at again, for a while."""
        if run.waiting and now - run.started_at < schedules.WAIT_FOR_CHANGES:
            # Whatever was begun is met again, and needs nothing then.
            run.untouched, run.refused, run.waiting, run.last_desktop_id = -run.begun, 0, 0, None
            run.problem = None
            return
        if run.waiting:
            run.refused += run.waiting
            run.problem = run.problem or "Another change to this desktop is still going on."
        self._end(run, schedules.status_after(run.begun, run.refused), run.problem)

    def _end(self, run: ScheduleRun, status: RunStatus, problem: str | None) -> None:
        run.status, run.problem, run.ended_at = status, problem, self._clock.now()
        run.lease_owner = run.lease_expires_at = None
        (log.info if status is RunStatus.SUCCEEDED else log.warning)(
            "schedule_done", schedule_id=run.schedule_id, status=status, begun=run.begun, refused=run.refused
        )


def subject_of(tx: Session, schedule: Schedule) -> ColumnElement[bool] | None:
    """Whose desktops it is about; None: what it is for is gone. Of a pool those that people have: spares are left alone."""
    if schedule.subject_kind == SubjectKind.POOL:
        if tx.get(Pool, schedule.subject_id) is None:
            return None
        return (Desktop.pool_id == schedule.subject_id) & Desktop.claimant_id.is_not(None)
    if tx.get(Group, schedule.subject_id) is None:
        return None
    return Desktop.owner_id.in_(select(GroupMember.user_id).where(GroupMember.group_id == schedule.subject_id))


def _next_desktops(tx: Session, schedule: Schedule, subject: ColumnElement[bool], after: str | None) -> Sequence[str]:
    query = select(Desktop.id).where(
        Desktop.organization_id == schedule.organization_id,
        Desktop.deleted_at.is_(None),
        Desktop.wanted != Wanted.GONE,
        subject,
    )
    if after is not None:
        query = query.where(Desktop.id > after)
    return list(tx.scalars(query.order_by(Desktop.id).limit(AT_ONCE)))


def _is_used(tx: Session, desktop_id: str) -> bool:
    """Whether somebody is connected to the desktop."""
    used = exists().where(ConsoleSession.desktop_id == desktop_id, ConsoleSession.ended_at.is_(None))
    return bool(tx.scalar(select(used)))
