"""Making the database agree with the cloud: what was seen is written down, what was left behind is cleaned up."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.cloud.errors import CloudNotOffered, GuestUnreachable, ServerNotFound
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Server
from yunzhuo.phoenix.cloud.resources import Snapshot as SeenSnapshot
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.db.models import Desktop, Operation, Snapshot
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services import departures, kept_snapshots
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.changes import ChangeFeed
from yunzhuo.services.leftovers import Leftovers
from yunzhuo.services.rules import lifecycle
from yunzhuo.services.rules.lifecycle import Observed
from yunzhuo.services.rules.reconcile import LEFTOVERS, Finding, FindingKind, KnownDesktop, SeenServer, Thing, compare

log = get_logger()
_ACTIVE = frozenset(status.value for status in lifecycle.ACTIVE)
# How many rows are read, or changed in one transaction: a round over ten thousand desktops holds nobody up for long.
_AT_ONCE = 200
_GUESTS_AT_ONCE = 50
_Thing = TypeVar("_Thing")


class Reconciler:
    """One look at the whole cloud per round. Two at once are harmless: each row is changed only if it still differs."""

    def __init__(
        self, db: Database, cloud: Cloud, leftovers: Leftovers, feed: ChangeFeed, audit: AuditLog, clock: Clock
    ) -> None:
        self._db = db
        self._cloud = cloud
        self._leftovers = leftovers
        self._feed = feed
        self._audit = audit
        self._clock = clock
        self._snapshots_told_of = ""
        self._asked_whether_ready = ""

    def look(self) -> Sequence[Finding]:
        """Ask the cloud for its list once and answer what differs; nothing is changed. Raises the cloud's errors."""
        with self._db.reading() as tx:
            known = {desktop.id: desktop for desktop in _known(tx, Desktop.deleted_at.is_(None))}
        servers = [_seen(server) for server in self._cloud.servers.list()]
        # Deleted ones, and those that are younger than the first look.
        unknown = sorted({server.desktop_id for server in servers} - known.keys())
        with self._db.reading() as tx:
            for ids in _parts(unknown):
                known |= {desktop.id: desktop for desktop in _known(tx, Desktop.id.in_(ids))}
            others = [server.id for server in servers if _is_another(known.get(server.desktop_id), server)]
            return compare(known, servers, departures.among(tx, others))

    def round(self) -> Sequence[Finding]:
        """:meth:`look`, write down what differs, and remove what a rule says; answers what was found."""
        findings = self.look()
        now = self._clock.now()
        told = [finding for finding in findings if not finding.is_only_told and finding.kind not in LEFTOVERS]
        for part in _parts(told):
            self._write_down({finding.desktop_id: finding for finding in part}, now)
        left = [finding for finding in findings if finding.kind in LEFTOVERS]
        self._leftovers.found(Thing.SERVER, left, now, self._cloud.servers.delete)
        self.look_for_ready()
        self._look_at_snapshots()
        return findings

    def look_at(self, desktop_id: str, server_id: str) -> bool:
        """Look at one desktop's server now, and write down what differs, as a round does. Raises the cloud's errors.

        Answers whether it is there. One that is not is left to the rounds: missing is what the list has not had, twice.
        """
        try:
            server = self._cloud.servers.get(server_id)
        except ServerNotFound:
            return False
        with self._db.reading() as tx:
            known = {desktop.id: desktop for desktop in _known(tx, Desktop.id == desktop_id)}
        findings = {each.desktop_id: each for each in compare(known, [_seen(server)]) if each.kind not in LEFTOVERS}
        if findings:
            self._write_down(findings, self._clock.now())
        return True

    @retried_when_contended
    def _write_down(self, findings: dict[str, Finding], now: datetime) -> None:
        with self._db.transaction() as tx:
            query = select(Desktop).where(Desktop.id.in_(findings)).order_by(Desktop.id).with_for_update()
            desktops = list(tx.scalars(query))
            wanted = Operation.id.in_([desktop.operation_id for desktop in desktops])
            operations = {operation.id: operation for operation in tx.scalars(select(Operation).where(wanted))}
            for desktop in desktops:
                finding, operation = findings[desktop.id], operations.get(desktop.operation_id)
                is_adopted = finding.kind is FindingKind.ADOPTED and desktop.server_id is None
                if operation is None or operation.status in _ACTIVE or desktop.deleted_at is not None:
                    continue  # an operation knows better, and sees for itself
                if desktop.server_id == finding.cloud_id or is_adopted:
                    self._agree(tx, desktop, operation, finding, now)

    def _agree(self, tx: Transaction, desktop: Desktop, operation: Operation, finding: Finding, now: datetime) -> None:
        """Make a desktop's row say what the cloud says."""
        if finding.kind is FindingKind.MISSING_FIRST:
            desktop.missing_since = now
            return
        was: dict[str, object] = {"status": desktop.observed_status, "name": desktop.server_name}
        was_locked = desktop.is_locked
        server = finding.server
        if server is None:
            desktop.observed_status, desktop.observed_fault, desktop.observed_fault_code = Observed.MISSING, None, None
        else:
            desktop.server_id, desktop.missing_since = server.id, None
            desktop.observed_status = server.status
            desktop.observed_fault, desktop.observed_fault_code = server.fault, server.fault_code
            desktop.server_name, desktop.host, desktop.is_locked = server.name, server.host, server.is_locked
        desktop.observed_at = now
        # The history says of the last change what became of it later.
        operation.note_code = desktop.observed_fault_code
        if desktop.observed_status != Observed.RUNNING:
            desktop.ready_at = None
        now_is: dict[str, object] = {"status": desktop.observed_status, "name": desktop.server_name}
        if was_locked is not desktop.is_locked:
            was, now_is = {**was, "locked": was_locked}, {**now_is, "locked": desktop.is_locked}
        # A name that was never heard before is no news.
        is_other = was["status"] != now_is["status"] or was_locked is not desktop.is_locked
        is_news = is_other or was["name"] not in (None, now_is["name"])
        if is_news:
            organization = desktop.organization_id
            self._audit.record(
                tx, None, "cloud:change", "desktop", desktop.id, organization_id=organization, before=was, after=now_is
            )
            log.info("desktop_changed_behind_us", desktop_id=desktop.id, kind=finding.kind, was=was, now=now_is)
        if is_news or finding.kind not in (FindingKind.RENAMED, FindingKind.MOVED):
            self._feed.desktop_changed(tx, desktop, operation)

    def look_for_ready(self) -> None:
        """Desktops that run again without an operation of ours (started behind our back) are asked whether they are ready,
        so many a round, taking turns: each is a call to the cloud."""
        query = (
            select(Desktop.id, Desktop.server_id)
            .join(Operation, Operation.id == Desktop.operation_id)
            .where(Desktop.deleted_at.is_(None), Desktop.ready_at.is_(None), Desktop.observed_status == Observed.RUNNING)
            .where(Operation.status.not_in(_ACTIVE), Desktop.server_id.is_not(None))
            .where(Desktop.id > self._asked_whether_ready)
            .order_by(Desktop.id)
            .limit(_GUESTS_AT_ONCE)
        )
        with self._db.reading() as tx:
            waiting = [(desktop_id, server_id) for desktop_id, server_id in tx.execute(query) if server_id is not None]
        self._asked_whether_ready = waiting[-1][0] if len(waiting) == _GUESTS_AT_ONCE else ""
        for desktop_id, server_id in waiting:
            try:
                is_ready = self._cloud.guest.ready(server_id)
            except (GuestUnreachable, ServerNotFound):
                continue
            if is_ready:
                self._mark_ready(desktop_id)

    def _look_at_snapshots(self) -> None:
        """Compare one desktop's snapshots with the cloud's a round, the desktops that have some taking turns."""
        query = (
            select(Desktop.id, Desktop.server_id, Desktop.operation_id)
            .join(Operation, Operation.id == Desktop.operation_id)
            .where(Desktop.deleted_at.is_(None), Desktop.server_id.is_not(None), Operation.status.not_in(_ACTIVE))
            .where(exists().where(Snapshot.desktop_id == Desktop.id))
            .order_by(Desktop.id)
            .limit(1)
        )
        with self._db.reading() as tx:
            found = tx.execute(query.where(Desktop.id > self._snapshots_told_of)).first()
        self._snapshots_told_of = found.id if found else ""
        if found is None or found.server_id is None:
            return
        try:
            snapshots = self._cloud.servers.snapshots(found.server_id)
        except (CloudNotOffered, ServerNotFound):
            return
        self._write_down_snapshots(found.id, found.operation_id, found.server_id, snapshots)

    @retried_when_contended
    def _write_down_snapshots(self, desktop_id: str, operation_id: str, server_id: str, seen: Sequence[SeenSnapshot]) -> None:
        with self._db.transaction() as tx:
            desktop = tx.get_one(Desktop, desktop_id, with_for_update=True)
            # What an operation has changed since then is known better to it.
            is_as_it_was = desktop.operation_id == operation_id and desktop.server_id == server_id
            if is_as_it_was and kept_snapshots.write_down(tx, desktop, seen):
                log.info("snapshots_changed_behind_us", desktop_id=desktop_id)
                self._feed.desktop_changed(tx, desktop, tx.get_one(Operation, desktop.operation_id))

    @retried_when_contended
    def _mark_ready(self, desktop_id: str) -> None:
        with self._db.transaction() as tx:
            desktop = tx.get_one(Desktop, desktop_id)
            operation = tx.get_one(Operation, desktop.operation_id)
            if operation.status not in _ACTIVE and desktop.observed_status == Observed.RUNNING:
                desktop.ready_at = self._clock.now()
                self._feed.desktop_changed(tx, desktop, operation)


def _is_another(desktop: KnownDesktop | None, server: SeenServer) -> bool:
    """Whether a desktop that is there has another server, or none, as far as it knows."""
    return desktop is not None and not desktop.is_deleted and desktop.server_id != server.id


def _seen(server: Server) -> SeenServer:
    return SeenServer(
        id=server.id,
        desktop_id=server.desktop_id,
        status=Observed(server.status),
        fault=server.fault,
        fault_code=server.fault_code,
        name=server.name,
        host=server.host or None,
        is_locked=server.is_locked,
    )


def _parts(things: Sequence[_Thing]) -> Iterator[Sequence[_Thing]]:
    for start in range(0, len(things), _AT_ONCE):
        yield things[start : start + _AT_ONCE]


def _known(tx: Session, which: ColumnElement[bool]) -> Iterator[KnownDesktop]:
    """Columns, not objects: ten thousand of those would be most of the round's cost."""
    query = (
        select(
            Desktop.id,
            Desktop.name,
            Desktop.server_id,
            Desktop.observed_status,
            Desktop.observed_fault,
            Desktop.observed_fault_code,
            Desktop.missing_since,
            Desktop.deleted_at,
            Operation.status,
            Desktop.server_name,
            Desktop.host,
            Desktop.is_locked,
        )
        .join(Operation, Operation.id == Desktop.operation_id)
        .where(which)
    )
    for row in tx.execute(query.execution_options(yield_per=1000)):
        yield KnownDesktop(
            id=row.id,
            name=row.name,
            server_id=row.server_id,
            observed=Observed(row.observed_status) if row.observed_status else None,
            fault=row.observed_fault,
            fault_code=row.observed_fault_code,
            missing_since=row.missing_since,
            is_deleted=row.deleted_at is not None,
            is_changing=row.status in _ACTIVE,
            server_name=row.server_name,
            host=row.host,
            is_locked=row.is_locked,
        )
