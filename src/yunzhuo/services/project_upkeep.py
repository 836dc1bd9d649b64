"""Projects of organizations, by difference: made where one is missing, called and limited as its organization is."""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.project_resources import Project, QuotaKind
from yunzhuo.phoenix.common.errors import YunzhuoError
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.db.models import Desktop, Flavor, Organization, PersonalDisk, Quota
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.quota_book import disk_counts
from yunzhuo.services.rules import project_quota
from yunzhuo.services.rules.quota import Resource, Subject

log = get_logger()
_KINDS = {
    Resource.DESKTOPS: QuotaKind.SERVERS,
    Resource.VCPUS: QuotaKind.VCPUS,
    Resource.MEMORY_MIB: QuotaKind.MEMORY_MIB,
    Resource.ADDRESSES: QuotaKind.ADDRESSES,
    Resource.PERSONAL_DISKS: QuotaKind.VOLUMES,
    Resource.PERSONAL_DISK_MIB: QuotaKind.VOLUMES_MIB,
    Resource.PERSONAL_DISK_SNAPSHOTS: QuotaKind.VOLUME_SNAPSHOTS,
}


class ProjectUpkeep:
    """Two at once are harmless: the cloud makes one project for an organization, however many ask."""

    def __init__(self, db: Database, cloud: Cloud, audit: AuditLog) -> None:
        self._db = db
        self._cloud = cloud
        self._audit = audit

    def make_missing(self) -> None:
        """Make the projects that organizations were promised. Raises the first error of the cloud, after all were tried."""
        query = select(Organization).where(Organization.has_own_project, Organization.project_id.is_(None))
        with self._db.reading() as tx:
            waiting = tx.scalars(query.order_by(Organization.created_at)).all()
        _each(waiting, lambda row: self._note(row.id, self._cloud.projects.create(row.id, row.name)))

    def compare(self) -> None:
        """Put names and quotas right. Raises the first error of the cloud, after all were tried."""
        with self._db.reading() as tx:
            rows = tx.scalars(select(Organization).where(Organization.project_id.is_not(None))).all()
        if not rows:
            return
        try:
            projects = {project.id: project for project in self._cloud.projects.list()}
        except CloudNotOffered:
            return
        _each(rows, lambda row: self._put_right(row, projects.get(row.project_id or "")))

    def _put_right(self, row: Organization, project: Project | None) -> None:
        if project is None:
            log.warning("project_missing", organization_id=row.id, project_id=row.project_id)
            return
        if not project.is_enabled:
            return
        if project.description != row.name:
            self._cloud.projects.create(row.id, row.name)
        with self._db.reading() as tx:
            limits = _limits(tx, row.id)
            left = disk_counts(tx, PersonalDisk.project_id == project.id, PersonalDisk.deleted_at.is_not(None))
            gone_here = {**_binned(tx, project.id), **left}
        told_before = {Resource(resource): most for resource, most in (row.project_quota or {}).items()}
        if not limits.keys() & _KINDS.keys() and not told_before:
            return
        counted = self._cloud.projects.quota(project.id)
        uses = {resource: counted[kind] for resource, kind in _KINDS.items() if kind in counted}
        wanted = project_quota.wanted(limits, gone_here, {resource: use.used for resource, use in uses.items()})
        present = {resource: use.most for resource, use in uses.items()}
        changes = project_quota.changes(wanted, present, told_before)
        if changes:
            self._cloud.projects.set_quota(project.id, {_KINDS[resource]: most for resource, most in changes.items()})
            log.info("project_quota_changed", organization_id=row.id, project_id=project.id, changes=changes)
        self._remember(row.id, project.id, wanted)

    @retried_when_contended
    def _note(self, organization_id: str, project: Project) -> None:
        with self._db.transaction() as tx:
            row = tx.get_one(Organization, organization_id, with_for_update=True)
            if row.project_id is None and row.has_own_project:
                row.project_id = project.id
                after = {"project": project.id, "name": project.name}
                verb = "organization:change_project"
                self._audit.record(tx, None, verb, "organization", row.id, organization_id=row.id, after=after)

    @retried_when_contended
    def _remember(self, organization_id: str, project_id: str, told: Mapping[Resource, int]) -> None:
        with self._db.transaction() as tx:
            row = tx.get_one(Organization, organization_id, with_for_update=True)
            if row.project_id == project_id:
                row.project_quota = {resource.value: most for resource, most in told.items()}


def _each(rows: Sequence[Organization], work: Callable[[Organization], None]) -> None:
    """One organization's trouble is not another's; the first one's is told at the end."""
    failed: YunzhuoError | None = None
    for row in rows:
        try:
            work(row)
        except YunzhuoError as error:
            log.warning("project_not_kept", organization_id=row.id, code=error.code, reason=error.message, **error.details)
            failed = failed or error
    if failed is not None:
        raise failed


def _limits(tx: Session, organization_id: str) -> Mapping[Resource, int]:
    query = select(Quota).where(Quota.subject_kind == Subject.ORGANIZATION, Quota.subject_id == organization_id)
    return {Resource(row.resource): row.most for row in tx.scalars(query)}


def _binned(tx: Session, project_id: str) -> Mapping[Resource, int]:
    """What of a project is in the bin: not counted by us any more, and by the cloud still."""
    sums = select(func.count(), func.sum(Flavor.vcpus), func.sum(Flavor.memory_mib)).select_from(Desktop)
    in_bin = (Desktop.project_id == project_id, Desktop.deleted_at.is_(None), Desktop.binned_at.is_not(None))
    count, vcpus, memory_mib = tx.execute(sums.join(Flavor, Flavor.id == Desktop.flavor_id).where(*in_bin)).one()
    return {Resource.DESKTOPS: count, Resource.VCPUS: int(vcpus or 0), Resource.MEMORY_MIB: int(memory_mib or 0)}
