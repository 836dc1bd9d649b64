"""Floating IPs: made once for a tag, led to one server at most, and ports that outlive their server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.drivers.desktops import Desktops
from tests.support.waiting import eventually
from yunzhuo.phoenix.cloud.errors import FloatingIpBusy, FloatingIpNotFound, ServerNotFound
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import FloatingIp, Server
from yunzhuo.phoenix.common.errors import NotFound, YunzhuoError
from yunzhuo.phoenix.common.ids import new_id

_ADDRESSES = pytest.mark.needs("addresses.create")
_PORTS = pytest.mark.needs("networks.ports")


@pytest.fixture
def ip(cloud: Cloud) -> Iterator[FloatingIp]:
    """One that leads nowhere, removed after the test."""
    made = cloud.addresses.create(new_id())
    yield made
    leads_to = _now(cloud, made)
    if leads_to:
        cloud.addresses.dissociate(made.id, leads_to)
    cloud.addresses.delete(made.id)


def test_external_networks_are_told_apart_from_those_of_servers(cloud: Cloud) -> None:
    external = cloud.networks.external()
    assert len({network.id for network in external}) == len(external)
    assert {network.id for network in external}.isdisjoint(network.id for network in cloud.networks.list())


@_ADDRESSES
def test_one_is_made_once_and_found_by_its_tag(cloud: Cloud, ip: FloatingIp) -> None:
    assert (ip.server_id, ip.network_id) == (None, cloud.networks.external()[0].id)
    assert ip.address.count(".") == 3
    again = cloud.addresses.create(ip.address_id, network_id=ip.network_id)
    assert again == cloud.addresses.find(ip.address_id) == ip
    assert [each for each in cloud.addresses.list() if each.id == ip.id] == [ip]
    assert cloud.addresses.find(new_id()) is None


@_ADDRESSES
def test_whoever_asks_at_once_for_one_tag_gets_one(cloud: Cloud) -> None:
    tag = new_id()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(cloud.addresses.create, [tag] * 8))
    assert len({each.id for each in made}) == 1
    assert [each.address_id for each in cloud.addresses.list()].count(tag) == 1
    cloud.addresses.delete(made[0].id)
    cloud.addresses.delete(made[0].id)
    assert cloud.addresses.find(tag) is None


@_ADDRESSES
def test_what_is_not_there_is_said(cloud: Cloud, ip: FloatingIp, shared_server: Server) -> None:
    nobody = new_id()
    with pytest.raises(NotFound):
        cloud.addresses.create(nobody, network_id=nobody)
    assert cloud.addresses.find(nobody) is None
    for unknown in (nobody, "no-such-thing"):
        with pytest.raises(FloatingIpNotFound):
            cloud.addresses.associate(unknown, shared_server.id)
        with pytest.raises(ServerNotFound):
            cloud.addresses.associate(ip.id, unknown)
        cloud.addresses.dissociate(unknown, shared_server.id)
        cloud.addresses.delete(unknown)
    cloud.addresses.dissociate(ip.id, shared_server.id)
    assert cloud.addresses.find(ip.address_id) == ip


@_ADDRESSES
def test_one_leads_to_one_server_until_it_is_taken_away(cloud: Cloud, desktops: Desktops, ip: FloatingIp) -> None:
    one, other = desktops.create_running(), desktops.create_running()
    cloud.addresses.associate(ip.id, one.id)
    cloud.addresses.associate(ip.id, one.id)
    assert _now(cloud, ip) == one.id
    with pytest.raises(FloatingIpBusy):
        cloud.addresses.associate(ip.id, other.id)
    with pytest.raises(FloatingIpBusy):
        cloud.addresses.delete(ip.id)
    second = cloud.addresses.create(new_id())
    with pytest.raises(FloatingIpBusy):
        cloud.addresses.associate(second.id, one.id)
    cloud.addresses.delete(second.id)
    cloud.addresses.dissociate(ip.id, other.id)
    assert _now(cloud, ip) == one.id, "it was not the other's to give back"
    cloud.addresses.dissociate(ip.id, one.id)
    cloud.addresses.dissociate(ip.id, one.id)
    assert _now(cloud, ip) is None
    cloud.addresses.associate(ip.id, other.id)
    assert _now(cloud, ip) == other.id


@_ADDRESSES
def test_of_two_who_lead_one_somewhere_at_once_one_at_most_is_told_so(cloud: Cloud, desktops: Desktops, ip: FloatingIp) -> None:
    servers = [desktops.create_running().id for _ in range(2)]

    def lead(server_id: str) -> str | None:
        with suppress(YunzhuoError):  # busy, or overtaken
            cloud.addresses.associate(ip.id, server_id)
            return server_id
        return None

    with ThreadPoolExecutor(2) as pool:
        told = [each for each in pool.map(lead, servers) if each]
    assert len(told) <= 1, "nobody is told so whose server it does not lead to because of another's"
    assert _now(cloud, ip) in (*servers, None)


@_ADDRESSES
def test_a_server_that_is_deleted_lets_go(cloud: Cloud, desktops: Desktops, ip: FloatingIp, patience: float) -> None:
    server = desktops.create_stopped()
    cloud.addresses.associate(ip.id, server.id)
    desktops.remove(server.desktop_id)
    eventually(lambda: _now(cloud, ip) is None, patience, what="an address that leads nowhere")
    assert cloud.addresses.find(ip.address_id) == ip


@_PORTS
def test_ports_are_told_of_and_only_a_servers_own_is_removed(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_running()
    eventually(lambda: all(port.is_up for port in cloud.networks.ports(server.id)), patience, what="a port that is up")
    (port,) = [port for port in cloud.networks.ports() if port.server_id == server.id]
    assert list(cloud.networks.ports(server.id)) == [port]
    for nobody in (new_id(), "no-such-thing", "../x"):
        assert not cloud.networks.ports(nobody)
    assert port.address in {address.address for address in cloud.servers.get(server.id).addresses}
    cloud.networks.delete_port(port.id, new_id())
    cloud.networks.delete_port(new_id(), server.id)
    cloud.networks.delete_port("no-such-thing", server.id)
    assert port in cloud.networks.ports()
    desktops.remove(server.desktop_id)
    eventually(lambda: port not in cloud.networks.ports(), patience, what="a port that went with its server")
    cloud.networks.delete_port(port.id, server.id)


def _now(cloud: Cloud, ip: FloatingIp) -> str | None:
    """Where it leads now."""
    found = cloud.addresses.find(ip.address_id)
    assert found is not None
    assert (found.id, found.address) == (ip.id, ip.address)
    return found.server_id
