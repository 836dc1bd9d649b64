"""The table of snapshots, kept equal to what the cloud has; always inside a transaction that holds the desktop's row."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.cloud.resources import Snapshot as CloudSnapshot
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.db.models import Desktop, Snapshot
from yunzhuo.phoenix.db.session import Transaction

_NAME_PART = 40


def rows_of(tx: Session, desktop_id: str) -> Sequence[Snapshot]:
    """A desktop's snapshots, the newest first, those that are still being made among them."""
    query = select(Snapshot).where(Snapshot.desktop_id == desktop_id)
    return list(tx.scalars(query.order_by(Snapshot.created_at.desc(), Snapshot.id.desc())))


def write_down(tx: Transaction, desktop: Desktop, seen: Sequence[CloudSnapshot]) -> bool:
    """Make the table say what the cloud has; answers whether it said something else before.

    A snapshot that was asked for is recognized by its name in the cloud. One that nobody asked us for is taken in: it can
    be rolled back to like any other, and takes its place in the limit.
    """
    rows = rows_of(tx, desktop.id)
    by_cloud_id = {row.cloud_id: row for row in rows if row.cloud_id is not None}
    unmade = {row.cloud_name: row for row in rows if row.cloud_id is None}
    has_changed = False
    for found in seen:
        if by_cloud_id.pop(found.id, None) is not None:
            continue
        has_changed = True
        row = unmade.pop(found.name, None)
        if row is None:
            row = _adopted(desktop, found)
            tx.add(row)
        row.cloud_id, row.has_memory = found.id, found.has_memory
        row.size_mib, row.created_at = found.size_mib, found.created_at
    for gone in by_cloud_id.values():
        has_changed = True
        tx.delete(gone)
    return has_changed


def forget_all(tx: Transaction, desktop_id: str) -> None:
    """Of a desktop that is gone nothing can be rolled back."""
    tx.execute(delete(Snapshot).where(Snapshot.desktop_id == desktop_id))


def forget_unmade(tx: Transaction, desktop_id: str) -> None:
    """What was asked for and never made gives its place back."""
    tx.execute(delete(Snapshot).where(Snapshot.desktop_id == desktop_id, Snapshot.cloud_id.is_(None)))


def unmade_row(desktop: Desktop, name: str, now: datetime) -> Snapshot:
    """The row of a snapshot that is asked for now."""
    snapshot_id = new_id()
    return Snapshot(
        id=snapshot_id,
        organization_id=desktop.organization_id,
        desktop_id=desktop.id,
        image_id=desktop.image_id,
        flavor_id=desktop.flavor_id,
        name=name,
        cloud_name=f"{name} ({snapshot_id[:8]})",
        cloud_id=None,
        has_memory=False,
        size_mib=0,
        created_at=now,
    )


def _adopted(desktop: Desktop, found: CloudSnapshot) -> Snapshot:
    row = unmade_row(desktop, found.name, found.created_at)
    # Whatever the cloud calls it, no other snapshot of the desktop has this name.
    row.name = f"{found.name[:_NAME_PART]} {row.id[:8]}".strip()
    row.cloud_name = found.name
    return row
