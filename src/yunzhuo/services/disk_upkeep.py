"""Personal disks, compared with the cloud: who really has each, what was left half done, what nobody has any more."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Volume, VolumeStatus
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.db.models import Desktop, Operation, PersonalDisk
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services import disk_claims
from yunzhuo.services.access import installation
from yunzhuo.services.changes import state_of
from yunzhuo.services.personal_disks import PersonalDiskService
from yunzhuo.services.rules import lifecycle
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, State
from yunzhuo.services.wishes import WishBook

log = get_logger()
_ACTIVE = [status.value for status in lifecycle.ACTIVE]


@dataclass(frozen=True, slots=True)
class _Known:
    """A disk before the cloud was asked; what has changed since then is known better to whoever changed it."""

    disk_id: str
    desktop_id: str | None
    operation_id: str | None


class DiskUpkeep:
    """One look at all volumes a round. Two at once are harmless."""

    def __init__(self, db: Database, cloud: Cloud, wishes: WishBook, disks: PersonalDiskService, clock: Clock) -> None:
        self._db = db
        self._cloud = cloud
        self._wishes = wishes
        self._disks = disks
        self._clock = clock
        self._strangers: set[str] = set()

    def round(self) -> None:
        """Raises the cloud's errors when it does not answer; a cloud without volumes has nothing to look after."""
        with self._db.reading() as tx:
            disks = tx.execute(
                select(PersonalDisk, Desktop)
                .outerjoin(Desktop, Desktop.id == PersonalDisk.desktop_id)
                .where(PersonalDisk.volume_id.is_not(None))
            ).all()
        try:
            volumes = {volume.id: volume for volume in self._cloud.volumes.list()}
        except CloudNotOffered:
            return
        for disk, desktop in disks:
            volume = volumes.get(disk.volume_id or "")
            if volume is not None and not _is_as_written(disk, desktop, volume):
                self._compare(_known(disk, desktop), volume)
        self._report_strangers(volumes)
        self._disks.make_missing()
        self._disks.remove_given_up()

    @retried_when_contended
    def _compare(self, known: _Known, volume: Volume) -> None:
        with self._db.transaction() as tx:
            # In the order of everybody who holds both: the desktop's row, then the disk's.
            desktop = tx.get(Desktop, known.desktop_id, with_for_update=True) if known.desktop_id else None
            disk = tx.get(PersonalDisk, known.disk_id, with_for_update=True)
            if disk is None or _known(disk, desktop) != known:
                return
            operation = tx.get_one(Operation, desktop.operation_id) if desktop else None
            if operation is None or operation.status not in _ACTIVE:
                disk.leaving_desktop_id = None  # whoever was to bring it here has let it be
                self._put_right(tx, disk, volume, desktop, operation)

    def _put_right(
        self, tx: Transaction, disk: PersonalDisk, volume: Volume, desktop: Desktop | None, operation: Operation | None
    ) -> None:
        holder = _of_server(tx, volume.server_id)
        if volume.status is VolumeStatus.IN_USE and holder is not None:
            is_news = holder.id != disk.desktop_id
            if is_news and (_is_changing(tx, holder) or disk_claims.at_desktop(tx, holder.id) is not None):
                return
            disk.desktop_id, disk.attached_at = holder.id, disk.attached_at or self._clock.now()
            return
        disk.attached_at = None
        if desktop is None or operation is None:
            return
        if state_of(desktop, operation) in (State.STOPPED, State.SUSPENDED, State.DELETED):
            disk.desktop_id = None
        elif state_of(desktop, operation) is State.AVAILABLE and not desktop.is_locked and not _was_tried(operation):
            # A change was cut off between taking the disk away and giving it back.
            person = replace(installation(disk.organization_id), user_id=disk.owner_id)
            self._wishes.add(tx, person, desktop, Action.CONNECT_DISK, {})
            log.info("personal_disk_connected_again", desktop_id=desktop.id)

    def _report_strangers(self, volumes: Mapping[str, Volume]) -> None:
        """Never touched: they carry our kind of tag, and whose they are only a person can say."""
        with self._db.reading() as tx:
            ours = set(tx.scalars(select(PersonalDisk.id)))
        for volume in volumes.values():
            if volume.disk_id not in ours and volume.id not in self._strangers:
                self._strangers.add(volume.id)
                log.warning("stranger_volume_in_cloud", volume_id=volume.id, disk_id=volume.disk_id)


def _is_as_written(disk: PersonalDisk, desktop: Desktop | None, volume: Volume) -> bool:
    """Whether the cloud says what the table says: so it is nearly always, and costs no transaction then."""
    is_at = desktop.server_id if desktop else None
    return volume.server_id == is_at and (disk.attached_at is None) == (is_at is None) and disk.leaving_desktop_id is None


def _known(disk: PersonalDisk, desktop: Desktop | None) -> _Known:
    return _Known(disk.id, disk.desktop_id, desktop.operation_id if desktop else None)


def _of_server(tx: Session, server_id: str | None) -> Desktop | None:
    if server_id is None:
        return None
    return tx.scalars(select(Desktop).where(Desktop.server_id == server_id, Desktop.deleted_at.is_(None))).first()


def _is_changing(tx: Session, desktop: Desktop) -> bool:
    return tx.get_one(Operation, desktop.operation_id).status in _ACTIVE


def _was_tried(operation: Operation) -> bool:
    """Whether the last thing done was to connect it, and that failed: then a person has to look."""
    return operation.action == Action.CONNECT_DISK and operation.status == OperationStatus.FAILED
