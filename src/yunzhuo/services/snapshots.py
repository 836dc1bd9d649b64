"""Snapshots: states of a desktop that it can be brought back to, kept under names and counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, LimitReached, NotFound
from yunzhuo.phoenix.config.people_settings import LimitSettings
from yunzhuo.phoenix.db.models import Desktop, Snapshot
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services import kept_snapshots
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.desktop_views import visible_desktop
from yunzhuo.services.quota_book import QuotaBook
from yunzhuo.services.rules import naming
from yunzhuo.services.rules.lifecycle import Action, Wanted
from yunzhuo.services.rules.quota import Resource
from yunzhuo.services.stated import needs
from yunzhuo.services.wishes import Accepted, Arguments, WishBook


@dataclass(frozen=True, slots=True)
class SnapshotView:
    """A snapshot as people see it. ``is_kept`` False: it is being made."""

    id: str
    name: str
    has_memory: bool
    size_mib: int
    created_at: datetime
    is_kept: bool


@dataclass(frozen=True, slots=True)
class SnapshotList:
    """A desktop's snapshots, the newest first, and how many there may be."""

    items: Sequence[SnapshotView]
    limit: int


class SnapshotService:
    """What people do with snapshots of their desktops. Each change is an operation of the desktop."""

    def __init__(
        self, db: Database, wishes: WishBook, audit: AuditLog, clock: Clock, limits: LimitSettings, quotas: QuotaBook
    ) -> None:
        self._db = db
        self._audit = audit
        self._wishes = wishes
        self._clock = clock
        self._limit = limits.snapshots_per_desktop
        self._quotas = quotas

    @needs("desktop:read")
    def list(self, actor: Actor, desktop_id: str) -> SnapshotList:
        """A desktop's snapshots. Raises NotFound, also for what is not the actor's."""
        with self._db.reading() as tx:
            visible_desktop(tx, actor, desktop_id, "desktop:read")
            return SnapshotList([_view(row) for row in kept_snapshots.rows_of(tx, desktop_id)], self._limit)

    @needs("desktop:read")
    def get(self, actor: Actor, desktop_id: str, snapshot_id: str) -> SnapshotView:
        """One snapshot. Raises NotFound."""
        with self._db.reading() as tx:
            visible_desktop(tx, actor, desktop_id, "desktop:read")
            return _view(_row(tx, desktop_id, snapshot_id))

    @needs("desktop:snapshot")
    @retried_when_contended
    def create(self, actor: Actor, desktop_id: str, name: str) -> Accepted:
        """Ask for a snapshot (permission ``desktop:snapshot``).

        Raises InvalidInput (the name is not one, or another snapshot has it), LimitReached, NotFound, Conflict.
        """
        chosen_name = naming.checked_name(name)
        try:
            with self._db.transaction() as tx:
                return self._wishes.change(
                    tx, actor, desktop_id, Action.SNAPSHOT, lambda desktop: self._reserve(tx, desktop, chosen_name)
                )
        except IntegrityError as error:
            # MariaDB finds more names equal than we do: "Resume" and "résumé", say.
            raise _name_taken() from error

    def _reserve(self, tx: Transaction, desktop: Desktop, name: str) -> Arguments:
        # The desktop's row is held, so two requests at once cannot both take the last place.
        rows = kept_snapshots.rows_of(tx, desktop.id)
        if any(row.name == name for row in rows):
            raise _name_taken()
        if len(rows) >= self._limit:
            raise _too_many(len(rows), self._limit)
        self._quotas.reserve(tx, desktop.owner_id, desktop.organization_id, {Resource.SNAPSHOTS: 1})
        row = kept_snapshots.unmade_row(desktop, name, self._clock.now())
        tx.add(row)
        return {"snapshot": row.id, "name": row.name, "cloud_name": row.cloud_name}

    @needs("desktop:roll_back")
    @retried_when_contended
    def roll_back(self, actor: Actor, desktop_id: str, snapshot_id: str) -> Accepted:
        """Ask to return to a snapshot (permission ``desktop:roll_back``). Raises NotFound, Conflict."""
        with self._db.transaction() as tx:

            def choose(desktop: Desktop) -> Arguments:
                row = _row(tx, desktop.id, snapshot_id)
                chosen = {**_in_cloud(row), "image": row.image_id}
                # Memory of another size of machine cannot be used: then only the disk goes back.
                runs_on = row.has_memory and row.flavor_id == desktop.flavor_id
                return {**chosen, "ends": Wanted.RUNNING} if runs_on else chosen

            return self._wishes.change(tx, actor, desktop_id, Action.ROLL_BACK, choose)

    @needs("desktop:delete_snapshot")
    @retried_when_contended
    def delete(self, actor: Actor, desktop_id: str, snapshot_id: str) -> Accepted:
        """Ask to forget a snapshot (permission ``desktop:delete_snapshot``). Raises NotFound, Conflict."""
        with self._db.transaction() as tx:
            return self._wishes.change(
                tx,
                actor,
                desktop_id,
                Action.DELETE_SNAPSHOT,
                lambda desktop: _in_cloud(_row(tx, desktop.id, snapshot_id)),
            )


def _row(tx: Session, desktop_id: str, snapshot_id: str) -> Snapshot:
    row = tx.get(Snapshot, snapshot_id)
    if row is None or row.desktop_id != desktop_id:
        raise NotFound("snapshot_not_found", "There is no such snapshot.")
    return row


def _in_cloud(row: Snapshot) -> dict[str, str]:
    if row.cloud_id is None:
        raise Conflict("snapshot_not_made_yet", "This snapshot is still being made.")
    return {"snapshot": row.id, "name": row.name, "cloud_id": row.cloud_id}


def _name_taken() -> InvalidInput:
    return InvalidInput("The name is taken.", code="snapshot_name_taken", fields={"name": "The name is taken."})


def _too_many(used: int, limit: int) -> LimitReached:
    return LimitReached(
        "snapshot_limit_reached", f"The desktop has {used} of {limit} snapshots; delete one first.", used=used, limit=limit
    )


def _view(row: Snapshot) -> SnapshotView:
    return SnapshotView(
        id=row.id,
        name=row.name,
        has_memory=row.has_memory,
        size_mib=row.size_mib,
        created_at=row.created_at,
        is_kept=row.cloud_id is not None,
    )
