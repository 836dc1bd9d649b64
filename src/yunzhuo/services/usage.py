"""Usage: what everybody's desktops used, counted minute by minute and kept by day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, func, select, update

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.db.models import Desktop, Flavor, UsageDay, UsageMark
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.reach import within_reach
from yunzhuo.services.rules.lifecycle import Observed
from yunzhuo.services.stated import needs

# Nobody knows what ran while nobody looked for longer than this.
_LONGEST_STRETCH = timedelta(minutes=15)
MAX_DAYS = 366


@dataclass(frozen=True, slots=True)
class UsageOfDay:
    """What was used on a day (UTC): the most desktops at once, added up over people, and times multiplied by size."""

    day: date
    desktops: int
    running_seconds: int
    vcpu_seconds: int
    memory_mib_seconds: int

    @property
    def running_hours(self) -> float:
        """How long desktops ran, in hours."""
        return self.running_seconds / 3600


class UsageService:
    """Counts, and tells what was counted."""

    def __init__(self, db: Database, audit: AuditLog, clock: Clock) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock

    @retried_when_contended
    def count(self) -> None:
        """Count the time since the last count for all desktops that are there. Several at once count it once."""
        now = self._clock.now()
        with self._db.transaction() as tx:
            mark = tx.get(UsageMark, 1)
            if mark is None:
                tx.add(UsageMark(id=1, counted_until=now))
                return
            was = mark.counted_until
            moved = tx.execute(
                update(UsageMark).where(UsageMark.id == 1, UsageMark.counted_until == was).values(counted_until=now)
            )
            seconds = int(min(now - was, _LONGEST_STRETCH).total_seconds())
            if getattr(moved, "rowcount", 0) == 1 and seconds > 0:
                self._add(tx, now.astimezone(UTC).date(), seconds)

    def _add(self, tx: Transaction, day: date, seconds: int) -> None:
        is_running = Desktop.observed_status == Observed.RUNNING

        def of_running(amount: Any) -> ColumnElement[int | None]:
            return func.sum(case((is_running, amount), else_=0))

        query = (
            select(
                Desktop.owner_id,
                Desktop.organization_id,
                func.count(),
                of_running(1),
                of_running(Flavor.vcpus),
                of_running(Flavor.memory_mib),
            )
            .join(Flavor, Flavor.id == Desktop.flavor_id)
            .where(Desktop.deleted_at.is_(None), Desktop.binned_at.is_(None))
            .group_by(Desktop.owner_id, Desktop.organization_id)
        )
        known = {row.user_id: row for row in tx.scalars(select(UsageDay).where(UsageDay.day == day))}
        for user_id, organization_id, desktops, running, vcpus, memory_mib in tx.execute(query).all():
            row = known.get(user_id)
            if row is None:
                row = UsageDay(
                    user_id=user_id,
                    day=day,
                    organization_id=organization_id,
                    desktops=0,
                    running_seconds=0,
                    vcpu_seconds=0,
                    memory_mib_seconds=0,
                )
                tx.add(row)
            row.desktops = max(row.desktops, desktops)
            row.running_seconds += int(running or 0) * seconds
            row.vcpu_seconds += int(vcpus or 0) * seconds
            row.memory_mib_seconds += int(memory_mib or 0) * seconds

    @needs("usage:read")
    def days(self, actor: Actor, *, days: int = 30, user_id: str | None = None) -> Sequence[UsageOfDay]:
        """The last days with today, the oldest first, those without any use among them: of everybody whose usage the actor
        may see, or of one of them. Raises InvalidInput for more than :data:`MAX_DAYS`."""
        if not 1 <= days <= MAX_DAYS:
            raise InvalidInput("These are too many days.", fields={"days": f"1 to {MAX_DAYS}."})
        today = self._clock.now().astimezone(UTC).date()
        first = today - timedelta(days=days - 1)
        columns = (UsageDay.desktops, UsageDay.running_seconds, UsageDay.vcpu_seconds, UsageDay.memory_mib_seconds)
        query = (
            select(UsageDay.day, *(func.sum(column) for column in columns))
            .where(within_reach(actor, "usage:read", UsageDay.organization_id, UsageDay.user_id), UsageDay.day >= first)
            .group_by(UsageDay.day)
        )
        if user_id is not None:
            query = query.where(UsageDay.user_id == user_id)
        with self._db.reading() as tx:
            found = {row[0]: UsageOfDay(row[0], *(int(value) for value in row[1:])) for row in tx.execute(query)}
        every_day = [first + timedelta(days=number) for number in range(days)]
        return [found.get(day, UsageOfDay(day, 0, 0, 0, 0)) for day in every_day]
