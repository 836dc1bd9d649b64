"""What quotas and policies are about: an organization, or one of its groups, pools, people, desktops."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from yunzhuo.phoenix.db.models import Desktop, Group, Organization, Pool, User

_NAMES: Mapping[str, tuple[InstrumentedAttribute[str], InstrumentedAttribute[str], InstrumentedAttribute[str]]] = {
    "organization": (Organization.name, Organization.id, Organization.id),
    "group": (Group.name, Group.id, Group.organization_id),
    "pool": (Pool.name, Pool.id, Pool.organization_id),
    "user": (User.email, User.id, User.organization_id),
    "desktop": (Desktop.name, Desktop.id, Desktop.organization_id),
}


def subject_name(tx: Session, kind: str, subject_id: str, organization_id: str) -> str | None:
    """What people call it; None when the organization has no such thing (any more)."""
    name, its_id, its_organization = _NAMES[kind]
    query = select(name).where(its_id == subject_id, its_organization == organization_id)
    for model in (User, Desktop):
        if name.class_ is model:
            query = query.where(model.deleted_at.is_(None))
    return tx.scalar(query)
