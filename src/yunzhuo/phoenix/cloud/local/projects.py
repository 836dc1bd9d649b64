"""Projects of driver ``local``: one computer is one place."""

from collections.abc import Mapping, Sequence
from typing import NoReturn

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.project_resources import Project, QuotaKind, QuotaUse


class LocalProjects:
    """Says of every operation that it is not offered."""

    def list(self) -> Sequence[Project]:
        _refuse()

    def create(self, organization_id: str, description: str) -> Project:
        _refuse()

    def get(self, project_id: str) -> Project:
        _refuse()

    def quota(self, project_id: str) -> Mapping[QuotaKind, QuotaUse]:
        _refuse()

    def set_quota(self, project_id: str, quota: Mapping[QuotaKind, int | None]) -> None:
        _refuse()

    def delete(self, project_id: str) -> None:
        _refuse()


def refuse_any(project_id: str | None) -> None:
    """Raises CloudNotOffered for whoever names a project."""
    if project_id is not None:
        _refuse()


def _refuse() -> NoReturn:
    raise CloudNotOffered("projects")
