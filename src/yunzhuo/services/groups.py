"""Groups: some of an organization's people under a name, for rights, quotas and those who look after them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, NotFound
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.db.models import Group, GroupMember, PoolMember, Quota, RoleGrant, ScreenPolicy, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services.access import Actor, Scope, scope_of
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.reach import is_group_within_reach
from yunzhuo.services.rules import naming
from yunzhuo.services.stated import needs


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group and how many people are in it, its owners among them."""

    id: str
    name: str
    members: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MemberView:
    """A person in a group. ``is_owner``: looks after the others."""

    user_id: str
    email: str
    is_owner: bool


class GroupService:
    """What administrators do with groups, and their owners with who is in them. All methods raise NotFound."""

    def __init__(self, db: Database, audit: AuditLog, clock: Clock) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock

    @needs("group:read")
    def list(self, actor: Actor) -> Sequence[GroupView]:
        """The organization's groups by name; a teacher's are those that they own."""
        within = (Group.organization_id == actor.organization_id, is_group_within_reach(actor, "group:read", Group.id))
        with self._db.reading() as tx:
            rows = tx.scalars(select(Group).where(*within).order_by(Group.name)).all()
            sizes = _sizes(tx, [row.id for row in rows])
            return [_view(row, sizes) for row in rows]

    @needs("group:read")
    def get(self, actor: Actor, group_id: str) -> GroupView:
        """One group."""
        with self._db.reading() as tx:
            row = _found(tx, actor, group_id, "group:read")
            return _view(row, _sizes(tx, [row.id]))

    @needs("group:read")
    def members(self, actor: Actor, group_id: str) -> Sequence[MemberView]:
        """Who is in a group, by address."""
        with self._db.reading() as tx:
            _found(tx, actor, group_id, "group:read")
            query = (
                select(User.id, User.email, GroupMember.is_owner)
                .join(GroupMember, GroupMember.user_id == User.id)
                .where(GroupMember.group_id == group_id, User.deleted_at.is_(None))
                .order_by(User.email)
            )
            return [MemberView(*row) for row in tx.execute(query)]

    @needs("group:create")
    @retried_when_contended
    def create(self, actor: Actor, name: str) -> GroupView:
        """Make a group with nobody in it. Raises InvalidInput, Conflict when the name is taken."""
        group = Group(
            id=new_id(),
            organization_id=actor.organization_id,
            name=naming.checked_name(name),
            created_at=self._clock.now(),
        )
        try:
            with self._db.transaction() as tx:
                tx.add(group)
                self._audit.record(tx, actor, "group:create", "group", group.id, after={"name": group.name})
        except IntegrityError as error:
            raise _name_taken(name) from error
        return _view(group, {})

    @needs("group:update")
    @retried_when_contended
    def rename(self, actor: Actor, group_id: str, name: str) -> GroupView:
        """Give a group another name. Raises InvalidInput, Conflict when the name is taken."""
        try:
            with self._db.transaction() as tx:
                group = _found(tx, actor, group_id, "group:update", locked=True)
                before, group.name = group.name, naming.checked_name(name)
                after = {"name": group.name}
                self._audit.record(tx, actor, "group:update", "group", group.id, before={"name": before}, after=after)
                tx.flush()
                return _view(group, _sizes(tx, [group.id]))
        except IntegrityError as error:
            raise _name_taken(name) from error

    @needs("group:update")
    @retried_when_contended
    def put_member(self, actor: Actor, group_id: str, user_id: str, *, is_owner: bool = False) -> Sequence[MemberView]:
        """Put a person into a group, or say whether they own it; answers who is in it. Twice is harmless.

        Who is an owner is said by those who run the organization: raises Forbidden for a group's own owner.
        """
        with self._db.transaction() as tx:
            group = _found(tx, actor, group_id, "group:update", locked=True)
            user = tx.get(User, user_id)
            if user is None or user.deleted_at is not None or user.organization_id != group.organization_id:
                raise NotFound("user_not_found", "There is no such account.")
            row = tx.get(GroupMember, (group.id, user.id))
            if (is_owner or (row is not None and row.is_owner)) and scope_of(actor, "group:update") is Scope.GROUP:
                raise Forbidden("owners_are_named", "Who owns a group is for an administrator to say.", verb="group:update")
            before = None if row is None else {"is_owner": row.is_owner}
            if row is None:
                row = GroupMember(group_id=group.id, user_id=user.id, is_owner=is_owner)
                tx.add(row)
            row.is_owner = is_owner
            after = {"member": user.email, "is_owner": is_owner}
            self._audit.record(tx, actor, "group:update", "group", group.id, owner_id=user.id, before=before, after=after)
        return self.members(actor, group_id)

    @needs("group:update")
    @retried_when_contended
    def drop_member(self, actor: Actor, group_id: str, user_id: str) -> None:
        """Take a person out of a group; one who is not in it is no error. Raises Forbidden as :meth:`put_member`."""
        with self._db.transaction() as tx:
            group = _found(tx, actor, group_id, "group:update", locked=True)
            row = tx.get(GroupMember, (group.id, user_id))
            if row is None:
                return
            if row.is_owner and scope_of(actor, "group:update") is Scope.GROUP:
                raise Forbidden("owners_are_named", "Who owns a group is for an administrator to say.", verb="group:update")
            tx.delete(row)
            self._audit.record(tx, actor, "group:update", "group", group.id, owner_id=user_id, before={"member": user_id})

    @needs("group:delete")
    @retried_when_contended
    def delete(self, actor: Actor, group_id: str) -> None:
        """Forget a group with its quotas, policies and roles; its people stay."""
        with self._db.transaction() as tx:
            group = _found(tx, actor, group_id, "group:delete", locked=True)
            tx.execute(delete(GroupMember).where(GroupMember.group_id == group.id))
            tx.execute(delete(RoleGrant).where(RoleGrant.holder_id == group.id))
            tx.execute(delete(PoolMember).where(PoolMember.holder_id == group.id))
            tx.execute(delete(ScreenPolicy).where(ScreenPolicy.subject_kind == "group", ScreenPolicy.subject_id == group.id))
            tx.execute(delete(Quota).where(Quota.subject_kind == "group", Quota.subject_id == group.id))
            self._audit.record(tx, actor, "group:delete", "group", group.id, before={"name": group.name})
            tx.delete(group)


def _found(tx: Session, actor: Actor, group_id: str, verb: str, *, locked: bool = False) -> Group:
    query = select(Group).where(Group.id == group_id, Group.organization_id == actor.organization_id)
    query = query.where(is_group_within_reach(actor, verb, Group.id))
    group = tx.scalar(query.with_for_update() if locked else query)
    if group is None:
        raise NotFound("group_not_found", "There is no such group.", verb=verb)
    return group


def _sizes(tx: Session | Transaction, group_ids: Sequence[str]) -> Mapping[str, int]:
    query = select(GroupMember.group_id, func.count()).where(GroupMember.group_id.in_(group_ids))
    return {row[0]: row[1] for row in tx.execute(query.group_by(GroupMember.group_id))}


def _view(row: Group, sizes: Mapping[str, int]) -> GroupView:
    return GroupView(row.id, row.name, sizes.get(row.id, 0), row.created_at)


def _name_taken(name: str) -> Conflict:
    return Conflict("group_name_taken", f"There is a group {name} already.")
