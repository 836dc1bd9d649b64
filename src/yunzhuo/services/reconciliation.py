"""Making the database agree with the cloud: what was seen is written down, what was left behind is cleaned up."""

from collections import Counter
from datetime import datetime

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.cloud.errors import CloudNotOffered, GuestUnreachable, ServerNotFound
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.db.models import Desktop, Operation, Snapshot
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services import kept_snapshots
from yunzhuo.services.changes import ChangeFeed
from yunzhuo.services.rules import lifecycle
from yunzhuo.services.rules.lifecycle import Observed
from yunzhuo.services.rules.reconcile import Finding, FindingKind, KnownDesktop, SeenServer, compare

log = get_logger()
_ACTIVE = [status.value for status in lifecycle.ACTIVE]


class Reconciler:
    """One look at the whole cloud per round. Two at once are harmless: each row is changed only if it still differs."""

    def __init__(self, db: Database, cloud: Cloud, feed: ChangeFeed, clock: Clock) -> None:
        self._db = db
        self._cloud = cloud
        self._feed = feed
        self._clock = clock
        self._strangers: set[str] = set()
        self._left_behind: Counter[str] = Counter()
        self._snapshots_told_of = ""

    def round(self) -> None:
        """Ask the cloud for its list once and write down what differs. Raises the cloud's errors when it does not answer."""
        with self._db.reading() as tx:
            known = _known(tx, Desktop.deleted_at.is_(None))
        servers = self._cloud.servers.list()
        seen = [SeenServer(server.id, server.desktop_id, Observed(server.status), server.fault) for server in servers]
        unknown = {server.desktop_id for server in seen} - known.keys()
        if unknown:  # deleted ones, and those that are younger than the first look
            with self._db.reading() as tx:
                known |= _known(tx, Desktop.id.in_(unknown))
        findings = compare(known, seen)
        now = self._clock.now()
        for finding in findings:
            match finding.kind:
                case FindingKind.STRANGER:
                    self._report_stranger(finding)
                case FindingKind.LEFT_BEHIND:
                    self._remove_left_behind(finding)
                case _:
                    self._write_down(finding, now)
        left_behind = {finding.server_id for finding in findings if finding.kind is FindingKind.LEFT_BEHIND}
        self._left_behind = Counter({server: n for server, n in self._left_behind.items() if server in left_behind})
        self._look_for_ready()
        self._look_at_snapshots()

    @retried_when_contended
    def _write_down(self, finding: Finding, now: datetime) -> None:
        with self._db.transaction() as tx:
            desktop = tx.get(Desktop, finding.desktop_id, with_for_update=True)
            operation = tx.get(Operation, desktop.operation_id) if desktop else None
            if desktop is None or operation is None or operation.status in _ACTIVE or desktop.server_id != finding.server_id:
                return
            if finding.kind is FindingKind.MISSING_FIRST:
                desktop.missing_since = now
                return
            if finding.status is None:
                return
            was = desktop.observed_status
            desktop.observed_status, desktop.observed_fault, desktop.observed_at = finding.status, finding.fault, now
            if finding.kind is FindingKind.CHANGED:
                desktop.missing_since = None
            if finding.status is not Observed.RUNNING:
                desktop.ready_at = None
            self._feed.desktop_changed(tx, desktop, operation)
        log.info("desktop_changed_behind_us", desktop_id=finding.desktop_id, was=was, now=finding.status, fault=finding.fault)

    def _report_stranger(self, finding: Finding) -> None:
        # Never touched: it carries our kind of tag, and whose it is only a person can say.
        if finding.server_id and finding.server_id not in self._strangers:
            self._strangers.add(finding.server_id)
            log.warning("stranger_in_cloud", server_id=finding.server_id, desktop_id=finding.desktop_id)

    def _remove_left_behind(self, finding: Finding) -> None:
        server_id = finding.server_id
        if server_id is None:
            return
        self._left_behind[server_id] += 1
        if self._left_behind[server_id] > 1:  # never at first sight
            log.warning("left_behind_removed", server_id=server_id, desktop_id=finding.desktop_id)
            self._cloud.servers.delete(server_id)

    def _look_for_ready(self) -> None:
        """Desktops that run again without an operation of ours (started behind our back) are asked whether they are ready."""
        query = (
            select(Desktop.id, Desktop.server_id)
            .join(Operation, Operation.id == Desktop.operation_id)
            .where(Desktop.deleted_at.is_(None), Desktop.ready_at.is_(None), Desktop.observed_status == Observed.RUNNING)
            .where(Operation.status.not_in(_ACTIVE))
        )
        with self._db.reading() as tx:
            waiting = [(desktop_id, server_id) for desktop_id, server_id in tx.execute(query) if server_id is not None]
        for desktop_id, server_id in waiting:
            try:
                is_ready = self._cloud.guest.ready(server_id)
            except (GuestUnreachable, ServerNotFound):
                continue
            if is_ready:
                with self._db.transaction() as tx:
                    self._mark_ready(tx, desktop_id)

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
        with self._db.transaction() as tx:
            desktop = tx.get_one(Desktop, found.id, with_for_update=True)
            # What an operation has changed since then is known better to it.
            is_as_it_was = desktop.operation_id == found.operation_id and desktop.server_id == found.server_id
            if is_as_it_was and kept_snapshots.write_down(tx, desktop, snapshots):
                log.info("snapshots_changed_behind_us", desktop_id=found.id)
                self._feed.desktop_changed(tx, desktop, tx.get_one(Operation, desktop.operation_id))

    def _mark_ready(self, tx: Transaction, desktop_id: str) -> None:
        desktop = tx.get_one(Desktop, desktop_id)
        operation = tx.get_one(Operation, desktop.operation_id)
        if operation.status not in _ACTIVE and desktop.observed_status == Observed.RUNNING:
            desktop.ready_at = self._clock.now()
            self._feed.desktop_changed(tx, desktop, operation)


def _known(tx: Session, which: ColumnElement[bool]) -> dict[str, KnownDesktop]:
    query = select(Desktop, Operation.status).join(Operation, Operation.id == Desktop.operation_id).where(which)
    return {
        desktop.id: KnownDesktop(
            id=desktop.id,
            server_id=desktop.server_id,
            observed=Observed(desktop.observed_status) if desktop.observed_status else None,
            fault=desktop.observed_fault,
            missing_since=desktop.missing_since,
            is_deleted=desktop.deleted_at is not None,
            is_changing=status in _ACTIVE,
        )
        for desktop, status in tx.execute(query)
    }
