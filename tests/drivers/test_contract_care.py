"""Looking after one server: what it says on its console, and the states that are no part of anybody's day."""

from collections.abc import Callable
from functools import partial

import pytest

from tests.drivers.calls import REQUESTS
from tests.drivers.desktops import Desktops
from tests.drivers.waiting import eventually_is
from tests.support.waiting import eventually
from yunzhuo.phoenix.cloud.errors import (
    ImageNotFound,
    NetworkInUse,
    SecurityGroupNotFound,
    ServerBusy,
    ServerLocked,
    ServerNotFound,
    ServerShelved,
)
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import ConsoleProtocol, RebootKind, Server, ServerStatus
from yunzhuo.phoenix.common.ids import new_id

_CALLS = [call for call in REQUESTS if call.startswith("care.")]


@pytest.mark.parametrize("call", [pytest.param(call, marks=pytest.mark.needs(call)) for call in _CALLS])
def test_a_server_that_is_not_there_is_not_looked_after(cloud: Cloud, call: str) -> None:
    for server_id in (new_id(), "no id at all"):
        with pytest.raises(ServerNotFound):
            REQUESTS[call](cloud, server_id)


@pytest.mark.needs("care.console_log")
def test_the_end_of_the_console_log_is_the_same_for_everybody(cloud: Cloud, shared_server: Server) -> None:
    whole = cloud.care.console_log(shared_server.id, max_bytes=1_000_000)
    assert whole.strip()
    assert cloud.care.console_log(shared_server.id, max_bytes=1_000_000).startswith(whole)
    assert len(cloud.care.console_log(shared_server.id, max_bytes=5).encode()) <= 5
    assert cloud.care.console_log(shared_server.id, max_bytes=0) == ""


@pytest.mark.needs("care.pause", "servers.resume")
def test_a_paused_server_goes_on_where_it_was(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_ready()
    cloud.care.pause(server.id)
    eventually_is(cloud, server.id, ServerStatus.SUSPENDED, patience)
    cloud.care.pause(server.id)
    with pytest.raises(ServerBusy):
        cloud.servers.start(server.id)
    with pytest.raises(ServerBusy):
        cloud.care.rescue(server.id)
    cloud.servers.resume(server.id)
    eventually_is(cloud, server.id, ServerStatus.RUNNING, patience)
    desktops.wait_ready(server.id)


@pytest.mark.needs("care.pause")
def test_what_does_not_run_is_not_paused(cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_stopped()
    with pytest.raises(ServerBusy):
        cloud.care.pause(server.id)
    with pytest.raises(ServerBusy):
        cloud.care.unrescue(server.id)


@pytest.mark.needs("care.shelve", "servers.rebuild", "servers.snapshot")
def test_a_shelved_server_is_started_or_deleted_and_nothing_else(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_ready()
    cloud.care.shelve(server.id)
    shelved = eventually_is(cloud, server.id, ServerStatus.STOPPED, patience)
    assert [address.address for address in shelved.addresses] == [address.address for address in server.addresses]
    cloud.care.shelve(server.id)
    cloud.servers.stop(server.id)
    image_id = server.image_id
    for verb in (
        lambda: cloud.servers.rebuild(server.id, image_id),
        lambda: cloud.servers.snapshot(server.id, "shelved"),
        lambda: cloud.care.rescue(server.id),
    ):
        eventually(partial(_is_refused_as, ServerShelved, verb), patience, what="a shelved server")
    _once_not_busy(lambda: cloud.servers.start(server.id), patience)
    eventually_is(cloud, server.id, ServerStatus.RUNNING, patience)
    desktops.wait_ready(server.id)
    assert cloud.servers.get(server.id).image_id == image_id


@pytest.mark.needs("care.lock", "care.unlock", "care.pause", "servers.suspend")
def test_a_locked_server_is_changed_by_nobody(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_running()
    assert cloud.servers.get(server.id).is_locked is False
    for _ in range(2):
        cloud.care.lock(server.id)
    locked = cloud.servers.get(server.id)
    assert (locked.is_locked, locked.status) == (True, ServerStatus.RUNNING)
    assert [each.is_locked for each in cloud.servers.list() if each.id == server.id] == [True]
    cloud.servers.start(server.id)  # which it is already
    cloud.servers.rename(server.id, "still called by another name")
    for verb in (
        lambda: cloud.servers.stop(server.id),
        lambda: cloud.servers.reboot(server.id, RebootKind.HARD),
        lambda: cloud.servers.suspend(server.id),
        lambda: cloud.servers.delete(server.id),
        lambda: cloud.care.pause(server.id),
        lambda: cloud.care.shelve(server.id),
        lambda: cloud.care.rescue(server.id),
        lambda: cloud.care.set_security_groups(server.id, []),
    ):
        assert _refusal(verb) is ServerLocked
    cloud.servers.console(server.id, ConsoleProtocol.VNC)
    for _ in range(2):
        cloud.care.unlock(server.id)
    assert cloud.servers.get(server.id).is_locked is False
    cloud.servers.stop(server.id)
    eventually_is(cloud, server.id, ServerStatus.STOPPED, patience)


@pytest.mark.needs("care.rescue", "care.unrescue")
def test_a_rescued_server_runs_another_system_until_it_is_unrescued(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_ready()
    with pytest.raises(ImageNotFound):
        cloud.care.rescue(server.id, "no-such-image")
    cloud.care.unrescue(server.id)  # which runs its own system
    cloud.care.rescue(server.id, server.image_id)
    eventually_is(cloud, server.id, ServerStatus.RESCUED, patience)
    cloud.care.rescue(server.id)
    assert cloud.guest.ready(server.id) is False
    cloud.servers.console(server.id, ConsoleProtocol.VNC)
    for verb in (
        lambda: cloud.servers.stop(server.id),
        lambda: cloud.servers.reboot(server.id, RebootKind.SOFT),
        lambda: cloud.care.pause(server.id),
        lambda: cloud.care.shelve(server.id),
    ):
        assert _refusal(verb) is ServerBusy
    cloud.care.unrescue(server.id)
    eventually_is(cloud, server.id, ServerStatus.RUNNING, patience)
    desktops.wait_ready(server.id)


@pytest.mark.needs("care.security_groups", "care.set_security_groups", "security_groups.create")
def test_a_server_is_in_exactly_the_groups_that_were_said(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_running()
    before = cloud.care.security_groups(server.id)
    group = cloud.security_groups.create("a server's", "", ())
    try:
        with pytest.raises(SecurityGroupNotFound):
            cloud.care.set_security_groups(server.id, [group.id, new_id()])
        assert cloud.care.security_groups(server.id) == before
        cloud.care.set_security_groups(server.id, [group.id, group.id])
        assert list(cloud.care.security_groups(server.id)) == [group.id]
        with pytest.raises(NetworkInUse):
            cloud.security_groups.delete(group.id)
        cloud.care.set_security_groups(server.id, [])
        assert list(cloud.care.security_groups(server.id)) == []
        cloud.care.set_security_groups(server.id, before)
        assert cloud.care.security_groups(server.id) == before
    finally:
        cloud.care.set_security_groups(server.id, [])
        cloud.security_groups.delete(group.id)
    assert cloud.servers.get(server.id).status is ServerStatus.RUNNING


@pytest.mark.needs("care.security_groups", "security_groups.create")
def test_a_server_is_made_in_the_groups_that_it_was_wished_in(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    group = cloud.security_groups.create("a new server's", "", ())
    try:
        wish = desktops.request(security_group_ids=(group.id, new_id()))
        with pytest.raises(SecurityGroupNotFound):
            cloud.servers.create(wish)
        assert cloud.servers.find(wish.desktop_id) is None
        server = desktops.create_running(security_group_ids=(group.id,))
        assert list(cloud.care.security_groups(server.id)) == [group.id]
        desktops.remove(server.desktop_id)
    finally:
        eventually(lambda: _goes(cloud, group.id), patience, what="a group without servers to go")


def _refusal(verb: Callable[[], object]) -> type[Exception] | None:
    try:
        verb()
    except (ServerBusy, ServerLocked, ServerShelved) as refusal:
        return type(refusal)
    return None


def _is_refused_as(kind: type[Exception], verb: Callable[[], object]) -> bool:
    return _refusal(verb) is kind


def _once_not_busy(verb: Callable[[], object], patience: float) -> None:
    eventually(lambda: _refusal(verb) is None, patience, what="an accepted verb")


def _goes(cloud: Cloud, group_id: str) -> bool:
    try:
        cloud.security_groups.delete(group_id)
    except NetworkInUse:  # the port goes a moment after its server
        return False
    return True
