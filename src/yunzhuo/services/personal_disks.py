"""Personal disks: a person's files, which follow them from desktop to desktop and outlive each.

What needs a desktop to let go of the disk, or to get it, is an operation of that desktop; the rest is asked of the
cloud at once.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Volume, VolumeRequest, VolumeSnapshot
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, LimitReached, NotFound, YunzhuoError
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.config.people_settings import LimitSettings
from yunzhuo.phoenix.db.models import Desktop, Operation, PersonalDisk
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services import disk_claims, kept_disk_snapshots
from yunzhuo.services.access import Actor, require
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.changes import state_of
from yunzhuo.services.kept_disk_snapshots import DiskSnapshotView
from yunzhuo.services.license_book import LicenseBook
from yunzhuo.services.placing import project_for
from yunzhuo.services.quota_book import QuotaBook
from yunzhuo.services.rules import lifecycle, naming
from yunzhuo.services.rules.licensing import Feature
from yunzhuo.services.rules.lifecycle import Action, State
from yunzhuo.services.rules.personal_disks import DiskState
from yunzhuo.services.rules.quota import Resource
from yunzhuo.services.stated import needs
from yunzhuo.services.wishes import Accepted, Arguments, WishBook

#: Smaller ones would hardly hold a file system.
SMALLEST_MIB = 64
_USAGE = ("/etc/desktop/personal", "usage")
_USAGE_SECONDS = 3.0
_KIB = re.compile(rb"\s*(\d{1,15}) (\d{1,15})\s*")
_ACTIVE = [status.value for status in lifecycle.ACTIVE]


@dataclass(frozen=True, slots=True)
class DiskPlace:
    """The desktop that has a personal disk, or is about to."""

    id: str
    name: str
    state: State


@dataclass(frozen=True, slots=True)
class DiskView:
    """A personal disk as its person sees it: ``snapshots`` the newest first, ``snapshot_limit`` how many there may be."""

    id: str
    size_mib: int
    state: DiskState
    desktop: DiskPlace | None
    snapshots: Sequence[DiskSnapshotView]
    snapshot_limit: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """How full a disk is, MiB, as the system that has it says."""

    size_mib: int
    used_mib: int


class PersonalDiskService:
    """What a person does with their disk. All but ``create`` raise NotFound when they have none."""

    def __init__(
        self,
        db: Database,
        cloud: Cloud,
        wishes: WishBook,
        audit: AuditLog,
        clock: Clock,
        limits: LimitSettings,
        license_book: LicenseBook,
        quotas: QuotaBook,
    ) -> None:
        self._license = license_book
        self._quotas = quotas
        self._db = db
        self._cloud = cloud
        self._wishes = wishes
        self._audit = audit
        self._clock = clock
        self._limits = limits

    @property
    def largest_mib(self) -> int:
        """The largest disk that a person may have; 0: nobody gets one."""
        return self._limits.personal_disk_mib

    @needs("personal_disk:read")
    def get(self, actor: Actor) -> DiskView:
        """The actor's disk."""
        with self._db.reading() as tx:
            return self._view(tx, _mine(tx, actor, "personal_disk:read"))

    @needs("personal_disk:create")
    def create(self, actor: Actor, *, size_mib: int | None = None) -> DiskView:
        """Give the actor a disk of ``size_mib``, or as large as they may have; it is connected to the next desktop they start.

        Raises LimitReached (``personal_disk_limit``, ``no_capacity``, the license), InvalidInput (size), Conflict when there
        is one already, CloudNotOffered.
        """
        require(actor, "personal_disk:create")
        size = self._checked_size(size_mib)
        disk = self._write_down(actor, size)
        try:
            self._make(disk)
        except YunzhuoError:
            # What was made of it all the same is removed as any disk that is given up.
            self._give_up(actor, disk.id)
            raise
        return self.get(actor)

    @needs("desktop:connect_disk")
    @retried_when_contended
    def connect(self, actor: Actor, desktop_id: str, *, force: bool = False) -> Accepted:
        """Ask to bring the disk to a desktop, away from where it is (permission ``desktop:connect_disk``).

        ``force`` ends programs that have files open there. Raises NotFound, and Conflict while the desktop is not available.
        """
        with self._db.transaction() as tx:

            def choose(desktop: Desktop) -> Arguments:
                if _mine(tx, actor, "personal_disk:read").active_owner_id != desktop.owner_id:
                    raise Forbidden("forbidden", "Files are connected to their person's own desktops only.")
                return _forced(force=force)

            return self._wishes.change(tx, actor, desktop_id, Action.CONNECT_DISK, choose)

    @needs("desktop:disconnect_disk")
    @retried_when_contended
    def disconnect(self, actor: Actor, *, force: bool = False) -> Accepted:
        """Ask the desktop that has the disk to let go of it. Raises Conflict when none has it, or it is changing."""
        with self._db.transaction() as tx:
            desktop_id = _mine(tx, actor, "personal_disk:read").desktop_id
            if desktop_id is None:
                raise Conflict("personal_disk_free", "The personal disk is at no desktop.")
            return self._wishes.change(tx, actor, desktop_id, Action.DISCONNECT_DISK, lambda _desktop: _forced(force=force))

    @needs("personal_disk:read")
    def usage(self, actor: Actor) -> DiskUsage | None:
        """How full the disk is; None where that is not known now: only a desktop that has it can say."""
        with self._db.reading() as tx:
            disk = _mine(tx, actor, "personal_disk:read")
            desktop = tx.get(Desktop, disk.desktop_id) if disk.desktop_id and disk.attached_at else None
            server_id = desktop.server_id if desktop else None
        if server_id is None:
            return None
        try:
            said = self._cloud.guest.run(server_id, _USAGE, timeout_seconds=_USAGE_SECONDS)
        except YunzhuoError:
            return None
        found = _KIB.fullmatch(said.stdout) if said.exit_code == 0 else None
        return DiskUsage(int(found[1]) // 1024, -(-int(found[2]) // 1024)) if found else None

    @needs("personal_disk:snapshot")
    def take_snapshot(self, actor: Actor, name: str) -> DiskView:
        """Keep what is on the disk now under a name.

        Raises InvalidInput (the name is not one, or is taken), LimitReached, Conflict.
        """
        disk, cloud_name = self._reserve_snapshot(actor, naming.checked_name(name))
        volume_id = _volume_of(disk)
        try:
            self._cloud.volumes.snapshot(volume_id, cloud_name)
        except YunzhuoError:
            # Whether it was made is seen now, or by a later round.
            self._look_at_snapshots(disk.id, volume_id)
            raise
        self._look_at_snapshots(disk.id, volume_id)
        return self.get(actor)

    @needs("personal_disk:restore")
    def restore(self, actor: Actor, snapshot_id: str) -> Accepted | None:
        """Put the disk back to a snapshot; what was changed since then is lost.

        Answers the operation of the desktop that has the disk, which lets go of it for that; None: no desktop has it, and it is
        done. Raises NotFound, Conflict.
        """
        wish = self._wish_to_restore(actor, snapshot_id)
        if isinstance(wish, Accepted):
            return wish
        # A desktop that claims it this moment is refused by the cloud until this is done.
        self._cloud.volumes.restore(*wish)
        return None

    @needs("personal_disk:delete_snapshot")
    def delete_snapshot(self, actor: Actor, snapshot_id: str) -> None:
        """Forget a snapshot. Raises NotFound, Conflict."""
        with self._db.reading() as tx:
            disk = _mine(tx, actor, "personal_disk:delete_snapshot")
            row = kept_disk_snapshots.found(tx, disk, snapshot_id)
        self._cloud.volumes.delete_snapshot(_volume_of(disk), str(row.cloud_id))
        self._note(actor, "personal_disk:delete_snapshot", disk.id, {"name": row.name})
        self._look_at_snapshots(disk.id, _volume_of(disk))

    @needs("personal_disk:delete")
    def delete(self, actor: Actor) -> None:
        """Delete the disk with all files on it and its snapshots, for good. Raises Conflict while a desktop has it."""
        self._give_up(actor)
        self.remove_given_up()

    def give_up_within(self, tx: Transaction, actor: Actor, disk: PersonalDisk) -> None:
        """Let a disk be nobody's from now on: it is removed once no desktop has it."""
        disk.active_owner_id, disk.deleted_at = None, self._clock.now()
        before = {"owner": disk.owner_id, "size_mib": disk.size_mib}
        self._audit.record(tx, actor, "personal_disk:delete", "personal_disk", disk.id, before=before)

    def remove_given_up(self) -> None:
        """Remove from the cloud the disks that are nobody's, and that no desktop has. Raises the cloud's errors."""
        query = select(PersonalDisk).where(PersonalDisk.deleted_at.is_not(None), PersonalDisk.desktop_id.is_(None))
        with self._db.reading() as tx:
            given_up = list(tx.scalars(query))
        for disk in given_up:
            found = self._cloud.volumes.find(disk.id, disk.project_id)
            if found is not None:
                self._cloud.volumes.delete(found.id)
            self._forget(disk.id)

    def make_missing(self) -> None:
        """Make the volumes of disks whose making was cut off. Raises the cloud's errors."""
        query = select(PersonalDisk).where(PersonalDisk.volume_id.is_(None), PersonalDisk.deleted_at.is_(None))
        with self._db.reading() as tx:
            unmade = list(tx.scalars(query))
        for disk in unmade:
            self._make(disk)

    def _make(self, disk: PersonalDisk) -> None:
        request = VolumeRequest(disk.id, f"personal {disk.id[:8]}", disk.size_mib, disk.project_id)
        self._note_volume(disk.id, self._cloud.volumes.create(request))

    @retried_when_contended
    def _write_down(self, actor: Actor, size_mib: int) -> PersonalDisk:
        """A disk that is to be made."""
        disk = PersonalDisk(
            id=new_id(),
            organization_id=actor.organization_id,
            owner_id=actor.user_id,
            active_owner_id=actor.user_id,
            size_mib=size_mib,
            created_at=self._clock.now(),
        )
        try:
            with self._db.transaction() as tx:
                self._license.require_feature(tx, Feature.PERSONAL_DISKS)
                wanted = {Resource.PERSONAL_DISKS: 1, Resource.PERSONAL_DISK_MIB: size_mib}
                self._quotas.reserve(tx, actor.user_id, actor.organization_id, wanted)
                disk.project_id = project_for(tx, actor.organization_id)
                tx.add(disk)
                self._audit.record(tx, actor, "personal_disk:create", "personal_disk", disk.id, after={"size_mib": size_mib})
        except IntegrityError as error:
            raise Conflict("personal_disk_there", "You have a personal disk already.") from error
        return disk

    @retried_when_contended
    def _note_volume(self, disk_id: str, volume: Volume) -> None:
        with self._db.transaction() as tx:
            row = tx.get(PersonalDisk, disk_id, with_for_update=True)
            if row is not None:
                row.volume_id, row.size_mib = volume.id, volume.size_mib

    @retried_when_contended
    def _give_up(self, actor: Actor, disk_id: str | None = None) -> None:
        """The disk of this id; without one, the actor's, which no desktop may have then."""
        with self._db.transaction() as tx:
            disk = tx.get_one(PersonalDisk, disk_id) if disk_id else _mine(tx, actor, "personal_disk:delete", locked=True)
            if disk.desktop_id is not None and disk_id is None:
                raise Conflict("personal_disk_connected", "A desktop has the personal disk; disconnect it first.")
            self.give_up_within(tx, actor, disk)

    @retried_when_contended
    def _forget(self, disk_id: str) -> None:
        with self._db.transaction() as tx:
            kept_disk_snapshots.forget_all(tx, disk_id)
            tx.execute(delete(PersonalDisk).where(PersonalDisk.id == disk_id))

    @retried_when_contended
    def _reserve_snapshot(self, actor: Actor, name: str) -> tuple[PersonalDisk, str]:
        """The disk, and what the cloud is to call its snapshot."""
        try:
            with self._db.transaction() as tx:
                size_mib = _mine(tx, actor, "personal_disk:snapshot").size_mib
                wanted = {Resource.PERSONAL_DISK_SNAPSHOTS: 1, Resource.PERSONAL_DISK_MIB: size_mib}
                self._quotas.reserve(tx, actor.user_id, actor.organization_id, wanted)
                disk = _mine(tx, actor, "personal_disk:snapshot", locked=True)
                row = kept_disk_snapshots.reserve(tx, disk, name, self._limits.snapshots_per_disk, self._clock.now())
                self._record(tx, actor, "personal_disk:snapshot", disk.id, {"name": name})
                return disk, row.cloud_name
        except IntegrityError as error:
            # MariaDB finds more names equal than we do.
            raise kept_disk_snapshots.name_taken() from error

    @retried_when_contended
    def _wish_to_restore(self, actor: Actor, snapshot_id: str) -> Accepted | tuple[str, str]:
        """The operation that restores the disk; or the volume and the snapshot, to be restored at once."""
        with self._db.transaction() as tx:
            disk = _mine(tx, actor, "personal_disk:restore")
            row = kept_disk_snapshots.found(tx, disk, snapshot_id)
            self._record(tx, actor, "personal_disk:restore", disk.id, {"name": row.name})
            if disk.desktop_id is None:
                return _volume_of(disk), str(row.cloud_id)
            arguments = {"name": row.name, "disk_snapshot_cloud_id": str(row.cloud_id)}
            return self._wishes.change(tx, actor, disk.desktop_id, Action.RESTORE_DISK, lambda _desktop: arguments)

    @retried_when_contended
    def _note(self, actor: Actor, verb: str, disk_id: str, after: Mapping[str, object]) -> None:
        with self._db.transaction() as tx:
            self._record(tx, actor, verb, disk_id, after)

    def _record(self, tx: Transaction, actor: Actor, verb: str, disk_id: str, after: Mapping[str, object]) -> None:
        self._audit.record(tx, actor, verb, "personal_disk", disk_id, owner_id=actor.user_id, after=after)

    def _look_at_snapshots(self, disk_id: str, volume_id: str) -> None:
        try:
            seen = self._cloud.volumes.snapshots(volume_id)
        except CloudNotOffered:
            return
        self._write_down_snapshots(disk_id, seen)

    @retried_when_contended
    def _write_down_snapshots(self, disk_id: str, seen: Sequence[VolumeSnapshot]) -> None:
        with self._db.transaction() as tx:
            disk = tx.get(PersonalDisk, disk_id, with_for_update=True)
            if disk is not None:
                kept_disk_snapshots.write_down(tx, disk, seen)

    def _checked_size(self, size_mib: int | None) -> int:
        largest = self.largest_mib
        if largest == 0:
            raise LimitReached("personal_disk_limit", "Nobody gets a personal disk here.", limit=0)
        if size_mib is not None and not SMALLEST_MIB <= size_mib <= largest:
            reason = f"{SMALLEST_MIB} to {largest} MiB."
            raise InvalidInput("A personal disk cannot have this size.", code="personal_disk_size", fields={"size_mib": reason})
        return size_mib or largest

    def _view(self, tx: Session, disk: PersonalDisk) -> DiskView:
        desktop = tx.get(Desktop, disk.desktop_id) if disk.desktop_id else None
        operation = tx.get_one(Operation, desktop.operation_id) if desktop else None
        place = DiskPlace(desktop.id, desktop.name, state_of(desktop, operation)) if desktop and operation else None
        return DiskView(
            id=disk.id,
            size_mib=disk.size_mib,
            state=DiskState.MOVING if _is_being_fetched(tx, disk) else _state(disk, operation),
            desktop=place,
            snapshots=kept_disk_snapshots.views(tx, disk),
            snapshot_limit=self._limits.snapshots_per_disk,
            created_at=disk.created_at,
        )


def _is_being_fetched(tx: Session, disk: PersonalDisk) -> bool:
    """Whether a desktop was asked to get the disk, which may be elsewhere still."""
    query = select(Operation.id).join(Desktop, Desktop.operation_id == Operation.id)
    asked = query.where(Operation.action == Action.CONNECT_DISK, Operation.status.in_(_ACTIVE))
    return tx.scalar(asked.where(Desktop.owner_id == disk.owner_id).limit(1)) is not None


def _state(disk: PersonalDisk, operation: Operation | None) -> DiskState:
    if disk.volume_id is None:
        return DiskState.BEING_MADE
    if disk.desktop_id is None or operation is None:
        return DiskState.FREE
    if operation.status in _ACTIVE:
        return DiskState.MOVING
    return DiskState.CONNECTED if disk.attached_at is not None else DiskState.WAITING


def _mine(tx: Session, actor: Actor, verb: str, *, locked: bool = False) -> PersonalDisk:
    require(actor, verb)
    disk = disk_claims.of_owner(tx, actor.user_id, locked=locked)
    if disk is None or disk.organization_id != actor.organization_id:
        raise NotFound("personal_disk_not_found", "You have no personal disk.")
    return disk


def _volume_of(disk: PersonalDisk) -> str:
    if disk.volume_id is None:
        raise Conflict("personal_disk_being_made", "The personal disk is still being made.")
    return disk.volume_id


def _forced(*, force: bool) -> Arguments:
    return {"force": "yes"} if force else {}
