"""Who has a personal disk: at most one desktop, by the database, before anything is asked of the cloud.

Always inside the transaction that begins or ends a step of a desktop's operation.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from yunzhuo.phoenix.db.models import Desktop, Operation, PersonalDisk
from yunzhuo.phoenix.db.session import Transaction
from yunzhuo.services.rules import lifecycle, personal_disks
from yunzhuo.services.rules.lifecycle import Action, Observed, Step, Wanted

_ACTIVE = [status.value for status in lifecycle.ACTIVE]
# What does not run lets go of the disk without being asked.
_AT_REST = frozenset({Observed.STOPPED, Observed.SUSPENDED, Observed.MISSING})


@dataclass(frozen=True, slots=True)
class ClaimedDisk:
    """The disk that a step of a desktop is about.

    ``leaving_server_id`` is where it has to be taken away from first. ``is_waiting``: the desktop that has it is changing;
    ``comes_free``: and will be gone then.
    ``ends_programs`` and ``is_tolerant``: see the tables of ``rules.personal_disks``; ``is_asked_for``: the operation is about
    nothing but the disk.
    """

    volume_id: str
    leaving_server_id: str | None = None
    is_waiting: bool = False
    comes_free: bool = False
    ends_programs: bool = False
    is_tolerant: bool = False
    is_asked_for: bool = False


def of_owner(tx: Session, owner_id: str, *, locked: bool = False) -> PersonalDisk | None:
    """The disk of a person, that they have now."""
    query = select(PersonalDisk).where(PersonalDisk.active_owner_id == owner_id)
    return tx.scalars(query.with_for_update() if locked else query).first()


def at_desktop(tx: Session, desktop_id: str, *, locked: bool = False) -> PersonalDisk | None:
    """The disk that a desktop has, whoever's it is."""
    query = select(PersonalDisk).where(PersonalDisk.desktop_id == desktop_id)
    return tx.scalars(query.with_for_update() if locked else query).first()


def may_follow(tx: Session, disk: PersonalDisk) -> bool:
    """Whether a disk may go to another desktop without being taken away from one that is worked at."""
    holder = tx.get(Desktop, disk.desktop_id) if disk.desktop_id else None
    return holder is None or holder.wanted == Wanted.GONE or holder.observed_status in _AT_REST


def is_at(tx: Session, desktop: Desktop, owners_disk: PersonalDisk | None) -> bool:
    """Whether a desktop has a disk, whoever's it is, or its owner's is still being taken away from it."""
    return at_desktop(tx, desktop.id) is not None or _leaving(owners_disk, desktop) is not None


def begin(tx: Transaction, desktop: Desktop, operation: Operation, step: Step) -> ClaimedDisk | None:
    """Claim for a desktop what its step is about to be given; None: there is nothing to do for it."""
    if step not in personal_disks.DISK_STEPS:
        return None
    comes = step in (Step.FETCH_DISK, Step.CONNECT_DISK)
    disk = of_owner(tx, desktop.owner_id, locked=True) if comes else at_desktop(tx, desktop.id, locked=True)
    if disk is None and step is Step.DISCONNECT_DISK:
        disk = _leaving(of_owner(tx, desktop.owner_id, locked=True), desktop)
    if disk is None or disk.volume_id is None:
        return None
    action = Action(operation.action)
    is_asked_for = action is Action.CONNECT_DISK
    if comes and disk.desktop_id != desktop.id:
        if at_desktop(tx, desktop.id) is not None:  # of somebody who had the desktop before, and is not gone from it yet
            return ClaimedDisk(disk.volume_id, is_waiting=True) if is_asked_for else None
        holder = tx.get(Desktop, disk.desktop_id) if disk.desktop_id else None
        if holder is not None and _is_changing(tx, holder):
            comes_free = holder.wanted == Wanted.GONE
            is_worth_waiting = is_asked_for or comes_free
            return ClaimedDisk(disk.volume_id, is_waiting=True, comes_free=comes_free) if is_worth_waiting else None
        if holder is not None and not is_asked_for and holder.observed_status not in _AT_REST:
            return None
        disk.leaving_desktop_id = disk.desktop_id
        disk.desktop_id, disk.attached_at = desktop.id, None
    leaving = tx.get(Desktop, disk.leaving_desktop_id) if disk.leaving_desktop_id else None
    return ClaimedDisk(
        volume_id=disk.volume_id,
        leaving_server_id=leaving.server_id if leaving else None,
        ends_programs=action in personal_disks.ENDS_PROGRAMS or operation.arguments.get("force") == "yes",
        is_tolerant=action in personal_disks.GO_ON_WITHOUT,
        is_asked_for=is_asked_for or action is Action.RESTORE_DISK,
    )


def settle(tx: Transaction, desktop: Desktop, operation: Operation, step: Step, now: datetime, *, is_attached: bool) -> None:
    """Write down what a step that is done has made of the claim."""
    if step not in personal_disks.DISK_STEPS:
        return
    disk = at_desktop(tx, desktop.id, locked=True)
    if disk is None:
        return
    match step:
        case Step.FETCH_DISK:
            disk.leaving_desktop_id = None
        case Step.CONNECT_DISK:
            disk.leaving_desktop_id = None
            disk.attached_at = (disk.attached_at or now) if is_attached else None
        case Step.DISCONNECT_DISK:
            disk.attached_at = None
            if operation.action not in personal_disks.KEEP_PLACE:
                _leave(tx, disk)
        case _:
            pass


def fail(tx: Transaction, desktop: Desktop, step: Step, now: datetime) -> None:
    """A disk that could not be taken away from where it is stays there."""
    if step is not Step.FETCH_DISK:
        return
    disk = at_desktop(tx, desktop.id, locked=True)
    if disk is not None and disk.leaving_desktop_id is not None:
        disk.desktop_id, disk.leaving_desktop_id, disk.attached_at = disk.leaving_desktop_id, None, now


def let_go(tx: Transaction, desktop_id: str) -> None:
    """A desktop that is gone has no disk."""
    leaves = update(PersonalDisk).where(PersonalDisk.desktop_id == desktop_id)
    tx.execute(leaves.values(desktop_id=None, attached_at=None, leaving_desktop_id=None))
    left = update(PersonalDisk).where(PersonalDisk.leaving_desktop_id == desktop_id)
    tx.execute(left.values(leaving_desktop_id=None))


def _leaving(disk: PersonalDisk | None, desktop: Desktop) -> PersonalDisk | None:
    """The disk, if another desktop is to get it and this one may have it still."""
    return disk if disk is not None and disk.leaving_desktop_id == desktop.id else None


def _leave(tx: Transaction, disk: PersonalDisk) -> None:
    """A desktop does not have the disk any more. What had not come from another one yet is still there."""
    stays_at, disk.leaving_desktop_id = disk.leaving_desktop_id, None
    disk.desktop_id = stays_at if stays_at is not None and at_desktop(tx, stays_at) is None else None


def _is_changing(tx: Session, desktop: Desktop) -> bool:
    status = tx.scalar(select(Operation.status).where(Operation.id == desktop.operation_id))
    return status in _ACTIVE
