"""A project of the cloud for an organization: made, shown, kept in step with its quota, taken away (ADR 42)."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.project_resources import Project, QuotaKind, QuotaUse
from yunzhuo.phoenix.common.errors import Conflict, NotFound
from yunzhuo.phoenix.db.models import Address, Desktop, Organization, PersonalDisk
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.placing import Placing, placing_of
from yunzhuo.services.stated import needs

__all__ = ["Placing", "ProjectService", "ProjectView", "QuotaKind", "QuotaUse"]


@dataclass(frozen=True, slots=True)
class ProjectView:
    """Where an organization's things are. ``id`` and what follows are its own project's: None and empty without one.

    ``elsewhere`` is how many of its desktops are in another project, as they were made before.
    """

    placing: Placing
    elsewhere: int
    id: str | None = None
    name: str | None = None
    is_enabled: bool = True
    quota: Mapping[QuotaKind, QuotaUse] | None = None


class ProjectService:
    """For operators. All raise the cloud's errors: CloudUnavailable, Forbidden, CloudNotOffered."""

    def __init__(self, db: Database, cloud: Cloud, audit: AuditLog) -> None:
        self._db = db
        self._cloud = cloud
        self._audit = audit

    @needs("organization:read")
    def get(self, actor: Actor, organization_id: str) -> ProjectView:
        """Where an organization's things are, and how the cloud has its project now. Raises NotFound."""
        with self._db.reading() as tx:
            row = _found(tx, organization_id)
            elsewhere = _count(tx, Desktop, organization_id, Desktop.project_id.is_distinct_from(row.project_id))
        if row.project_id is None:
            return ProjectView(placing_of(row), elsewhere)
        return self._view(self._cloud.projects.get(row.project_id), elsewhere)

    @needs("organization:change_project")
    def make(self, actor: Actor, organization_id: str) -> ProjectView:
        """Give an organization a project of its own: what is new is made there, what is there already stays where it is.

        Twice is harmless. Raises NotFound, and Conflict (``personal_disks_elsewhere``) while people have personal disks in
        the shared project: those could not be connected to desktops in another one.
        """
        with self._db.reading() as tx:
            row = _found(tx, organization_id)
            if row.project_id is None and _count(tx, PersonalDisk, organization_id, PersonalDisk.project_id.is_(None)):
                message = (
                    "People of this organization have personal disks in the shared project; they have to be deleted first."
                )
                raise Conflict("personal_disks_elsewhere", message)
        project = self._cloud.projects.create(organization_id, row.name)
        self._note_made(actor, organization_id, project)
        return self.get(actor, organization_id)

    @needs("organization:change_project")
    def delete(self, actor: Actor, organization_id: str) -> None:
        """Take an organization's own project away, which has to be empty; what is new is made in the shared one from then on.

        Twice is harmless. Raises NotFound, Conflict (``organization_not_disabled``, ``project_has_desktops``), ProjectInUse.
        """
        with self._db.reading() as tx:
            row = _found(tx, organization_id)
            if row.disabled_at is None:
                message = "Disable the organization first: nobody may ask for anything while its project is taken away."
                raise Conflict("organization_not_disabled", message)
            desktops = _count(tx, Desktop, organization_id, Desktop.project_id == row.project_id)
            disks = _count(tx, PersonalDisk, organization_id, PersonalDisk.project_id == row.project_id)
            if row.project_id is not None and (desktops or disks):
                message = "There are desktops or personal disks of this organization in its project; delete them first."
                raise Conflict("project_has_desktops", message, desktops=desktops, personal_disks=disks)
            addresses = tx.execute(select(Address.id, Address.cloud_id).where(Address.project_id == row.project_id)).all()
        if row.project_id is not None:
            for address in addresses:
                if address.cloud_id is not None:
                    self._cloud.addresses.delete(address.cloud_id)
            self._cloud.projects.delete(row.project_id)
        self._note_gone(actor, organization_id, row.project_id)

    @retried_when_contended
    def _note_made(self, actor: Actor, organization_id: str, project: Project) -> None:
        with self._db.transaction() as tx:
            row = _found(tx, organization_id, locked=True)
            if row.project_id == project.id:
                return
            row.project_id, row.has_own_project, row.project_quota = project.id, True, None
            after = {"project": project.id, "name": project.name}
            self._audit.record(tx, actor, "organization:change_project", "organization", row.id, after=after)

    @retried_when_contended
    def _note_gone(self, actor: Actor, organization_id: str, project_id: str | None) -> None:
        with self._db.transaction() as tx:
            row = _found(tx, organization_id, locked=True)
            if row.project_id != project_id or not row.has_own_project:
                return
            row.project_id, row.has_own_project, row.project_quota = None, False, None
            # What is written down of them is nobody's any more: the cloud has them back.
            forgotten = update(Address).where(Address.project_id == project_id, Address.desktop_id.is_(None))
            tx.execute(forgotten.values(given_up_at=func.coalesce(Address.given_up_at, Address.created_at), free_since=None))
            before = {"project": project_id}
            self._audit.record(tx, actor, "organization:change_project", "organization", row.id, before=before)

    def _view(self, project: Project, elsewhere: int) -> ProjectView:
        quota = self._cloud.projects.quota(project.id) if project.is_enabled else None
        return ProjectView(Placing.OWN, elsewhere, project.id, project.name, project.is_enabled, quota)


def _found(tx: Session, organization_id: str, *, locked: bool = False) -> Organization:
    row = tx.get(Organization, organization_id, with_for_update=locked)
    if row is None:
        raise NotFound("organization_not_found", "There is no such organization.")
    return row


def _count(tx: Session, kind: type[Desktop] | type[PersonalDisk], organization_id: str, where: ColumnElement[bool]) -> int:
    """How many are there still."""
    of_organization = (kind.organization_id == organization_id, where)
    # A disk's row goes with the disk; a desktop's stays.
    still_there = (Desktop.deleted_at.is_(None),) if kind is Desktop else ()
    return tx.scalar(select(func.count()).select_from(kind).where(*of_organization, *still_there)) or 0
