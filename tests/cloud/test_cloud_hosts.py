"""Hosts of a real OpenStack: what our driver says of a server's move is what Nova and Neutron say."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.drivers.desktops import Desktops
from tests.support.openstack_cloud import OF_THE_SDK, PRETENDED, asked_directly, openstack_cloud
from tests.support.waiting import eventually

from yunzhuo.phoenix.cloud.errors import ServerBusy
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import RebootKind, ServerStatus

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(900), OF_THE_SDK]

_PATIENCE = 180.0


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with openstack_cloud(**PRETENDED) as cloud:
        yield cloud


@pytest.fixture
def desktops(cloud: Cloud) -> Iterator[Desktops]:
    with Desktops(cloud, _PATIENCE).all_removed() as desktops:
        yield desktops


def test_a_server_moves_while_it_runs_and_while_it_may_be_off(cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_running()
    with asked_directly("admin") as sdk:
        began = cloud.servers.get(server.id).host
        cloud.hosts.live_migrate(server.id)
        eventually(lambda: cloud.servers.get(server.id).host not in ("", began), _PATIENCE, what="another host")
        other = cloud.servers.get(server.id).host
        assert sdk.compute.get_server(server.id).hypervisor_hostname == other
        eventually(lambda: _takes_a_reboot(cloud, server.id), _PATIENCE, what="a server that has arrived")
        eventually(lambda: cloud.servers.get(server.id).status is ServerStatus.RUNNING, _PATIENCE)
        (port,) = sdk.network.ports(device_id=server.id)
        assert port.binding_host_id == other

        cloud.hosts.disable(other, "new memory")
        try:
            eventually(lambda: _moves(cloud, server.id), _PATIENCE, what="a server that can be moved again")
            eventually(lambda: cloud.servers.get(server.id).host == began, _PATIENCE, what="the first host again")
            eventually(lambda: cloud.servers.get(server.id).status is ServerStatus.RUNNING, _PATIENCE, what="as it was")
        finally:
            cloud.hosts.enable(other)


def _takes_a_reboot(cloud: Cloud, server_id: str) -> bool:
    with suppress(ServerBusy):
        cloud.servers.reboot(server_id, RebootKind.HARD)
        return True
    return False


def _moves(cloud: Cloud, server_id: str) -> bool:
    with suppress(ServerBusy):
        cloud.hosts.migrate(server_id)
        return True
    return False
