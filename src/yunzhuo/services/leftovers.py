"""What the cloud holds and no desktop owns: seen, told of, and removed by rule."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from yunzhuo.phoenix.common.errors import Refused
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.config.settings import ReconcileSettings
from yunzhuo.phoenix.db.models import Leftover
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services.access import Actor, require
from yunzhuo.services.rules.reconcile import Finding, FindingKind, Thing, is_removable, may_remove

log = get_logger()

# Something that stands there for ever is not written down every second.
_SEEN_AGAIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class LeftoverView:
    """Something that nobody owns, and whether it will be removed by rule."""

    kind: str
    cloud_id: str
    desktop_id: str
    name: str
    reason: FindingKind
    first_seen_at: datetime
    last_seen_at: datetime
    is_removed_by_rule: bool


class Leftovers:
    """Remembers in the database what was seen when, so that a second look is a second one whoever takes it."""

    def __init__(self, db: Database, settings: ReconcileSettings) -> None:
        self._db = db
        self._grace = timedelta(seconds=settings.leftover_seconds)

    def found(self, thing: Thing, findings: Sequence[Finding], now: datetime, remove: Callable[[str], object]) -> None:
        """Write down which things of a kind nobody owns now, and ``remove`` those that a rule says, by the cloud's id.

        Raises the cloud's errors, but for a refusal.
        """
        try:
            overdue = self._write_down(thing, {finding.cloud_id or "": finding for finding in findings}, now)
        except IntegrityError:
            return  # another reconciler wrote the same at the same moment; the next round finds its rows
        for finding in overdue:
            log.warning("left_behind_removed", thing=thing, cloud_id=finding.cloud_id, desktop_id=finding.desktop_id)
            try:
                remove(finding.cloud_id or "")
            except Refused as refusal:  # by something that others would wait for in vain
                log.warning("left_behind_not_removed", thing=thing, cloud_id=finding.cloud_id, code=refusal.code)

    def list(self, actor: Actor) -> Sequence[LeftoverView]:
        """All that was found, what was seen first standing first (permission ``overview:read``)."""
        require(actor, "overview:read")
        with self._db.reading() as tx:
            rows = tx.scalars(select(Leftover).order_by(Leftover.first_seen_at, Leftover.id))
            return [
                LeftoverView(
                    kind=row.kind,
                    cloud_id=row.cloud_id,
                    desktop_id=row.desktop_id,
                    name=row.name,
                    reason=FindingKind(row.reason),
                    first_seen_at=row.first_seen_at,
                    last_seen_at=row.last_seen_at,
                    is_removed_by_rule=row.is_removed_by_rule,
                )
                for row in rows
            ]

    @retried_when_contended
    def _write_down(self, thing: Thing, findings: Mapping[str, Finding], now: datetime) -> Sequence[Finding]:
        with self._db.transaction() as tx:
            return self._written_down(tx, thing, findings, now)

    def _written_down(self, tx: Transaction, thing: Thing, findings: Mapping[str, Finding], now: datetime) -> Sequence[Finding]:
        rows = {row.cloud_id: row for row in tx.scalars(select(Leftover).where(Leftover.kind == thing))}
        _forget(tx, [row.id for cloud_id, row in rows.items() if cloud_id not in findings])
        overdue: list[Finding] = []
        for cloud_id, finding in findings.items():
            row = rows.get(cloud_id)
            if row is None:
                tx.add(_new(finding, cloud_id, now))
                told = {"thing": thing, "cloud_id": cloud_id, "desktop_id": finding.desktop_id}
                log.warning("leftover_in_cloud", kind=finding.kind, **told)
                continue
            if row.reason != finding.kind:
                row.reason, row.first_seen_at = finding.kind, now
            row.is_removed_by_rule = is_removable(finding)
            if now - row.last_seen_at >= _SEEN_AGAIN:
                row.last_seen_at = now
            if may_remove(finding, row.first_seen_at, now, self._grace):
                overdue.append(finding)
        tx.flush()
        return overdue


def _new(finding: Finding, cloud_id: str, now: datetime) -> Leftover:
    return Leftover(
        id=new_id(),
        kind=finding.thing,
        cloud_id=cloud_id,
        desktop_id=finding.desktop_id[:255],
        name=(finding.server.name if finding.server else finding.name)[:255],
        reason=finding.kind,
        is_removed_by_rule=is_removable(finding),
        first_seen_at=now,
        last_seen_at=now,
    )


def _forget(tx: Transaction, ids: Iterable[str]) -> None:
    if gone := list(ids):
        tx.execute(delete(Leftover).where(Leftover.id.in_(gone)))
