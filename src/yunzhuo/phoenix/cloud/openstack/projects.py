"""Projects of driver ``openstack``: Keystone's, in a domain that the settings name."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

from yunzhuo.phoenix.cloud.errors import ProjectNotFound
from yunzhuo.phoenix.cloud.openstack import project_quotas
from yunzhuo.phoenix.cloud.openstack.domain import Domain
from yunzhuo.phoenix.cloud.openstack.furnishing import Furnishing
from yunzhuo.phoenix.cloud.openstack.places import Place, Places
from yunzhuo.phoenix.cloud.project_resources import Project, QuotaKind, QuotaUse
from yunzhuo.phoenix.common.errors import NotFound


class OpenStackProjects:
    """See the interface for the promises."""

    def __init__(self, domain: Domain, places: Places) -> None:
        self._domain = domain
        self._places = places
        self._furnishing = Furnishing(places.home)
        self._lock = threading.Lock()  # two who furnish at once would each bring a network

    def list(self) -> Sequence[Project]:
        return self._domain.fresh()

    def create(self, organization_id: str, description: str) -> Project:
        project = self._domain.make(organization_id, description)
        with self._lock:
            self._furnishing.put_into(self._place(project.id))
        return project

    def get(self, project_id: str) -> Project:
        found = next((each for each in self._domain.fresh() if each.id == project_id), None)
        if found is None:
            raise ProjectNotFound(project_id)
        return found

    def quota(self, project_id: str) -> Mapping[QuotaKind, QuotaUse]:
        return project_quotas.read(self._place(project_id).connection)

    def set_quota(self, project_id: str, quota: Mapping[QuotaKind, int | None]) -> None:
        project_quotas.write(self._place(project_id).connection, quota)

    def delete(self, project_id: str) -> None:
        """Neutron keeps the project's security group ``default``: it lets administrators alone remove that."""
        if all(each.id != project_id for each in self._domain.fresh()):
            return
        place = self._place(project_id)
        self._furnishing.take_out_of(place)
        project_quotas.forget(place.connection)
        with suppress(NotFound):
            self._domain.remove(project_id)

    def _place(self, project_id: str) -> Place:
        return self._places.named(project_id)
