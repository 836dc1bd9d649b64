"""Where in the cloud an organization's things are made: in which project, on which network."""

from collections.abc import Mapping
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.errors import Unavailable
from yunzhuo.phoenix.db.models import Organization, Pool
from yunzhuo.services import fitting


class Placing(StrEnum):
    """Where an organization's new things are made."""

    SHARED = "shared"
    """In the project that all share that have none of their own."""
    COMING = "coming"
    """Nowhere yet: its own project is still to be made."""
    OWN = "own"


def placing_of(organization: Organization) -> Placing:
    """As the organization stands now."""
    if organization.project_id is not None:
        return Placing.OWN
    return Placing.COMING if organization.has_own_project else Placing.SHARED


def project_for(tx: Session, organization_id: str) -> str | None:
    """The project that something new of an organization is made in; None: the shared one.

    Raises Unavailable (``project_not_ready``) while its own is still to be made: nothing of it gets in among others' things.
    """
    query = select(Organization.project_id, Organization.has_own_project).where(Organization.id == organization_id)
    project_id, has_own = tx.execute(query).one()
    if project_id is None and has_own:
        message = "The organization's own part of the cloud is still being made; try again in a moment."
        raise Unavailable("project_not_ready", message)
    return None if project_id is None else str(project_id)


def in_cloud(tx: Session, pool: Pool) -> Mapping[str, str]:
    """Into which network and security groups a pool's new desktop is put, as particulars of its operation; nothing: the cloud
    says. Raises InvalidInput when they are gone."""
    network, groups = fitting.network_and_groups(tx, pool.network_id, pool.security_group_ids)
    said = {"network": network.id} if network else {}
    return said | ({"security_groups": ",".join(group.id for group in groups)} if groups else {})
