"""Projects of organizations on a real OpenStack: each school's things in its own, asked of the cloud past our code."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from openstack import exceptions as sdk_errors
from tests.support.openstack_cloud import (
    OF_THE_SDK,
    PRETENDED,
    WITH_PROJECTS,
    in_project,
    once_taken,
    openstack_settings,
)
from tests.support.waiting import eventually

from yunzhuo.phoenix import cloud as clouds
from yunzhuo.phoenix.cloud.project_resources import QuotaKind
from yunzhuo.services.access import Actor, Role, installation
from yunzhuo.services.assembly import Services, services
from yunzhuo.services.first_start import prepare
from yunzhuo.services.quotas import Resource, Subject
from yunzhuo.services.rules.lifecycle import Action, OperationStatus

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(900), OF_THE_SDK]

_PATIENCE = 180.0


@dataclass
class School:
    """An organization, its project, and its own person who may do everything in it."""

    id: str
    project: str
    head: Actor


class Yunzhuo:
    """The services with what ships, and one worker."""

    def __init__(self, all_services: Services) -> None:
        self.services = all_services
        self.chief = installation(all_services.accounts.default_organization_id())

    def school(self, name: str) -> School:
        """A new organization with its project."""
        organization = self.services.organizations.create(self.chief, name).id
        self.services.project_upkeep.make_missing()
        self.services.catalog.synchronize(organization)
        project = self.services.projects.get(self.chief, organization).id
        assert project is not None
        email = f"head@{name.lower()}.school"
        self.services.people.create(installation(organization), email, Role.ADMINISTRATOR)
        return School(organization, project, self.services.accounts.by_email(email).actor())

    def desktop(self, school: School) -> str:
        """A desktop that is available; answers its id."""
        image, flavor = self.services.catalog.images(school.head)[0], self.services.catalog.flavors(school.head)[0]
        accepted = self.services.desktops.request(school.head, image_id=image.id, flavor_id=flavor.id)
        assert self.work(school, accepted.operation.id) is OperationStatus.SUCCEEDED
        return accepted.desktop.id

    def work(self, school: School, operation_id: str) -> OperationStatus:
        """One worker until an operation has ended; answers how."""

        def ended() -> OperationStatus | None:
            self.services.admission.round()
            for due in self.services.engine.due():
                self.services.engine.advance(due)
            status = self.services.desktops.operation(school.head, operation_id).status
            return status if status in (OperationStatus.SUCCEEDED, OperationStatus.FAILED) else None

        return eventually(ended, _PATIENCE, what="an operation that has ended")


@pytest.fixture(scope="module")
def yunzhuo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yunzhuo]:
    home = tmp_path_factory.mktemp("schools") / "home"
    settings = openstack_settings(home, **PRETENDED, **WITH_PROJECTS, projects_subnet="10.60.0.0/24")
    with_projects = settings.cloud.model_copy(update={"project_per_organization": True})
    settings = settings.model_copy(update={"cloud": with_projects})
    prepare(settings)
    with services(settings) as all_services:
        yield Yunzhuo(all_services)
    with closing(clouds.connect(settings)) as cloud:
        for server in cloud.servers.list():
            cloud.servers.delete(server.id)
        for ip in cloud.addresses.list():
            cloud.addresses.delete(ip.id)
        eventually(lambda: not cloud.servers.list(), _PATIENCE, what="an empty cloud")
        for project in cloud.projects.list():
            once_taken(partial(cloud.projects.delete, project.id), what="a project that goes")


def test_two_schools_are_apart_limited_apart_and_leave_nothing(yunzhuo: Yunzhuo, admin: Any) -> None:
    north, south = yunzhuo.school("North"), yunzhuo.school("South")
    assert north.project != south.project
    assert admin.identity.get_project(north.project).description == "North"
    servers = {}
    for school in (north, south):
        desktop_id = yunzhuo.desktop(school)
        (seen,) = list(admin.compute.servers(all_projects=True, project_id=school.project))
        assert desktop_id in seen.metadata.values()
        assert {port.project_id for port in admin.network.ports(device_id=seen.id)} == {school.project}
        servers[school.project] = (desktop_id, seen.id)
    assert not yunzhuo.services.reconciler.look()

    networks = {each.project_id: each.id for each in admin.network.networks() if each.project_id in servers}
    assert len(set(networks.values())) == 2, "one each"
    with in_project(south.project) as theirs:
        theirs.compute.get_server(servers[south.project][1])
        with pytest.raises(sdk_errors.NotFoundException):
            theirs.compute.get_server(servers[north.project][1])
        with pytest.raises(sdk_errors.NotFoundException):
            theirs.network.get_network(networks[north.project])
        with pytest.raises(sdk_errors.HttpException) as forbidden:
            theirs.compute.update_quota_set(north.project, instances=99)
        assert forbidden.value.status_code == 403

    for resource, most in ((Resource.DESKTOPS, 1), (Resource.ADDRESSES, 1)):
        yunzhuo.services.quotas.put(installation(north.id), Subject.ORGANIZATION, north.id, resource, most)
    yunzhuo.services.project_upkeep.compare()
    told = yunzhuo.services.projects.get(yunzhuo.chief, north.id).quota
    assert told is not None
    assert (told[QuotaKind.SERVERS].used, told[QuotaKind.SERVERS].most, told[QuotaKind.ADDRESSES].most) == (1, 1, 1)
    assert admin.compute.get_quota_set(north.project).instances == 1
    assert admin.network.get_quota(north.project).floating_ips == 1
    with in_project(north.project) as theirs:
        network = networks[north.project]
        image, flavor = theirs.image.find_image("pretended"), theirs.compute.find_flavor("fake.small")
        with pytest.raises(sdk_errors.HttpException) as full:
            theirs.compute.create_server(name="one more", image_id=image.id, flavor_id=flavor.id, networks=[{"uuid": network}])
        assert full.value.status_code == 403

    yunzhuo.services.address_upkeep.round()
    accepted = yunzhuo.services.addresses.assign(north.head, servers[north.project][0])
    assert yunzhuo.work(north, accepted.operation.id) is OperationStatus.SUCCEEDED
    (ip,) = admin.network.ips(project_id=north.project)
    assert ip.port_details["device_id"] == servers[north.project][1]

    for school in (north, south):
        take_away(yunzhuo, school, servers[school.project][0])
    for school in (north, south):
        assert not left_in(admin, school.project)


def take_away(yunzhuo: Yunzhuo, school: School, desktop_id: str) -> None:
    """A school goes: its desktop, its people, its project."""
    operation = yunzhuo.services.desktops.act(school.head, desktop_id, Action.DELETE).operation
    assert yunzhuo.work(school, operation.id) is OperationStatus.SUCCEEDED
    yunzhuo.services.organizations.disable(yunzhuo.chief, school.id)
    once_taken(partial(yunzhuo.services.projects.delete, yunzhuo.chief, school.id), what="a project that is gone")


def left_in(admin: Any, project_id: str) -> list[Any]:
    """What the cloud has of a project, which is not there itself; but for the security group that Neutron keeps."""
    with pytest.raises(sdk_errors.NotFoundException):
        admin.identity.get_project(project_id)
    groups = admin.network.security_groups(project_id=project_id)
    return [
        *admin.compute.servers(all_projects=True, project_id=project_id),
        *admin.network.ports(project_id=project_id),
        *admin.network.ips(project_id=project_id),
        *admin.network.networks(project_id=project_id),
        *admin.network.routers(project_id=project_id),
        *admin.network.rbac_policies(target_project_id=project_id),
        *(group for group in groups if group.name != "default"),
    ]
