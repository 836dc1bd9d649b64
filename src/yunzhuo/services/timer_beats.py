"""How the schedulers' own timers keep time: reported by each scheduler, looked at by whoever runs the installation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.db.models import TimerBeat
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.rules import schedules
from yunzhuo.services.stated import needs

# A scheduler that has not reported for so long is gone, and what it said is forgotten.
FORGET_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Beat:
    """How a timer of this process stands. ``due_at`` is when its present or next turn was due."""

    timer: str
    seconds: float
    due_at: datetime
    took_seconds: float
    failure_code: str | None
    failing_since: datetime | None


@dataclass(frozen=True, slots=True)
class TimerView:
    """A timer over all schedulers: the one that keeps time best counts. ``lag_seconds`` is how much longer ago its turn was due
    than now (0: on time); it ``is_late`` when that wants somebody to look."""

    name: str
    seconds: float
    lag_seconds: float
    took_seconds: float
    schedulers: int
    failure_code: str | None
    failing_since: datetime | None
    is_late: bool


class TimerService:
    """Keeps what schedulers report."""

    def __init__(self, db: Database, audit: AuditLog, clock: Clock, *, scheduler: str) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock
        self._scheduler = scheduler

    @retried_when_contended
    def report(self, beats: Iterable[Beat]) -> None:
        """Keep how this process's timers stand, in the place of what it said before."""
        now = self._clock.now()
        with self._db.transaction() as tx:
            known = {row.timer: row for row in tx.scalars(select(TimerBeat).where(TimerBeat.scheduler == self._scheduler))}
            for beat in beats:
                row = known.get(beat.timer)
                if row is None:
                    row = TimerBeat(scheduler=self._scheduler, timer=beat.timer)
                    tx.add(row)
                row.seconds, row.due_at, row.took_seconds = beat.seconds, beat.due_at, beat.took_seconds
                row.failure_code, row.failing_since, row.reported_at = beat.failure_code, beat.failing_since, now
            tx.execute(delete(TimerBeat).where(TimerBeat.reported_at < now - FORGET_AFTER))

    @retried_when_contended
    def leave(self) -> None:
        """Forget what this process said: it ends as it should."""
        with self._db.transaction() as tx:
            tx.execute(delete(TimerBeat).where(TimerBeat.scheduler == self._scheduler))

    @needs("timer:read")
    def list(self, actor: Actor) -> Sequence[TimerView]:
        """All timers by name. (The same for every organization: only those who run the installation may.)"""
        return self._all()

    def late(self) -> Sequence[str]:
        """Names of the timers that do not keep time, or fail."""
        return [view.name for view in self._all() if view.is_late or view.failure_code]

    def _all(self) -> Sequence[TimerView]:
        now = self._clock.now()
        with self._db.reading() as tx:
            rows = tx.scalars(select(TimerBeat).order_by(TimerBeat.timer, TimerBeat.due_at.desc())).all()
        found: dict[str, list[TimerBeat]] = {}
        for row in rows:
            found.setdefault(row.timer, []).append(row)
        return [_view(name, several, now) for name, several in found.items()]


def _view(name: str, rows: Sequence[TimerBeat], now: datetime) -> TimerView:
    best = rows[0]  # the one whose turn was due last keeps time best
    return TimerView(
        name=name,
        seconds=best.seconds,
        lag_seconds=max(0.0, (now - best.due_at).total_seconds()),
        took_seconds=best.took_seconds,
        schedulers=len(rows),
        failure_code=best.failure_code,
        failing_since=best.failing_since,
        is_late=schedules.is_late(best.due_at, now),
    )
