"""Projects: one for an organization, whose things are there and limited there, and nowhere joined to those of another."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest

from tests.drivers.desktops import Desktops
from tests.drivers.driver_table import Driver
from tests.support.waiting import eventually
from yunzhuo.phoenix.cloud.errors import (
    FloatingIpNotFound,
    NoCapacity,
    OtherProject,
    ProjectInUse,
    ProjectNotFound,
    ServerNotFound,
    VolumeBusy,
    VolumeNotFound,
)
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.project_resources import OF_VOLUMES, Project, QuotaKind
from yunzhuo.phoenix.cloud.resources import RebootKind, ServerRequest, ServerStatus, VolumeRequest
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput
from yunzhuo.phoenix.common.ids import new_id

pytestmark = pytest.mark.needs("projects.create", "projects.delete")


@pytest.fixture(scope="module")
def project(cloud: Cloud, driver: Driver) -> Iterator[Project]:
    """A school's."""
    made = cloud.projects.create(new_id(), "North School")
    yield made
    eventually(lambda: _project_goes(cloud, made.id), driver.patience_seconds, what="a project that goes")


@pytest.fixture(scope="module")
def elsewhere(cloud: Cloud, driver: Driver) -> Iterator[Project]:
    """Another school's."""
    made = cloud.projects.create(new_id(), "South School")
    yield made
    eventually(lambda: _project_goes(cloud, made.id), driver.patience_seconds, what="a project that goes")


def test_one_is_made_once_however_many_ask(cloud: Cloud) -> None:
    organization_id = new_id()
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: cloud.projects.create(organization_id, "West School"), range(4)))
    try:
        assert {each.id for each in made} == {made[0].id}
        assert (made[0].organization_id, made[0].description, made[0].is_enabled) == (organization_id, "West School", True)
        assert cloud.projects.get(made[0].id) == made[0]
        assert [each for each in cloud.projects.list() if each.organization_id == organization_id] == [made[0]]
        renamed = cloud.projects.create(organization_id, "West Lake School")
        assert (renamed.id, renamed.name) == (made[0].id, made[0].name)
        assert cloud.projects.get(renamed.id).description == "West Lake School"
    finally:
        cloud.projects.delete(made[0].id)
    cloud.projects.delete(made[0].id)
    assert organization_id not in {each.organization_id for each in cloud.projects.list()}
    with pytest.raises(ProjectNotFound):
        cloud.projects.get(made[0].id)


def test_a_server_is_in_its_project_alone(cloud: Cloud, desktops: Desktops, project: Project, elsewhere: Project) -> None:
    server = desktops.create_running(project_id=project.id)
    assert cloud.servers.create(_again(cloud, server.desktop_id, project)).id == server.id
    found = cloud.servers.find(server.desktop_id, project.id)
    assert found is not None
    assert found.id == server.id
    assert cloud.servers.find(server.desktop_id) is None
    assert cloud.servers.find(server.desktop_id, elsewhere.id) is None
    assert [each.id for each in cloud.servers.list() if each.desktop_id == server.desktop_id] == [server.id]
    assert server.id in {port.server_id for port in cloud.networks.ports()}

    desktops.wait_ready(server.id)
    cloud.servers.rename(server.id, "of the north")
    assert cloud.servers.get(server.id).name == "of the north"
    cloud.servers.reboot(server.id, RebootKind.HARD)
    with pytest.raises(ProjectInUse):
        cloud.projects.delete(project.id)
    assert cloud.projects.get(project.id) == project
    desktops.remove(server.desktop_id)
    with pytest.raises(ServerNotFound):
        cloud.servers.get(server.id)
    cloud.servers.delete(server.id)


def test_what_is_in_different_projects_is_not_joined(
    cloud: Cloud, desktops: Desktops, project: Project, patience: float
) -> None:
    server, other = desktops.create_running(project_id=project.id), desktops.create_running()
    ip, volume = cloud.addresses.create(new_id(), project_id=project.id), cloud.volumes.create(_disk(project.id))
    try:
        assert cloud.addresses.find(ip.address_id, project.id) == ip
        assert (cloud.addresses.find(ip.address_id), cloud.volumes.find(volume.disk_id)) == (None, None)
        assert ip.id in {each.id for each in cloud.addresses.list()}
        assert volume.id in {each.id for each in cloud.volumes.list()}
        with pytest.raises(OtherProject):
            cloud.addresses.associate(ip.id, other.id)
        with pytest.raises(OtherProject):
            cloud.volumes.attach(volume.id, other.id)
        cloud.volumes.detach(volume.id, other.id)
        cloud.addresses.dissociate(ip.id, other.id)
        cloud.volumes.attach(volume.id, server.id)
        eventually(lambda: cloud.volumes.get(volume.id).server_id == server.id, patience, what="a volume that is attached")
        with pytest.raises(ProjectInUse):
            cloud.projects.delete(project.id)
    finally:
        cloud.addresses.delete(ip.id)
        desktops.remove(server.desktop_id)
        eventually(lambda: _goes(cloud, volume.id), patience, what="a volume that goes")
    assert cloud.volumes.find(volume.disk_id, project.id) is None


def test_a_quota_limits_its_project_alone(cloud: Cloud, desktops: Desktops, project: Project, elsewhere: Project) -> None:
    first = desktops.create_running(project_id=project.id)
    flavor = cloud.flavors.get(first.flavor_id)
    before = cloud.projects.quota(project.id)
    assert (before[QuotaKind.SERVERS].used, before[QuotaKind.VCPUS].used) == (1, flavor.vcpus)
    assert before[QuotaKind.MEMORY_MIB].used == flavor.memory_mib
    cloud.projects.set_quota(project.id, {QuotaKind.SERVERS: 1, QuotaKind.ADDRESSES: 0})
    try:
        told = cloud.projects.quota(project.id)
        assert (told[QuotaKind.SERVERS].most, told[QuotaKind.ADDRESSES].most) == (1, 0)
        assert told[QuotaKind.VCPUS] == before[QuotaKind.VCPUS]
        with pytest.raises(NoCapacity):
            desktops.create(project_id=project.id)
        with pytest.raises(NoCapacity):
            cloud.addresses.create(new_id(), project_id=project.id)
        desktops.create(project_id=elsewhere.id)
        cloud.projects.set_quota(project.id, {QuotaKind.SERVERS: 0})  # what is there stays
        assert cloud.servers.get(first.id).status is ServerStatus.RUNNING
    finally:
        cloud.projects.set_quota(project.id, {QuotaKind.SERVERS: None, QuotaKind.ADDRESSES: None})
    assert cloud.projects.quota(project.id)[QuotaKind.SERVERS].most == before[QuotaKind.SERVERS].most
    desktops.create(project_id=project.id)


def test_a_quota_of_volumes_limits_its_project_alone(
    cloud: Cloud, project: Project, elsewhere: Project, patience: float
) -> None:
    before = cloud.projects.quota(project.id)
    first, others = cloud.volumes.create(_disk(project.id)), cloud.volumes.create(_disk(elsewhere.id))
    try:
        cloud.volumes.snapshot(first.id, "kept")
        used = {kind: use.used for kind, use in cloud.projects.quota(project.id).items() if kind in OF_VOLUMES}
        assert used == {QuotaKind.VOLUMES: 1, QuotaKind.VOLUMES_MIB: 2048, QuotaKind.VOLUME_SNAPSHOTS: 1}
        cloud.projects.set_quota(project.id, {QuotaKind.VOLUMES: 1, QuotaKind.VOLUMES_MIB: 3072, QuotaKind.VOLUME_SNAPSHOTS: 1})
        told = cloud.projects.quota(project.id)
        assert {kind: told[kind].most for kind in OF_VOLUMES} == {
            QuotaKind.VOLUMES: 1,
            QuotaKind.VOLUMES_MIB: 3072,
            QuotaKind.VOLUME_SNAPSHOTS: 1,
        }
        assert told[QuotaKind.SERVERS] == before[QuotaKind.SERVERS]
        with pytest.raises(NoCapacity):
            cloud.volumes.create(_disk(project.id))
        with pytest.raises(NoCapacity):
            cloud.volumes.snapshot(first.id, "one too many")
        for kind, most in ((QuotaKind.VOLUMES, 0), (QuotaKind.VOLUMES_MIB, 1024), (QuotaKind.VOLUMES_MIB, 3000)):
            with pytest.raises(InvalidInput):
                cloud.projects.set_quota(project.id, {kind: most})
        cloud.projects.set_quota(project.id, {QuotaKind.VOLUMES: 9, QuotaKind.VOLUMES_MIB: 2048})
        with pytest.raises(NoCapacity):
            cloud.volumes.create(_disk(project.id))
        cloud.volumes.snapshot(others.id, "of others")
    finally:
        cloud.projects.set_quota(project.id, dict.fromkeys(OF_VOLUMES))
        for volume in (first, others):
            eventually(partial(_goes, cloud, volume.id), patience, what="a volume that goes")
    after = cloud.projects.quota(project.id)
    assert {kind: after[kind].most for kind in OF_VOLUMES} == {kind: before[kind].most for kind in OF_VOLUMES}


@pytest.mark.parametrize("unknown", ["no-such-project", "", "../x", "0123456789abcdef0123456789abcdef"])
def test_what_is_in_no_project_of_ours_is_not_there(cloud: Cloud, unknown: str) -> None:
    cloud.projects.delete(unknown)
    for ask in (cloud.projects.get, cloud.projects.quota):
        with pytest.raises(ProjectNotFound):
            ask(unknown)
    with pytest.raises(ProjectNotFound):
        cloud.volumes.create(_disk(unknown))
    with pytest.raises(ProjectNotFound):
        cloud.addresses.create(new_id(), project_id=unknown)
    thing_id = f"{unknown}.{new_id()}"
    cloud.servers.delete(thing_id)
    cloud.volumes.delete(thing_id)
    cloud.addresses.delete(thing_id)
    cloud.networks.delete_port(thing_id, thing_id)
    with pytest.raises(ServerNotFound):
        cloud.servers.get(thing_id)
    with pytest.raises(VolumeNotFound):
        cloud.volumes.get(thing_id)
    with pytest.raises((FloatingIpNotFound, ServerNotFound)):
        cloud.addresses.associate(thing_id, new_id())


def _again(cloud: Cloud, tag: str, project: Project) -> ServerRequest:
    image, flavor = cloud.images.list()[0], cloud.flavors.list()[0]
    return ServerRequest(tag, "again", "again", image.id, flavor.id, project_id=project.id)


def _disk(project_id: str) -> VolumeRequest:
    return VolumeRequest(new_id(), "a disk", 1024, project_id)


def _goes(cloud: Cloud, volume_id: str) -> bool:
    with suppress(VolumeBusy, Conflict):
        cloud.volumes.delete(volume_id)
        return True
    return False


def _project_goes(cloud: Cloud, project_id: str) -> bool:
    with suppress(Conflict):  # what was in it goes a moment after it was deleted
        cloud.projects.delete(project_id)
        return True
    return False
