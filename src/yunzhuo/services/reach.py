"""What an actor reaches beside their own things, read from the database: groups they own, and what others let them do."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, false, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from yunzhuo.phoenix.db.models import CustomRole, Delegation, GroupMember, RoleGrant
from yunzhuo.services.access import Actor, Scope, merged, scope_of

_Column = InstrumentedAttribute[str]


def widened(tx: Session, actor: Actor, now: datetime) -> Actor:
    """The actor with all their rights: roles of the organization's own, theirs and their groups', and what is delegated.

    Two queries by index, whatever the number of groups.
    """
    groups = select(GroupMember.group_id).where(GroupMember.user_id == actor.user_id)
    is_theirs = or_(RoleGrant.holder_id == actor.user_id, RoleGrant.holder_id.in_(groups))
    held = select(RoleGrant.role_id).where(is_theirs)
    roles = tx.scalars(select(CustomRole.grants).where(CustomRole.id.in_(held)))  # each once, however many groups have it
    delegations = select(Delegation.from_user_id, Delegation.verb).where(
        Delegation.to_user_id == actor.user_id, Delegation.expires_at > now
    )
    custom = merged({verb: Scope(scope) for verb, scope in grants.items()} for grants in roles)
    delegated: dict[str, set[str]] = {}
    for owner_id, verb in tx.execute(delegations):
        delegated.setdefault(owner_id, set()).add(verb)
    if not custom and not delegated:
        return actor
    return replace(actor, custom=custom, delegated={owner: frozenset(verbs) for owner, verbs in delegated.items()})


def in_groups_of(tx: Session, actor: Actor, owner_ids: Iterable[str]) -> frozenset[str]:
    """Those of these people who are in a group that the actor owns; asks only when somebody else is among them, and of each
    only once in a transaction."""
    others = {owner_id for owner_id in owner_ids if owner_id != actor.user_id}
    if not others or not actor.user_id or actor.is_visiting:
        return frozenset()
    known: dict[str, bool] = tx.info.setdefault(f"in_groups_of {actor.user_id}", {})
    unknown = others - known.keys()
    if unknown:
        found = set(tx.scalars(_people_of_owned_groups(actor).where(GroupMember.user_id.in_(unknown))))
        known.update({owner_id: owner_id in found for owner_id in unknown})
    return frozenset(owner_id for owner_id in others if known[owner_id])


def within_reach(actor: Actor, verb: str, organization: _Column, owner: _Column) -> ColumnElement[bool]:
    """The condition under which a row of this organization and owner is one that the actor may ``verb``."""
    match scope_of(actor, verb):
        case None:
            return false()
        case Scope.ORGANIZATION | Scope.INSTALLATION:
            return organization == actor.organization_id
        case scope:
            delegators = [owner_id for owner_id, verbs in actor.delegated.items() if verb in verbs]
            ways: list[ColumnElement[bool]] = [owner.in_([actor.user_id, *delegators])]
            if scope is Scope.GROUP:
                ways.append(owner.in_(_people_of_owned_groups(actor)))
            return and_(organization == actor.organization_id, or_(*ways))


def is_group_within_reach(actor: Actor, verb: str, group: _Column) -> ColumnElement[bool]:
    """The condition under which a group of the actor's organization is one that the actor may ``verb``."""
    match scope_of(actor, verb):
        case Scope.ORGANIZATION | Scope.INSTALLATION:
            return true()
        case Scope.GROUP:
            return group.in_(_owned_groups(actor))
        case _:
            return false()


def _owned_groups(actor: Actor) -> Select[str]:
    return select(GroupMember.group_id).where(GroupMember.user_id == actor.user_id, GroupMember.is_owner.is_(True))


def _people_of_owned_groups(actor: Actor) -> Select[str]:
    return select(GroupMember.user_id).where(GroupMember.group_id.in_(_owned_groups(actor)))
