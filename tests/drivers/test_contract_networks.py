"""Networks, routers and security groups: made whole or not at all, in use or removed."""

from collections.abc import Iterator

import pytest

from tests.drivers.desktops import Desktops
from tests.support.waiting import eventually
from yunzhuo.phoenix.cloud.errors import NetworkInUse, NetworkNotFound, RouterNotFound, SecurityGroupNotFound
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.network_resources import (
    Direction,
    NetworkDetails,
    RuleProtocol,
    SecurityGroup,
    SecurityRule,
    SubnetRequest,
)
from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.common.ids import new_id

_NETWORKS = pytest.mark.needs("networks.create", "networks.delete", "networks.details")
_ROUTERS = pytest.mark.needs("routers.create", "routers.delete")
_GROUPS = pytest.mark.needs("security_groups.create", "security_groups.delete")
_ADDRESSES_OF_29 = 5  # eight, without the network's own, the gateway, and everybody's


@pytest.fixture
def network(cloud: Cloud) -> Iterator[NetworkDetails]:
    """A network of the test's own."""
    made = cloud.networks.create(f"test {new_id()[:8]}", SubnetRequest("first", "10.91.0.0/29", dns_servers=("10.91.0.6",)))
    yield made
    cloud.networks.delete(made.id)


@pytest.fixture
def group(cloud: Cloud) -> Iterator[SecurityGroup]:
    """A security group that lets web pages in and names be asked for."""
    rules = (
        SecurityRule(Direction.IN, RuleProtocol.TCP, 80, 443, remote="10.0.0.0/8"),
        SecurityRule(Direction.OUT, RuleProtocol.UDP, 53, 53),
    )
    made = cloud.security_groups.create(f"test {new_id()[:8]}", "for a test", rules)
    yield made
    cloud.security_groups.delete(made.id)


@_NETWORKS
@pytest.mark.needs("networks.add_subnet", "networks.delete_subnet")
def test_a_network_is_made_with_its_subnet_and_given_another(cloud: Cloud, network: NetworkDetails) -> None:
    (subnet,) = network.subnets
    assert (network.is_ours, network.is_external, subnet.name, subnet.cidr) == (True, False, "first", "10.91.0.0/29")
    assert (subnet.gateway, subnet.has_dhcp) == ("10.91.0.1", True)
    assert subnet.addresses in (None, _ADDRESSES_OF_29, _ADDRESSES_OF_29 + 1)
    assert network.id in {each.id for each in cloud.networks.details()}
    assert network.id in {each.id for each in cloud.networks.list()}

    wider = cloud.networks.add_subnet(network.id, SubnetRequest("second", "10.92.0.0/24", gateway="10.92.0.9", has_dhcp=False))
    second = wider.subnets[-1]
    assert [each.cidr for each in wider.subnets] == ["10.91.0.0/29", "10.92.0.0/24"]
    assert (second.gateway, second.has_dhcp) == ("10.92.0.9", False)
    with pytest.raises(InvalidInput):
        cloud.networks.add_subnet(network.id, SubnetRequest("overlapping", "10.92.0.128/25"))
    cloud.networks.delete_subnet(second.id)
    cloud.networks.delete_subnet(second.id)
    now = next(each for each in cloud.networks.details() if each.id == network.id)
    assert [each.id for each in now.subnets] == [subnet.id]


@_NETWORKS
def test_a_refused_network_leaves_nothing(cloud: Cloud) -> None:
    name = f"refused {new_id()[:8]}"
    for cidr in ("10.91.0.0/33", "nowhere", "10.91.0.0/32"):
        with pytest.raises(InvalidInput):
            cloud.networks.create(name, SubnetRequest("first", cidr, gateway="10.1.1.1"))
    assert name not in {each.name for each in cloud.networks.details()}


@_NETWORKS
def test_a_network_with_servers_stays(cloud: Cloud, desktops: Desktops, network: NetworkDetails, patience: float) -> None:
    server = desktops.create_running(network_id=network.id)
    with pytest.raises(NetworkInUse):
        cloud.networks.delete(network.id)
    used = next(each for each in cloud.networks.details() if each.id == network.id).subnets[0].addresses_used
    assert used is None or used >= 1
    desktops.remove(server.desktop_id)

    def goes() -> bool:
        try:
            cloud.networks.delete(network.id)
        except NetworkInUse:  # the port goes a moment after its server
            return False
        return True

    eventually(goes, patience, what="a network without servers to go")
    assert network.id not in {each.id for each in cloud.networks.details()}


@_NETWORKS
@_ROUTERS
@pytest.mark.needs("routers.list", "routers.connect", "routers.disconnect", "routers.set_gateway")
def test_a_router_leads_out_of_a_network(cloud: Cloud, network: NetworkDetails) -> None:
    outside = cloud.networks.external()[0]
    subnet = network.subnets[0]
    router = cloud.routers.create(f"test {new_id()[:8]}")
    try:
        assert (router.external_network_id, router.subnet_ids) == (None, ())
        cloud.routers.connect(router.id, subnet.id)
        cloud.routers.connect(router.id, subnet.id)
        cloud.routers.set_gateway(router.id, outside.id)
        cloud.routers.set_gateway(router.id, outside.id)
        found = next(each for each in cloud.routers.list() if each.id == router.id)
        assert (found.external_network_id, found.subnet_ids) == (outside.id, (subnet.id,))
        assert next(each for each in cloud.networks.list() if each.id == network.id).reaches_internet
        with pytest.raises(NetworkInUse):
            cloud.routers.delete(router.id)
        with pytest.raises(NetworkInUse):
            cloud.networks.delete_subnet(subnet.id)
        with pytest.raises(NetworkNotFound):
            cloud.routers.connect(router.id, new_id())
        with pytest.raises(NetworkNotFound):
            cloud.routers.set_gateway(router.id, new_id())
    finally:
        cloud.routers.disconnect(router.id, subnet.id)
        cloud.routers.disconnect(router.id, subnet.id)
        cloud.routers.set_gateway(router.id, None)
        cloud.routers.delete(router.id)
    cloud.routers.delete(router.id)
    assert router.id not in {each.id for each in cloud.routers.list()}


@_GROUPS
@pytest.mark.needs("security_groups.list", "security_groups.add_rule", "security_groups.delete_rule")
def test_a_group_has_exactly_its_rules(cloud: Cloud, group: SecurityGroup) -> None:
    inwards, outwards = group.rules
    assert (inwards.direction, inwards.protocol, inwards.first_port, inwards.last_port, inwards.remote) == (
        Direction.IN,
        RuleProtocol.TCP,
        80,
        443,
        "10.0.0.0/8",
    )
    assert (outwards.direction, outwards.protocol, outwards.first_port) == (Direction.OUT, RuleProtocol.UDP, 53)
    assert next(each for each in cloud.security_groups.list() if each.id == group.id) == group

    among = SecurityRule(Direction.IN, RuleProtocol.ICMP, remote_group_id=group.id)
    added = cloud.security_groups.add_rule(group.id, among)
    assert cloud.security_groups.add_rule(group.id, among) == added
    with pytest.raises(InvalidInput):
        cloud.security_groups.add_rule(group.id, SecurityRule(Direction.IN, RuleProtocol.TCP, 443, 80))
    cloud.security_groups.delete_rule(group.id, added.id)
    cloud.security_groups.delete_rule(group.id, added.id)
    assert next(each for each in cloud.security_groups.list() if each.id == group.id) == group


@_GROUPS
def test_a_group_of_wrong_rules_leaves_nothing(cloud: Cloud) -> None:
    name = f"refused {new_id()[:8]}"
    with pytest.raises(InvalidInput):
        cloud.security_groups.create(name, "", (SecurityRule(Direction.IN, RuleProtocol.TCP, 443, 80),))
    assert name not in {each.name for each in cloud.security_groups.list()}


@_NETWORKS
@_ROUTERS
@_GROUPS
@pytest.mark.parametrize("unknown", ["no-such-thing", "", "../x", "云", "00000000-0000-4000-8000-000000000000"])
def test_what_is_not_there_is_said_and_removed_in_peace(cloud: Cloud, unknown: str) -> None:
    cloud.networks.delete(unknown)
    cloud.networks.delete_subnet(unknown)
    cloud.routers.delete(unknown)
    cloud.routers.disconnect(unknown, unknown)
    cloud.security_groups.delete(unknown)
    cloud.security_groups.delete_rule(unknown, unknown)
    with pytest.raises(NetworkNotFound):
        cloud.networks.add_subnet(unknown, SubnetRequest("name", "10.93.0.0/24"))
    with pytest.raises(RouterNotFound):
        cloud.routers.connect(unknown, unknown)
    with pytest.raises(RouterNotFound):
        cloud.routers.set_gateway(unknown, None)
    with pytest.raises(SecurityGroupNotFound):
        cloud.security_groups.add_rule(unknown, SecurityRule(Direction.IN))
