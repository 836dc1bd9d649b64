"""Projects of organizations on a real OpenStack at their edges: used by others, half made, half limited, or not there."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.drivers.desktops import Desktops
from tests.support.breaking_proxy import BreakingProxy
from tests.support.openstack_cloud import OF_THE_SDK, PRETENDED, WITH_PROJECTS, in_project, once_taken, openstack_cloud

from yunzhuo.phoenix.cloud.errors import (
    CloudUnavailable,
    FloatingIpNotFound,
    ProjectInUse,
    ProjectNotFound,
    ServerNotFound,
    VolumeNotFound,
)
from yunzhuo.phoenix.cloud.image_resources import DiskFormat, ImageChanges, ImageRequest, Visibility
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.openstack.places import full_id
from yunzhuo.phoenix.cloud.project_resources import Project, QuotaKind
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput
from yunzhuo.phoenix.common.ids import new_id

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(600), OF_THE_SDK]

_PATIENCE = 180.0
#: Of a project that never was.
_NOWHERE = full_id("f" * 32, "0c2e4b0e-0000-4000-8000-000000000000")


@pytest.fixture(scope="module")
def cloud(proxied_file: Path) -> Iterator[Cloud]:
    """Met through proxies, with a network for each project and Cinder."""
    settings: dict[str, Any] = {"projects_subnet": "10.60.0.0/24", "volumes": True, "server_group": "spread"}
    with openstack_cloud(**PRETENDED, **WITH_PROJECTS, **settings, clouds_file=str(proxied_file)) as cloud:
        yield cloud


@pytest.fixture
def project(cloud: Cloud, proxies: dict[str, BreakingProxy]) -> Iterator[Project]:
    for proxy in proxies.values():
        proxy.clear()
    made = cloud.projects.create(new_id(), "North School")
    yield made
    for proxy in proxies.values():
        proxy.clear()
    once_taken(partial(cloud.projects.delete, made.id), what="a project that goes")


def test_what_is_in_no_project_is_found_nowhere_and_gone_already(cloud: Cloud, project: Project) -> None:
    assert list(cloud.networks.ports(_NOWHERE)) == []
    missing: dict[type[Exception], tuple[Callable[[], object], ...]] = {
        ServerNotFound: (partial(cloud.servers.get, _NOWHERE), partial(cloud.servers.stop, _NOWHERE)),
        VolumeNotFound: (partial(cloud.volumes.get, _NOWHERE), partial(cloud.volumes.snapshots, _NOWHERE)),
        FloatingIpNotFound: (partial(cloud.addresses.associate, _NOWHERE, _NOWHERE),),
        ProjectNotFound: (partial(cloud.projects.get, "f" * 32), partial(cloud.projects.quota, "f" * 32)),
    }
    for error, asks in missing.items():
        for ask in asks:
            with pytest.raises(error):
                ask()
    cloud.servers.delete(_NOWHERE)
    cloud.servers.delete_snapshot(_NOWHERE, "none")
    cloud.volumes.delete(_NOWHERE)
    cloud.volumes.detach(_NOWHERE, _NOWHERE)
    cloud.volumes.delete_snapshot(_NOWHERE, "none")
    cloud.addresses.dissociate(_NOWHERE, _NOWHERE)
    cloud.addresses.delete(_NOWHERE)
    cloud.networks.delete_port(_NOWHERE, _NOWHERE)
    cloud.projects.delete("f" * 32)
    ip = cloud.addresses.create(new_id(), project_id=project.id)
    with pytest.raises(ServerNotFound):
        cloud.addresses.associate(ip.id, _NOWHERE)
    cloud.addresses.delete(ip.id)


def test_what_others_put_there_is_named_and_kept(cloud: Cloud, admin: Any, project: Project) -> None:
    with in_project(project.id) as theirs:
        network = theirs.network.create_network(name="somebody's")
        subnet = theirs.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.99.0.0/24")
        port = theirs.network.create_port(network_id=network.id)
        router = theirs.network.create_router(name="somebody's")
        group = theirs.network.create_security_group(name="somebody's")
        with pytest.raises(ProjectInUse) as refusal:
            cloud.projects.delete(project.id)
        for what in ("ports", "networks", "routers", "security groups"):
            assert what in refusal.value.message
        for there in (admin.network.get_network(network.id), admin.network.get_port(port.id)):
            assert there.project_id == project.id
        assert len(list(admin.network.networks(project_id=project.id))) == 2
        theirs.network.delete_port(port.id)
        theirs.network.delete_router(router.id)
        theirs.network.delete_subnet(subnet.id)
        theirs.network.delete_network(network.id)
        theirs.network.delete_security_group(group.id)


def test_what_was_cut_off_is_made_whole_when_it_is_asked_for_again(cloud: Cloud, admin: Any, project: Project) -> None:
    (router,) = admin.network.routers(project_id=project.id)
    (subnet,) = admin.network.subnets(project_id=project.id)
    admin.network.remove_interface_from_router(router.id, subnet_id=subnet.id)
    admin.network.delete_subnet(subnet.id)
    again = cloud.projects.create(project.organization_id, "Northern School")
    assert (again.id, again.description) == (project.id, "Northern School")
    (subnet,) = admin.network.subnets(project_id=project.id)
    doors = [each for each in admin.network.ports(device_id=router.id) if each.device_owner.endswith("router_interface")]
    assert [each.fixed_ips[0]["subnet_id"] for each in doors] == [subnet.id]


def test_a_list_of_projects_that_is_cut_is_not_believed(cloud: Cloud, proxies: dict[str, BreakingProxy]) -> None:
    proxies["identity"].trouble(r"GET .*/projects$", changed=lambda told: told | {"truncated": True})
    with pytest.raises(CloudUnavailable, match="list_limit"):
        cloud.projects.list()


def test_what_cannot_be_an_organization_has_no_project(cloud: Cloud) -> None:
    with pytest.raises(InvalidInput):
        cloud.projects.create("two words", "")


def test_a_project_that_another_process_has_made_meanwhile_is_the_same(
    cloud: Cloud, admin: Any, proxies: dict[str, BreakingProxy], project: Project
) -> None:
    """The list that was looked at had it not yet, and Keystone says then that the name is taken."""
    proxies["identity"].trouble(r"GET .*/projects$", changed=lambda told: told | {"projects": []})
    assert cloud.projects.create(project.organization_id, project.description).id == project.id
    name, domain = project.name.replace(project.organization_id, "strange"), WITH_PROJECTS["projects_domain"]
    strangers = admin.identity.create_project(name=name, domain_id=admin.identity.find_domain(domain).id)
    try:
        with pytest.raises(Conflict):
            cloud.projects.create("strange", "")
        assert admin.identity.get_project(strangers.id).tags == []
    finally:
        admin.identity.delete_project(strangers.id)


class TestQuotas:
    def test_a_limit_of_one_service_changes_no_other(
        self, cloud: Cloud, proxies: dict[str, BreakingProxy], project: Project
    ) -> None:
        before = cloud.projects.quota(project.id)
        for kind, most, service in (
            (QuotaKind.SERVERS, 3, "compute"),
            (QuotaKind.ADDRESSES, 2, "network"),
            (QuotaKind.VOLUMES_MIB, 7 * 1024, "block_storage"),
        ):
            for proxy in proxies.values():
                proxy.clear()
            cloud.projects.set_quota(project.id, {kind: most})
            told = {name for name, proxy in proxies.items() if any(call.startswith("PUT") for call in proxy.calls)}
            assert told == {service}
            now = cloud.projects.quota(project.id)
            assert now[kind].most == most
            before = {**before, kind: now[kind]}
            assert now == before
            cloud.projects.set_quota(project.id, {kind: None})
            assert cloud.projects.quota(project.id)[kind].most != most
            before = cloud.projects.quota(project.id)

    def test_volumes_are_counted_in_whole_gib(self, cloud: Cloud, project: Project) -> None:
        with pytest.raises(InvalidInput) as refusal:
            cloud.projects.set_quota(project.id, {QuotaKind.VOLUMES_MIB: 1500})
        assert "multiple of 1024" in str(refusal.value.details)

    def test_what_one_service_forbids_the_others_are_told_all_the_same(
        self, cloud: Cloud, proxies: dict[str, BreakingProxy], project: Project
    ) -> None:
        proxies["compute"].trouble(r"PUT .*/os-quota-sets/", status=403)
        with pytest.raises(Forbidden):
            cloud.projects.set_quota(project.id, {QuotaKind.SERVERS: 3, QuotaKind.ADDRESSES: 2})
        quota = cloud.projects.quota(project.id)
        assert quota[QuotaKind.SERVERS].most != 3
        assert quota[QuotaKind.ADDRESSES].most == 2

    def test_services_that_keep_what_they_were_told_do_not_keep_the_project(
        self, cloud: Cloud, proxies: dict[str, BreakingProxy], admin: Any
    ) -> None:
        made = cloud.projects.create(new_id(), "South School")
        for service in ("compute", "network", "block_storage"):
            proxies[service].trouble(r"DELETE .*quota", status=403)
        once_taken(partial(cloud.projects.delete, made.id), what="a project that goes")
        assert admin.identity.find_project(made.id) is None


def test_an_image_of_ours_is_shown_to_a_project_once_it_is_shared(admin: Any) -> None:
    name = f"shown-{new_id()[:8]}"
    settings = {**PRETENDED, **WITH_PROJECTS, "images": (name,), "server_group": "spread", "projects_subnet": "10.60.0.0/24"}
    with openstack_cloud(**settings) as cloud:
        image = cloud.image_store.create(ImageRequest(name, disk_format=DiskFormat.RAW))
        cloud.image_store.upload(image.id, [b"\0" * 2**20])
        project = cloud.projects.create(new_id(), "North School")
        try:
            with Desktops(cloud, _PATIENCE).all_removed() as desktops:
                with pytest.raises(InvalidInput) as refusal:
                    desktops.create(project_id=project.id)
                assert refusal.value.code == "image_not_shared"
                cloud.image_store.update(image.id, ImageChanges(visibility=Visibility.SHARED))
                for _ in range(2):
                    desktops.create_running(project_id=project.id)
                    assert cloud.image_store.shared_with(image.id) == (project.id,)
                groups = [each for each in admin.compute.server_groups(all_projects=True) if each.project_id == project.id]
                assert [len(each.member_ids) for each in groups] == [2], "in a group of the project's own"
        finally:
            once_taken(partial(cloud.projects.delete, project.id), what="a project that goes")
            once_taken(partial(cloud.image_store.delete, image.id), what="an image that goes")
        assert not [each for each in admin.compute.server_groups(all_projects=True) if each.project_id == project.id]


def test_without_a_range_projects_see_the_network_of_ours(admin: Any) -> None:
    with openstack_cloud(**PRETENDED, **WITH_PROJECTS) as cloud:
        ours = cloud.networks.list()[0]
        project = cloud.projects.create(new_id(), "Open School")
        cloud.projects.create(project.organization_id, "Open School")
        shared = [each for each in admin.network.rbac_policies(object_id=ours.id) if each.target_project_id == project.id]
        assert len(shared) == 1
        with Desktops(cloud, _PATIENCE).all_removed() as desktops:
            server = desktops.create_running(project_id=project.id)
            (port,) = cloud.networks.ports(server.id)
            assert port.id.startswith(project.id)
            assert admin.network.get_port(port.id.rpartition(".")[2]).network_id == ours.id
        once_taken(partial(cloud.projects.delete, project.id), what="a project that goes")
        assert not [each for each in admin.network.rbac_policies(object_id=ours.id) if each.target_project_id == project.id]
