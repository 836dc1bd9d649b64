"""How an organization's pools, schedules and quotas are now, in the words of a document: names instead of ids."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from sqlalchemy import Select, false, or_, select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.db.models import (
    CloudPlace,
    Flavor,
    Group,
    Image,
    Network,
    Organization,
    Pool,
    PoolMember,
    Quota,
    Schedule,
    SecurityGroup,
    User,
)
from yunzhuo.services.access import Actor, scope_of
from yunzhuo.services.reach import is_group_within_reach, within_reach
from yunzhuo.services.rules.configuration import Fields, Key, Piece
from yunzhuo.services.rules.quota import Subject
from yunzhuo.services.rules.schedules import SubjectKind

_Row = TypeVar("_Row", Pool, Schedule, Quota)

#: What a document calls whom a quota is for.
SUBJECTS: Mapping[Subject, str] = {
    Subject.ORGANIZATION: "organization",
    Subject.GROUP: "group",
    Subject.USER: "person",
}


class Directory:
    """Things of one kind by what people call them: their name where no other one has it, else their id."""

    def __init__(self, what: str, names: Mapping[str, str]) -> None:
        self._what = what
        self._names = names

    @cached_property
    def _by_name(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for object_id, name in self._names.items():
            found.setdefault(name, []).append(object_id)
        return found

    def id_of(self, word: str) -> str:
        """What is called so, or has this id. Raises InvalidInput when nothing is, or several are."""
        found = self._by_name.get(word, [word] if word in self._names else [])
        if not found:
            raise InvalidInput(f"There is no {self._what} {word}.")
        if len(found) > 1:
            raise InvalidInput(f"{len(found)} are called {word}; say the id instead: {', '.join(sorted(found))}.")
        return found[0]

    def find(self, word: str) -> str | None:
        """As :meth:`id_of`; None when nothing is called so."""
        return self.id_of(word) if word in self._by_name or word in self._names else None

    def told(self, object_id: str) -> str | None:
        """What people call it; None: it is gone."""
        name = self._names.get(object_id)
        return name if name is None or len(self._by_name[name]) == 1 else object_id


@dataclass(frozen=True)
class Present:
    """How things are. ``ids`` are those of pools and schedules, and of whom quotas are for."""

    state: Mapping[Key, Fields]
    ids: Mapping[Key, str]
    images: Directory
    flavors: Directory
    networks: Directory
    security_groups: Directory
    groups: Directory
    people: Directory


def read(tx: Session, actor: Actor, kinds: Set[Piece], *, locked: bool = False) -> Present:
    """How those ``kinds`` are in the actor's organization. ``locked``: until the transaction ends nobody else changes them.

    Its names are those of what is there and of what the actor may see.
    """
    pools = _rows(tx, select(Pool).where(Pool.organization_id == actor.organization_id).order_by(Pool.id), locked=locked)
    is_ours = Schedule.organization_id == actor.organization_id
    schedules = _rows(tx, select(Schedule).where(is_ours).order_by(Schedule.id), locked=locked and Piece.SCHEDULE in kinds)
    of_them = Quota.organization_id == actor.organization_id
    order = (Quota.subject_kind, Quota.subject_id, Quota.resource)
    quotas = _rows(tx, select(Quota).where(of_them).order_by(*order), locked=locked and Piece.QUOTA in kinds)
    pool_ids = [pool.id for pool in pools]
    members = tx.execute(select(PoolMember.pool_id, PoolMember.holder_id).where(PoolMember.pool_id.in_(pool_ids))).all()
    known = {holder for _, holder in members} | {row.subject_id for row in schedules} | {row.subject_id for row in quotas}
    present = Present(
        state={},
        ids={},
        images=_images(tx, actor, {pool.image_id for pool in pools}),
        flavors=_flavors(tx, {pool.flavor_id for pool in pools}),
        networks=_places(tx, actor, "network", Network, {pool.network_id for pool in pools if pool.network_id}),
        security_groups=_places(
            tx, actor, "security group", SecurityGroup, {each for pool in pools for each in pool.security_group_ids}
        ),
        groups=_groups(tx, actor, known),
        people=_people(tx, actor, known),
    )
    state: dict[Key, Fields] = {}
    ids: dict[Key, str] = {}
    for pool in pools if Piece.POOL in kinds else ():
        holders = [holder for pool_id, holder in members if pool_id == pool.id]
        key = Key(Piece.POOL, pool.name)
        state[key], ids[key] = _of_pool(pool, holders, present), pool.id
    names = {pool.id: pool.name for pool in pools}
    for schedule in schedules if Piece.SCHEDULE in kinds else ():
        key = Key(Piece.SCHEDULE, schedule.name)
        state[key], ids[key] = _of_schedule(schedule, names, present.groups), schedule.id
    for quota in quotas if Piece.QUOTA in kinds else ():
        subject, whose = Subject(quota.subject_kind), _whose(tx, quota, present)
        if whose is not None:
            key = Key(Piece.QUOTA, whose, SUBJECTS[subject], quota.resource)
            state[key], ids[key] = {"most": quota.most, "document": quota.document}, quota.subject_id
    return replace(present, state=state, ids=ids)


def _of_pool(pool: Pool, holders: Sequence[str], present: Present) -> Fields:
    members = {present.groups.told(holder) or present.people.told(holder) for holder in holders}
    return {
        "image": present.images.told(pool.image_id),
        "flavor": present.flavors.told(pool.flavor_id),
        "capacity": pool.capacity,
        "spares": pool.spares,
        "kind": pool.kind,
        "hours": tuple(pool.hours),
        "time_zone": pool.time_zone,
        "release_after_minutes": pool.release_after_minutes,
        "goal_seconds": pool.goal_seconds,
        "network": None if pool.network_id is None else present.networks.told(pool.network_id),
        "security_groups": tuple(sorted(present.security_groups.told(each) or each for each in pool.security_group_ids)),
        "members": tuple(sorted(member for member in members if member is not None)),
        "document": pool.document,
    }


def _of_schedule(schedule: Schedule, pools: Mapping[str, str], groups: Directory) -> Fields:
    is_pools = schedule.subject_kind == SubjectKind.POOL
    return {
        "rule": schedule.rule,
        "action": schedule.action,
        "pool": pools.get(schedule.subject_id) if is_pools else None,
        "group": None if is_pools else groups.told(schedule.subject_id),
        "time_zone": schedule.time_zone,
        "leaves_connected": schedule.leaves_connected,
        "catch_up_minutes": schedule.catch_up_minutes,
        "paused": schedule.paused_at is not None,
        "document": schedule.document,
    }


def _whose(tx: Session, quota: Quota, present: Present) -> str | None:
    match Subject(quota.subject_kind):
        case Subject.ORGANIZATION:
            return tx.get_one(Organization, quota.subject_id).name
        case Subject.GROUP:
            return present.groups.told(quota.subject_id)
        case Subject.USER:
            return present.people.told(quota.subject_id)


def _images(tx: Session, actor: Actor, used: Set[str]) -> Directory:
    is_offered = (Image.organization_id == actor.organization_id) & Image.withdrawn_at.is_(None)
    return _directory(tx, "image", select(Image.id, Image.name).where(or_(is_offered, Image.id.in_(used))))


def _flavors(tx: Session, used: Set[str]) -> Directory:
    is_offered = or_(Flavor.withdrawn_at.is_(None), Flavor.id.in_(used))
    return _directory(tx, "flavor", select(Flavor.id, Flavor.name).where(is_offered))


def _places(tx: Session, actor: Actor, what: str, kind: type[CloudPlace], used: Set[str]) -> Directory:
    """Those of the cloud are for who may see them; others see what their pools have."""
    is_offered = kind.withdrawn_at.is_(None) if scope_of(actor, "network:read") is not None else false()
    return _directory(tx, what, select(kind.id, kind.name).where(or_(is_offered, kind.id.in_(used))))


def _groups(tx: Session, actor: Actor, known: Set[str]) -> Directory:
    is_seen = or_(is_group_within_reach(actor, "group:read", Group.id), Group.id.in_(known))
    is_ours = Group.organization_id == actor.organization_id
    return _directory(tx, "group", select(Group.id, Group.name).where(is_ours, is_seen))


def _people(tx: Session, actor: Actor, known: Set[str]) -> Directory:
    is_seen = or_(within_reach(actor, "user:read", User.organization_id, User.id), User.id.in_(known))
    is_theirs = (User.organization_id == actor.organization_id, User.deleted_at.is_(None))
    return _directory(tx, "account", select(User.id, User.email).where(*is_theirs, is_seen))


def _directory(tx: Session, what: str, query: Select[str, str]) -> Directory:
    return Directory(what, {row[0]: row[1] for row in tx.execute(query)})


def _rows(tx: Session, query: Select[_Row], *, locked: bool) -> Sequence[_Row]:
    return tx.scalars(query.with_for_update() if locked else query).all()
