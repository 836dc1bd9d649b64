"""What keeps organizations apart in a real OpenStack: a network and a router for each, and that no token reaches another."""

import secrets
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from openstack import exceptions as sdk_errors
from tests.drivers.desktops import Desktops
from tests.support.openstack_cloud import (
    OF_THE_SDK,
    PRETENDED,
    WITH_PROJECTS,
    in_project,
    once_taken,
    openstack_cloud,
)

from yunzhuo.phoenix.cloud.errors import OtherProject, ProjectInUse, SecurityGroupNotFound
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.network_resources import Direction, RuleProtocol, SecurityRule
from yunzhuo.phoenix.cloud.project_resources import Project
from yunzhuo.phoenix.cloud.resources import Server
from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.phoenix.common.ids import new_id

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(900), OF_THE_SDK]

_PATIENCE = 180.0
_RANGE = "10.60.0.0/24"
_GROUP = f"desktops-{secrets.token_hex(4)}"
_LET_IN = SecurityRule(Direction.IN, RuleProtocol.TCP, first_port=3389, last_port=3389, remote="192.0.2.0/24")


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """With a network for each project, and a security group of our own project's that desktops are in."""
    settings: dict[str, Any] = {"projects_subnet": _RANGE, "security_groups": (_GROUP,)}
    with openstack_cloud(**PRETENDED, **WITH_PROJECTS, **settings) as cloud:
        group = cloud.security_groups.create(_GROUP, "of desktops", [_LET_IN])
        try:
            yield cloud
        finally:
            cloud.security_groups.delete(group.id)


@pytest.fixture
def schools(cloud: Cloud) -> Iterator[tuple[Project, Project]]:
    """Two, each with a project."""
    made = cloud.projects.create(new_id(), "North School"), cloud.projects.create(new_id(), "South School")
    yield made
    for project in made:
        once_taken(partial(cloud.projects.delete, project.id), what="a project that goes")


@pytest.fixture
def desktops(cloud: Cloud, schools: tuple[Project, Project]) -> Iterator[Desktops]:
    """In the schools' projects, which go after them."""
    with Desktops(cloud, _PATIENCE).all_removed() as desktops:
        yield desktops


def _nova_id(server: Server) -> str:
    return server.id.rpartition(".")[2]


def test_each_has_a_network_and_a_router_of_its_own_that_go_with_it(cloud: Cloud, admin: Any) -> None:
    north, south = (cloud.projects.create(new_id(), name) for name in ("North School", "South School"))
    with Desktops(cloud, _PATIENCE).all_removed() as desktops:
        networks = set()
        for project in (north, south):
            server = desktops.create_running(project_id=project.id)
            (network,) = admin.network.networks(project_id=project.id)
            (subnet,) = admin.network.subnets(project_id=project.id)
            (router,) = admin.network.routers(project_id=project.id)
            assert (network.subnet_ids, network.is_shared, subnet.cidr) == ([subnet.id], False, _RANGE)
            (outside,) = cloud.networks.external()
            assert router.external_gateway_info["network_id"] == outside.id
            (port,) = admin.network.ports(device_id=_nova_id(server))
            assert (port.network_id, port.project_id) == (network.id, project.id)
            assert [ip_address(each["ip_address"]) in ip_network(_RANGE) for each in port.fixed_ips] == [True]
            doors = [
                each for each in admin.network.ports(device_id=router.id) if each.device_owner.endswith("router_interface")
            ]
            assert [each.network_id for each in doors] == [network.id]
            networks.add(network.id)
            # Asked for once more, it gets no second one.
            cloud.projects.create(project.organization_id, project.description)
            assert len(list(admin.network.networks(project_id=project.id))) == 1
        assert len(networks) == 2
        with pytest.raises(ProjectInUse):
            cloud.projects.delete(north.id)
        assert [each.id for each in admin.network.networks(project_id=north.id)], "it has removed nothing"
    for project in (north, south):
        once_taken(partial(cloud.projects.delete, project.id), what="a project that goes")
        assert not _left(admin, project)


def test_desktops_are_in_a_copy_of_the_security_group(
    cloud: Cloud, admin: Any, desktops: Desktops, schools: tuple[Project, Project]
) -> None:
    copies = set()
    for project in schools:
        (copy,) = [each for each in admin.network.security_groups(project_id=project.id) if each.name == _GROUP]
        coming = [rule for rule in admin.network.security_group_rules(security_group_id=copy.id) if rule.direction == "ingress"]
        assert [(rule.port_range_min, rule.port_range_max, rule.remote_ip_prefix) for rule in coming] == [
            (3389, 3389, "192.0.2.0/24")
        ]
        server = desktops.create_running(project_id=project.id)
        (port,) = admin.network.ports(device_id=_nova_id(server))
        assert port.security_group_ids == [copy.id]
        copies.add(copy.id)
    assert len(copies) == 2


def test_a_network_and_a_group_of_ours_mean_those_of_the_same_name(
    cloud: Cloud, admin: Any, desktops: Desktops, schools: tuple[Project, Project]
) -> None:
    north, south = schools
    ours = cloud.security_groups.create(f"exam-{secrets.token_hex(4)}", "", [])
    try:
        with in_project(north.id) as theirs:
            same = theirs.network.create_security_group(name=ours.name)
            server = desktops.create_running(project_id=north.id, security_group_ids=(ours.id,))
            (port,) = admin.network.ports(device_id=_nova_id(server))
            assert port.security_group_ids == [same.id]
            desktops.remove(server.desktop_id)
            theirs.network.delete_security_group(same.id)
        wish = desktops.request(project_id=south.id, security_group_ids=(ours.id,))
        with pytest.raises(SecurityGroupNotFound):
            cloud.servers.create(wish)
        first = cloud.networks.list()[0]
        (network,) = admin.network.networks(project_id=south.id)
        assert network.name != first.name
        with pytest.raises(NotFound):
            cloud.servers.create(desktops.request(project_id=south.id, network_id=first.id))
        assert not list(admin.compute.servers(all_projects=True, project_id=south.id))
    finally:
        cloud.security_groups.delete(ours.id)


def test_with_a_token_for_one_nothing_of_another_is_reached(
    cloud: Cloud, admin: Any, desktops: Desktops, schools: tuple[Project, Project]
) -> None:
    north, south = schools
    server = desktops.create_running(project_id=north.id)
    (network,) = admin.network.networks(project_id=north.id)
    (subnet,) = admin.network.subnets(project_id=north.id)
    (router,) = admin.network.routers(project_id=north.id)
    (port,) = admin.network.ports(device_id=_nova_id(server))
    (group,) = [each for each in admin.network.security_groups(project_id=north.id) if each.name == _GROUP]
    with in_project(south.id) as theirs:
        image, flavor = theirs.image.find_image("pretended"), theirs.compute.find_flavor("fake.small")
        (own_router,) = theirs.network.routers()
        attempts: dict[str, Callable[[], object]] = {
            "a server on its network": lambda: theirs.compute.create_server(
                name="intruder", image_id=image.id, flavor_id=flavor.id, networks=[{"uuid": network.id}]
            ),
            "a port on its network": lambda: theirs.network.create_port(network_id=network.id),
            "a subnet of its network": lambda: theirs.network.create_subnet(
                network_id=network.id, ip_version=4, cidr="10.61.0.0/24"
            ),
            "its subnet at our router": lambda: theirs.network.add_interface_to_router(own_router.id, subnet_id=subnet.id),
            "its router": lambda: theirs.network.delete_router(router.id, ignore_missing=False),
            "its port": lambda: theirs.network.delete_port(port.id, ignore_missing=False),
            "a rule of its group": lambda: theirs.network.create_security_group_rule(
                security_group_id=group.id, direction="ingress", ethertype="IPv4"
            ),
            "its console": lambda: theirs.compute.get_server_console_output(_nova_id(server)),
            "its server": lambda: theirs.compute.delete_server(_nova_id(server), ignore_missing=False),
            "its project": lambda: theirs.identity.delete_project(north.id, ignore_missing=False),
        }
        reached = [what for what, attempt in attempts.items() if not _is_refused(attempt)]
        assert not reached
        assert not {network.id, router.id, port.id, group.id} & {
            each.id
            for each in (
                *theirs.network.networks(),
                *theirs.network.routers(),
                *theirs.network.ports(),
                *theirs.network.security_groups(),
            )
        }
    assert admin.compute.get_server(_nova_id(server)).status == "ACTIVE"
    ip = cloud.addresses.create(new_id(), project_id=south.id)
    try:
        with pytest.raises(OtherProject):
            cloud.addresses.associate(ip.id, server.id)
    finally:
        cloud.addresses.delete(ip.id)


def _is_refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except sdk_errors.HttpException as refusal:
        return 400 <= (refusal.status_code or 0) < 500
    return False


def _left(admin: Any, project: Project) -> list[Any]:
    """Of its network, when it is gone."""
    return [
        *admin.network.networks(project_id=project.id),
        *admin.network.subnets(project_id=project.id),
        *admin.network.routers(project_id=project.id),
        *admin.network.ports(project_id=project.id),
        *(each for each in admin.network.security_groups(project_id=project.id) if each.name != "default"),
    ]
