"""The table of personal disks' snapshots, kept equal to what the cloud has."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.cloud.resources import VolumeSnapshot
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, LimitReached, NotFound
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.db.models import DiskSnapshot, PersonalDisk
from yunzhuo.phoenix.db.session import Transaction

_NAME_PART = 40


@dataclass(frozen=True, slots=True)
class DiskSnapshotView:
    """A snapshot as people see it. ``is_kept`` False: it is being made."""

    id: str
    name: str
    created_at: datetime
    is_kept: bool


def views(tx: Session, disk: PersonalDisk) -> Sequence[DiskSnapshotView]:
    """A disk's snapshots, the newest first."""
    return [DiskSnapshotView(row.id, row.name, row.created_at, row.cloud_id is not None) for row in _rows(tx, disk.id)]


def found(tx: Session, disk: PersonalDisk, snapshot_id: str) -> DiskSnapshot:
    """One that stands. Raises NotFound, and Conflict while it is being made."""
    row = tx.get(DiskSnapshot, snapshot_id)
    if row is None or row.disk_id != disk.id:
        raise NotFound("disk_snapshot_not_found", "There is no such snapshot.")
    if row.cloud_id is None:
        raise Conflict("snapshot_not_made_yet", "This snapshot is still being made.")
    return row


def reserve(tx: Transaction, disk: PersonalDisk, name: str, limit: int, now: datetime) -> DiskSnapshot:
    """The row of a snapshot that is asked for now; the disk's row is held. Raises InvalidInput, LimitReached."""
    rows = _rows(tx, disk.id)
    if any(row.name == name for row in rows):
        raise name_taken()
    if len(rows) >= limit:
        message = f"The disk has {len(rows)} of {limit} snapshots; delete one first."
        raise LimitReached("disk_snapshot_limit_reached", message, used=len(rows), limit=limit)
    row = _row(disk, name, now)
    tx.add(row)
    return row


def write_down(tx: Transaction, disk: PersonalDisk, seen: Sequence[VolumeSnapshot]) -> None:
    """Make the table say what the cloud has; the disk's row is held. What was asked for and was not made is forgotten."""
    rows = _rows(tx, disk.id)
    by_cloud_id = {row.cloud_id: row for row in rows if row.cloud_id is not None}
    unmade = {row.cloud_name: row for row in rows if row.cloud_id is None}
    for each in seen:
        if by_cloud_id.pop(each.id, None) is not None:
            continue
        row = unmade.pop(each.name, None)
        if row is None:  # made by nobody that we know of: it counts like any other
            row = _row(disk, "", each.created_at)
            row.name, row.cloud_name = f"{each.name[:_NAME_PART]} {row.id[:8]}".strip(), each.name
            tx.add(row)
        row.cloud_id, row.created_at = each.id, each.created_at
    for gone in (*by_cloud_id.values(), *unmade.values()):
        tx.delete(gone)


def forget_all(tx: Transaction, disk_id: str) -> None:
    """A disk that is gone has none."""
    tx.execute(delete(DiskSnapshot).where(DiskSnapshot.disk_id == disk_id))


def name_taken() -> InvalidInput:
    """Another snapshot of the disk has the name."""
    return InvalidInput("The name is taken.", code="disk_snapshot_name_taken", fields={"name": "The name is taken."})


def _rows(tx: Session, disk_id: str) -> Sequence[DiskSnapshot]:
    query = select(DiskSnapshot).where(DiskSnapshot.disk_id == disk_id)
    return list(tx.scalars(query.order_by(DiskSnapshot.created_at.desc(), DiskSnapshot.id.desc())))


def _row(disk: PersonalDisk, name: str, now: datetime) -> DiskSnapshot:
    snapshot_id = new_id()
    return DiskSnapshot(
        id=snapshot_id,
        organization_id=disk.organization_id,
        disk_id=disk.id,
        name=name,
        cloud_name=f"{name} ({snapshot_id[:8]})",
        cloud_id=None,
        created_at=now,
    )
