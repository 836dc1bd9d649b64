"""Whom an actor may deal with: people within reach who may no more than they, and roles that give no more than they have."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.errors import Conflict, Forbidden, NotFound
from yunzhuo.phoenix.db.models import User
from yunzhuo.services.access import GRANTS, Actor, Role, covers, grants_of, may
from yunzhuo.services.reach import in_groups_of, widened

EMAIL_REFUSED = "This address cannot be used here."


def found_person(tx: Session, actor: Actor, user_id: str, verb: str, *, locked: bool = False) -> User:
    """Somebody to whom the actor may ``verb``. Raises NotFound, also for whoever is out of reach."""
    user = tx.get(User, user_id, with_for_update=locked)
    missing = NotFound("user_not_found", "There is no such account.", verb=verb)
    if user is None or user.deleted_at is not None:
        raise missing
    in_groups = in_groups_of(tx, actor, [user.id])
    if not may(actor, verb, organization_id=user.organization_id, owner_id=user.id, in_groups=in_groups):
        raise missing
    return user


def require_no_more_rights(tx: Session, actor: Actor, user: User, verb: str, now: datetime) -> None:
    """Raises Forbidden for somebody who may more than the actor: nobody rules over whoever is mightier."""
    theirs = widened(tx, Actor(user.id, user.organization_id, user.email, Role(user.role)), now)
    if not covers(grants_of(actor), grants_of(theirs)):
        raise Forbidden("more_rights", "This person may do more than you; ask somebody who may as much.", verb=verb)


def require_to_cover(actor: Actor, role: Role) -> None:
    """Raises Forbidden for a role that may more than the actor: nobody makes anybody mightier than themselves."""
    if not covers(grants_of(actor), GRANTS[role]):
        raise Forbidden("more_rights", f"You cannot give somebody the role {role}: it may do more than you.")


def taken(tx: Session, actor: Actor, address: str) -> Conflict:
    """What is answered for an address that somebody has."""
    owner = tx.scalar(select(User.organization_id).where(User.email == address))
    if owner != actor.organization_id:  # who is in another organization is not for this one to know
        return Conflict("email_refused", EMAIL_REFUSED)
    return Conflict("email_taken", f"There is an account {address} already.")
