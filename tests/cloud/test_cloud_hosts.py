"""Hosts of a real OpenStack: servers move off them, and are made anew elsewhere only when their host is silent and forced down.

Only for the cloud of `make cloud`, whose processes are ours to kill.
"""

import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest
from infras.openstack.layout import Layout
from infras.openstack.processes import Processes
from infras.openstack.services import start_fake_hosts
from tests.drivers.desktops import Desktops
from tests.support.openstack_cloud import OF_THE_SDK, PRETENDED, asked_directly, openstack_cloud
from tests.support.waiting import eventually

from yunzhuo.phoenix.cloud.errors import HostNotDown, ServerBusy
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Host, RebootKind, ServerStatus
from yunzhuo.phoenix.common.errors import Conflict

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(900), OF_THE_SDK]

LAYOUT = Layout.of_this_computer()
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


def test_a_dead_host_is_evacuated_after_it_was_proved_to_be_dead(cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_running()
    dead = cloud.servers.get(server.id).host
    with pytest.raises(HostNotDown):
        cloud.hosts.evacuate(server.id)
    Processes(LAYOUT).disturb(f"nova-compute-{dead}", signal.SIGKILL)
    try:
        with pytest.raises(HostNotDown):
            cloud.hosts.force_down(dead)  # it was heard of a moment ago
        eventually(lambda: not _host(cloud, dead).is_up, _PATIENCE, what="a host that is not heard of")
        with pytest.raises(HostNotDown):
            cloud.hosts.evacuate(server.id)  # nobody has said that it is down
        cloud.hosts.force_down(dead)
        assert (_host(cloud, dead).is_forced_down, _host(cloud, dead).is_enabled) == (True, False)
        cloud.hosts.evacuate(server.id)
        eventually(lambda: cloud.servers.get(server.id).host not in ("", dead), _PATIENCE, what="another host")
        eventually(lambda: cloud.servers.get(server.id).status is ServerStatus.RUNNING, _PATIENCE, what="a server that runs")
    finally:
        start_fake_hosts(LAYOUT, Processes(LAYOUT))
        eventually(lambda: _opens(cloud, dead), _PATIENCE, what="a host that has let go of what is elsewhere now")
    eventually(lambda: (_host(cloud, dead).is_up, _host(cloud, dead).is_enabled) == (True, True), _PATIENCE, what="all well")
    assert cloud.servers.get(server.id).host != dead


def _host(cloud: Cloud, host_id: str) -> Host:
    return next(host for host in cloud.hosts.list() if host.id == host_id)


def _opens(cloud: Cloud, host_id: str) -> bool:
    with suppress(Conflict):
        cloud.hosts.enable(host_id)
        return True
    return False


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
