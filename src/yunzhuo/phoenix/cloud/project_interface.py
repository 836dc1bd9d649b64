"""The part of the interface that is about projects; see ``interface.py`` for the promises common to all."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from yunzhuo.phoenix.cloud.project_resources import Project, QuotaKind, QuotaUse


class Projects(Protocol):
    """Parts of the cloud, one for an organization. Those of others are never listed, returned or touched.

    What is made with a ``project_id`` is in that project, counts against its quota, and cannot be joined to what is in
    another one; without it, it is in the part that all others share. Its own id says where it is: only what is looked for by
    our tag has to be looked for in its project.
    """

    def list(self) -> Sequence[Project]:
        """All of ours, by name."""
        ...

    def create(self, organization_id: str, description: str) -> Project:
        """Make an organization's project with what servers need in it, or return the one that it has, with all of that.

        ``description`` is what people who run the cloud read: the organization's name. Another one than before is written
        down. Raises InvalidInput, NoCapacity, Forbidden, Conflict (``project_name_taken``) when it is somebody else's.
        """
        ...

    def get(self, project_id: str) -> Project:
        """Raises ProjectNotFound."""
        ...

    def quota(self, project_id: str) -> Mapping[QuotaKind, QuotaUse]:
        """What it uses and may use. Raises ProjectNotFound.

        Of every kind but, where personal disks are no volumes, or servers' own disks are volumes too, those ``OF_VOLUMES``.
        """
        ...

    def set_quota(self, project_id: str, quota: Mapping[QuotaKind, int | None]) -> None:
        """Say how much it may use; None: as much as the cloud gives by itself. Kinds that are left out stay.

        What is there already stays. Raises ProjectNotFound, Forbidden, and InvalidInput for fewer volumes than there are, and
        for their MiB when that is no whole GiB.
        """
        ...

    def delete(self, project_id: str) -> None:
        """Remove it with what ``create`` put into it; one that is not there is no error. Raises ProjectInUse."""
        ...
