"""Quotas as they are kept: counted and reserved in the transaction of whoever wants something."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import LimitReached, NotSignedIn
from yunzhuo.phoenix.config.people_settings import LimitSettings
from yunzhuo.phoenix.db.models import (
    Address,
    Desktop,
    DiskSnapshot,
    Flavor,
    Group,
    GroupMember,
    Operation,
    Organization,
    PersonalDisk,
    Quota,
    Snapshot,
    UsageDay,
    User,
)
from yunzhuo.phoenix.db.session import Transaction
from yunzhuo.services.license_book import LicenseBook, Limit
from yunzhuo.services.rules.licensing import Reach
from yunzhuo.services.rules.lifecycle import Action, Wanted
from yunzhuo.services.rules.quota import Allowance, Resource, Subject, first_exceeded

_SECONDS_PER_HOUR = 3600
_LICENSED = {
    Resource.RUNNING: Limit.DESKTOPS,
    Resource.VCPUS: Limit.VCPUS,
    Resource.MEMORY_MIB: Limit.MEMORY_MIB,
    Resource.DISK_MIB: Limit.DISK_MIB,
}
_Counts = Mapping[Resource, int]
_Key = tuple[Subject, str]


class QuotaBook:
    """Reserves within limits. Rows of those whose limit counts are locked, so two wishes at once cannot both take the rest."""

    def __init__(self, clock: Clock, limits: LimitSettings, license_book: LicenseBook) -> None:
        self._clock = clock
        self._limits = limits
        self._license = license_book

    def reserve_for_pool(self, tx: Transaction, organization_id: str, wanted: Mapping[Resource, int]) -> None:
        """Make sure that an organization may have this much more. A pool's capacity is what limits its people, not their
        own quotas. Raises LimitReached, also when the installation's license says no."""
        self._license.reserve(tx, _licensed(wanted), reach(wanted))
        organization = (Subject.ORGANIZATION, organization_id)
        rows = tx.scalars(select(Quota).where(Quota.subject_id == organization_id)).all()
        limits = [(Resource(row.resource), row.most) for row in rows if wanted.get(Resource(row.resource), 0) > 0]
        if not limits:
            return
        tx.execute(select(Organization.id).where(Organization.id == organization_id).with_for_update())
        counted = counts(tx, organization, self._clock.now(), {resource for resource, _ in limits})
        allowances = [Allowance(*organization, resource, counted[resource], most) for resource, most in limits]
        exceeded = first_exceeded(allowances, wanted)
        if exceeded is not None:
            raise _reached(exceeded)

    def reserve(self, tx: Transaction, owner_id: str, organization_id: str, wanted: Mapping[Resource, int]) -> None:
        """Make sure that the owner may have this much more; what is reserved is what the transaction then writes.

        Raises LimitReached, also when the installation's license says no, and for a new desktop NotSignedIn when the account
        ended since it asked: nothing is left behind for it.
        """
        self._license.reserve(tx, _licensed(wanted), reach(wanted))
        subjects = _subjects(tx, owner_id, organization_id)
        limits = {
            (key, resource): most
            for (key, resource), most in self._limits_of(tx, subjects, owner_id).items()
            if wanted.get(resource, 0) > 0
        }
        limited = {key: {resource for each, resource in limits if each == key} for key, _ in limits}
        held = sorted((key for key in limited if key[0] is not Subject.USER), reverse=True)
        for kind, subject_id in held:  # the organization, then groups by id, then the person: always in this order
            table = Organization if kind is Subject.ORGANIZATION else Group
            tx.execute(select(table.id).where(table.id == subject_id).with_for_update())
        found = tx.scalar(select(User.id).where(User.id == owner_id, User.disabled_at.is_(None)).with_for_update())
        if found is None and Resource.DESKTOPS in wanted:
            raise NotSignedIn("not_signed_in", "Please sign in.")
        counted = {key: counts(tx, key, self._clock.now(), resources) for key, resources in limited.items()}
        allowances = [Allowance(*key, resource, counted[key][resource], most) for (key, resource), most in limits.items()]
        exceeded = first_exceeded(allowances, wanted)
        if exceeded is not None:
            raise _reached(exceeded)

    def allowances(self, tx: Session, owner_id: str, organization_id: str) -> Sequence[Allowance]:
        """All that limits a person: their own limits, their groups', their organization's; unlimited resources of their own
        are told, too."""
        subjects = _subjects(tx, owner_id, organization_id)
        limits: dict[tuple[_Key, Resource], int | None] = {((Subject.USER, owner_id), each): None for each in Resource}
        limits |= self._limits_of(tx, subjects, owner_id)
        counted = {key: counts(tx, key, self._clock.now()) for key in {key for key, _ in limits}}
        return [Allowance(*key, resource, counted[key][resource], most) for (key, resource), most in limits.items()]

    def _limits_of(self, tx: Session, subjects: Sequence[_Key], owner_id: str) -> dict[tuple[_Key, Resource], int]:
        limits = {((Subject.USER, owner_id), Resource.DESKTOPS): self._limits.desktops_per_user}
        rows = tx.scalars(select(Quota).where(Quota.subject_id.in_([subject_id for _, subject_id in subjects])))
        return limits | {((Subject(row.subject_kind), row.subject_id), Resource(row.resource)): row.most for row in rows}


def _licensed(wanted: Mapping[Resource, int]) -> dict[Limit, int]:
    """What of a wish a license limits."""
    return {_LICENSED[each]: more for each, more in wanted.items() if each in _LICENSED}


def counts(tx: Session, key: _Key, now: datetime, resources: Collection[Resource] = frozenset(Resource)) -> _Counts:
    """What a subject uses now of these resources."""
    owned, used_by = _whose(key)
    there = (owned, Desktop.deleted_at.is_(None))
    found: dict[Resource, int] = {}
    if not _OF_DESKTOPS.isdisjoint(resources):
        found |= _of_desktops(tx, there)
    if not _OF_FLAVOR.isdisjoint(resources):
        found = _with_resizes(tx, owned, found)
    for resource, table in ((Resource.SNAPSHOTS, Snapshot), (Resource.ADDRESSES, Address)):
        if resource in resources:
            of_desktops = select(func.count()).select_from(table).join(Desktop, Desktop.id == table.desktop_id).where(*there)
            found[resource] = tx.scalar(of_desktops) or 0
    if Resource.HOURS in resources:
        month = now.astimezone(UTC).date().replace(day=1)
        seconds = tx.scalar(select(func.sum(UsageDay.running_seconds)).where(used_by, UsageDay.day >= month)) or 0
        found[Resource.HOURS] = int(seconds) // _SECONDS_PER_HOUR
    if not _OF_DISKS.isdisjoint(resources):
        found |= disk_counts(tx, _disks_of(key), PersonalDisk.deleted_at.is_(None))
    return found


def _of_desktops(tx: Session, there: tuple[ColumnElement[bool], ...]) -> dict[Resource, int]:
    is_out = Desktop.binned_at.is_(None)  # what is in the bin takes disk, and nothing else
    sums = select(
        *(func.sum(case((is_out, each), else_=0)) for each in (1, Flavor.vcpus, Flavor.memory_mib)),
        func.sum(case((Desktop.wanted == Wanted.RUNNING, 1), else_=0)),
        func.sum(Flavor.disk_mib),
    )
    row = tx.execute(sums.select_from(Desktop).join(Flavor, Flavor.id == Desktop.flavor_id).where(*there)).one()
    counted = (Resource.DESKTOPS, Resource.VCPUS, Resource.MEMORY_MIB, Resource.RUNNING, Resource.DISK_MIB)
    return {resource: int(count or 0) for resource, count in zip(counted, row, strict=True)}


def disk_counts(tx: Session, *which: ColumnElement[bool]) -> _Counts:
    """What personal disks and their snapshots take."""
    disks = select(func.count(), func.sum(PersonalDisk.size_mib)).where(*which)
    kept = select(func.count(), func.sum(PersonalDisk.size_mib)).select_from(DiskSnapshot)
    count, disks_mib = tx.execute(disks).one()
    snapshots, kept_mib = tx.execute(kept.join(PersonalDisk, PersonalDisk.id == DiskSnapshot.disk_id).where(*which)).one()
    return {
        Resource.PERSONAL_DISKS: count,
        Resource.PERSONAL_DISK_MIB: int(disks_mib or 0) + int(kept_mib or 0),
        Resource.PERSONAL_DISK_SNAPSHOTS: snapshots,
    }


def size_of(flavor: Flavor) -> dict[Resource, int]:
    """What a desktop of this flavor takes."""
    return {Resource.VCPUS: flavor.vcpus, Resource.MEMORY_MIB: flavor.memory_mib, Resource.DISK_MIB: flavor.disk_mib}


def reach(wanted: Mapping[Resource, int]) -> Reach:
    """How much the license has to let people do for this: to save is always possible, to use what is there nearly so."""
    if wanted.keys() <= {Resource.SNAPSHOTS} or Resource.PERSONAL_DISK_SNAPSHOTS in wanted:
        return Reach.CLOSE
    return Reach.KEEP if wanted.keys() <= SWITCHED_ON.keys() else Reach.ALL


_OF_FLAVOR = frozenset({Resource.VCPUS, Resource.MEMORY_MIB, Resource.DISK_MIB})
_OF_DESKTOPS = _OF_FLAVOR | {Resource.DESKTOPS, Resource.RUNNING}
_OF_DISKS = frozenset({Resource.PERSONAL_DISKS, Resource.PERSONAL_DISK_MIB, Resource.PERSONAL_DISK_SNAPSHOTS})

# Whoever switches a desktop on has to have an hour left.
SWITCHED_ON = {Resource.RUNNING: 1, Resource.HOURS: 1}


def _with_resizes(tx: Session, owned: ColumnElement[bool], found: dict[Resource, int]) -> dict[Resource, int]:
    """What is being made larger counts with its new size from the moment that was asked for."""
    query = (
        select(Desktop.flavor_id, Operation.arguments)
        .join(Operation, Operation.active_desktop_id == Desktop.id)
        .where(owned, Desktop.deleted_at.is_(None), Operation.action == Action.RESIZE)
    )
    for flavor_id, arguments in tx.execute(query).all():
        present, wanted = size_of(tx.get_one(Flavor, flavor_id)), size_of(tx.get_one(Flavor, arguments["flavor"]))
        for resource, amount in wanted.items():
            found[resource] += max(amount - present[resource], 0)
    return found


def _whose(key: _Key) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    kind, subject_id = key
    match kind:
        case Subject.USER:
            return Desktop.owner_id == subject_id, UsageDay.user_id == subject_id
        case Subject.GROUP:
            members = select(GroupMember.user_id).where(GroupMember.group_id == subject_id)
            return Desktop.owner_id.in_(members), UsageDay.user_id.in_(members)
        case Subject.ORGANIZATION:
            return Desktop.organization_id == subject_id, UsageDay.organization_id == subject_id


def _disks_of(key: _Key) -> ColumnElement[bool]:
    kind, subject_id = key
    match kind:
        case Subject.USER:
            return PersonalDisk.owner_id == subject_id
        case Subject.GROUP:
            members = select(GroupMember.user_id).where(GroupMember.group_id == subject_id)
            return PersonalDisk.owner_id.in_(members)
        case Subject.ORGANIZATION:
            return PersonalDisk.organization_id == subject_id


def _subjects(tx: Session, owner_id: str, organization_id: str) -> Sequence[_Key]:
    groups = tx.scalars(select(GroupMember.group_id).where(GroupMember.user_id == owner_id).order_by(GroupMember.group_id))
    return [
        (Subject.ORGANIZATION, organization_id),
        *((Subject.GROUP, group_id) for group_id in groups),
        (Subject.USER, owner_id),
    ]


def _reached(exceeded: Allowance) -> LimitReached:
    told = {"used": exceeded.used, "limit": exceeded.most, "resource": exceeded.resource, "of": exceeded.subject}
    if exceeded.resource is Resource.DESKTOPS and exceeded.subject is Subject.USER:
        text = f"You have {exceeded.used} of {exceeded.most} desktops; delete one first."
        return LimitReached("desktop_limit_reached", text, **told)
    whose = {Subject.USER: "your", Subject.GROUP: "your group's", Subject.ORGANIZATION: "your organization's"}
    text = (
        f"This is more than {whose[exceeded.subject]} quota: {exceeded.used} of {exceeded.most} {exceeded.resource} are used."
    )
    return LimitReached("quota_reached", text, **told)
