"""Hosts: closed and opened again, and their servers moved; nothing is made anew while its host may still run it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

import pytest

from tests.drivers.desktops import Desktops
from tests.drivers.driver_table import Driver
from tests.drivers.waiting import eventually_is
from tests.support.waiting import eventually
from yunzhuo.phoenix.cloud.errors import HostNotDown, HostNotFound, NoCapacity, ServerBusy, ServerNotFound
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Host, RebootKind, Server, ServerStatus
from yunzhuo.phoenix.common.errors import Conflict
from yunzhuo.phoenix.common.ids import new_id


@pytest.mark.needs("hosts.disable", "hosts.enable")
def test_a_host_is_closed_with_a_reason_and_opened_again(cloud: Cloud) -> None:
    host = cloud.hosts.list()[-1]
    assert (host.is_enabled, host.is_up, host.is_forced_down) == (True, True, False)
    cloud.hosts.disable(host.id, "new memory, 换内存")
    try:
        closed = _host(cloud, host.id)
        assert not closed.is_enabled
        assert any("new memory, 换内存" in problem for problem in closed.problems)
    finally:
        cloud.hosts.enable(host.id)
    assert (_host(cloud, host.id).is_enabled, _host(cloud, host.id).problems) == (True, host.problems)


@pytest.mark.needs("hosts.force_down", "hosts.evacuate")
def test_a_host_that_is_heard_of_is_neither_down_nor_evacuated(cloud: Cloud, shared_server: Server) -> None:
    host_id = cloud.servers.get(shared_server.id).host
    with pytest.raises(HostNotDown):
        cloud.hosts.force_down(host_id)
    with pytest.raises(HostNotDown):
        cloud.hosts.evacuate(shared_server.id)
    assert not _host(cloud, host_id).is_forced_down
    assert cloud.servers.get(shared_server.id).status is ServerStatus.RUNNING


@pytest.mark.kills_hosts
@pytest.mark.needs("hosts.force_down", "hosts.evacuate", "hosts.enable")
def test_a_dead_host_is_evacuated_after_it_was_proved_to_be_dead(
    cloud: Cloud,
    driver: Driver,
    desktops: Desktops,
    without_host: Callable[[str], AbstractContextManager[None]],
    patience: float,
) -> None:
    server = desktops.create_running()
    dead = cloud.servers.get(server.id).host
    try:
        with without_host(dead):
            eventually(lambda: not _host(cloud, dead).is_up, patience, what="a host that is not heard of")
            with pytest.raises(HostNotDown):
                cloud.hosts.evacuate(server.id)  # nobody has said that it is down
            cloud.hosts.force_down(dead)
            assert (_host(cloud, dead).is_forced_down, _host(cloud, dead).is_enabled) == (True, False)
            if driver.has_other_hosts:
                cloud.hosts.evacuate(server.id)
                eventually(lambda: _has_moved(cloud, server.id, dead), patience, what="another host")
                eventually_is(cloud, server.id, ServerStatus.RUNNING, patience)
            else:
                with suppress(NoCapacity):  # the cloud may take the wish and find only then that there is nowhere to go
                    cloud.hosts.evacuate(server.id)
                    eventually_is(cloud, server.id, ServerStatus.ERROR, patience)
    finally:
        eventually(lambda: _opens(cloud, dead), patience, what="a host that has let go of what is elsewhere now")
    eventually(lambda: (_host(cloud, dead).is_up, _host(cloud, dead).is_enabled) == (True, True), patience, what="all well")
    assert (cloud.servers.get(server.id).host == dead) is not driver.has_other_hosts
    if driver.has_other_hosts:
        # It is offered to new guests once it has told so itself (Nova's placement hears it some seconds later).
        eventually(lambda: _comes_to(cloud, server.id, dead), patience, what="a server on the host that is back")


@pytest.mark.needs("hosts.live_migrate")
def test_a_running_server_moves_while_it_runs(cloud: Cloud, driver: Driver, desktops: Desktops, patience: float) -> None:
    server = desktops.create_ready()
    began = cloud.servers.get(server.id).host
    if not driver.has_other_hosts:
        with suppress(NoCapacity):
            cloud.hosts.live_migrate(server.id)
        eventually(lambda: _is_settled(cloud, server.id), patience, what="a server that stays")
        assert cloud.servers.get(server.id).host == began
        return
    cloud.hosts.live_migrate(server.id)
    eventually(lambda: _has_moved(cloud, server.id, began), patience, what="a server on another host")
    assert cloud.servers.get(server.id).status is ServerStatus.RUNNING
    eventually(lambda: _comes_to(cloud, server.id, began), patience, what="a server that is back")


@pytest.mark.needs("hosts.migrate")
def test_a_server_that_may_be_off_moves_and_is_as_it_was(
    cloud: Cloud, driver: Driver, desktops: Desktops, patience: float
) -> None:
    server = desktops.create_running()
    began = cloud.servers.get(server.id).host
    if not driver.has_other_hosts:
        with suppress(NoCapacity):  # the cloud may take the wish and find only then that there is nowhere to go
            cloud.hosts.migrate(server.id)
        eventually(lambda: _is_settled(cloud, server.id), patience, what="a server that stays")
        assert cloud.servers.get(server.id).host == began
        return
    cloud.hosts.migrate(server.id)
    eventually(lambda: _has_moved(cloud, server.id, began), patience, what="a server on another host")
    eventually_is(cloud, server.id, ServerStatus.RUNNING, patience)


@pytest.mark.needs("hosts.live_migrate", "hosts.disable", "hosts.enable")
def test_what_is_not_there_or_cannot_move_is_said(cloud: Cloud, desktops: Desktops, shared_server: Server) -> None:
    for ask in (cloud.hosts.enable, cloud.hosts.force_down, lambda host: cloud.hosts.disable(host, "why")):
        with pytest.raises(HostNotFound):
            ask("no-such-host")
    with pytest.raises(HostNotFound):
        cloud.hosts.live_migrate(shared_server.id, "no-such-host")
    for move in (cloud.hosts.live_migrate, cloud.hosts.migrate, cloud.hosts.evacuate):
        with pytest.raises(ServerNotFound):
            move(new_id())
    stopped = desktops.create_stopped()
    with pytest.raises(ServerBusy):
        cloud.hosts.live_migrate(stopped.id)


def _host(cloud: Cloud, host_id: str) -> Host:
    return next(host for host in cloud.hosts.list() if host.id == host_id)


def _opens(cloud: Cloud, host_id: str) -> bool:
    with suppress(Conflict):
        cloud.hosts.enable(host_id)
        return True
    return False


def _has_moved(cloud: Cloud, server_id: str, began: str) -> bool:
    return cloud.servers.get(server_id).host not in ("", began)


def _is_settled(cloud: Cloud, server_id: str) -> bool:
    """Whether nothing was being done to it any more: then it takes a reboot."""
    with suppress(ServerBusy):
        cloud.servers.reboot(server_id, RebootKind.HARD)
        return True
    return False


def _comes_to(cloud: Cloud, server_id: str, host_id: str) -> bool:
    """Whether it is on this host; asks for that as long as it is not."""
    if cloud.servers.get(server_id).host == host_id:
        return True
    with suppress(ServerBusy):
        cloud.hosts.live_migrate(server_id, host_id)
    return False
