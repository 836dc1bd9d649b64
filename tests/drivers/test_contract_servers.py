"""Servers: made once for each tag, found, listed, removed for good."""

import ipaddress
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from tests.drivers.desktops import Desktops
from tests.drivers.driver_table import Driver
from tests.drivers.waiting import eventually_is
from tests.support.waiting import eventually
from yunzhuo.phoenix.cloud.errors import FlavorNotFound, ImageNotFound, ServerBusy, ServerNotFound
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import ConsoleProtocol, RebootKind, Server, ServerStatus
from yunzhuo.phoenix.common.errors import NotFound

_UNKNOWN_IDS = ("no-such-thing", "", "2f1c7a52-0a43-4b56-9d6e-5b7f0c1d2e3f", "../../etc/passwd", "x" * 300, "a b\n云", "%00")


def test_create_answers_the_server_that_was_asked_for(cloud: Cloud, desktops: Desktops) -> None:
    request = desktops.request(name="语文 3-1 · Ünï 🎓")
    server = cloud.servers.create(request)
    assert server.id
    assert (server.desktop_id, server.name) == (request.desktop_id, request.name)
    assert (server.image_id, server.flavor_id) == (request.image_id, request.flavor_id)
    assert server.status in (ServerStatus.BUILDING, ServerStatus.RUNNING)
    assert server.fault is None


def test_a_created_server_runs_in_the_end(cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_running()
    for address in server.addresses:
        ipaddress.ip_address(address.address)  # raises for what is none
    hosts = {host.id for host in cloud.hosts.list()}
    assert server.host in hosts | {""}


def test_asking_for_a_tag_again_answers_the_same_server(cloud: Cloud, desktops: Desktops) -> None:
    request = desktops.request()
    first = cloud.servers.create(request)
    assert cloud.servers.create(request).id == first.id
    again = cloud.servers.create(replace(request, name="another name", flavor_id="no-such-flavor", image_id="no-such-image"))
    assert (again.id, again.name, again.flavor_id) == (first.id, first.name, first.flavor_id)
    assert [server.id for server in cloud.servers.list() if server.desktop_id == request.desktop_id] == [first.id]


def test_eight_threads_that_ask_for_one_tag_at_once_get_one_server(cloud: Cloud, desktops: Desktops) -> None:
    request = desktops.request()
    together = Barrier(8)

    def create(_number: int) -> str:
        together.wait(timeout=30)
        return cloud.servers.create(request).id

    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(create, range(8)))
    assert len(ids) == 1
    assert [server.id for server in cloud.servers.list() if server.desktop_id == request.desktop_id] == list(ids)


def test_find_knows_the_tag_from_create_to_delete(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    request = desktops.request()
    assert cloud.servers.find(request.desktop_id) is None
    server = cloud.servers.create(request)
    found = cloud.servers.find(request.desktop_id)
    assert found is not None
    assert found.id == server.id
    cloud.servers.delete(server.id)
    eventually(lambda: cloud.servers.find(request.desktop_id) is None, patience)


def test_list_answers_every_server_once_and_as_get_does(cloud: Cloud, desktops: Desktops) -> None:
    servers = {desktops.create_running().id for _ in range(2)}
    listed = [server for server in cloud.servers.list() if server.id in servers]
    assert {server.id for server in listed} == servers
    assert len(listed) == 2
    for server in listed:
        observed = cloud.servers.get(server.id)
        assert replace(observed, observed_at=server.observed_at) == server


def test_results_are_frozen(cloud: Cloud, shared_server: Server) -> None:
    results = (
        cloud.servers.get(shared_server.id),
        cloud.flavors.list()[0],
        cloud.images.list()[0],
        cloud.networks.list()[0],
        cloud.hosts.list()[0],
        cloud.servers.console(shared_server.id, ConsoleProtocol.VNC),
    )
    for result in results:
        name = next(iter(type(result).__dataclass_fields__))
        with pytest.raises(FrozenInstanceError):
            setattr(result, name, "changed")


@pytest.mark.needs("guest.run")
def test_the_result_of_a_command_is_frozen(cloud: Cloud, shared_server: Server) -> None:
    result = cloud.guest.run(shared_server.id, ["true"])
    with pytest.raises(FrozenInstanceError):
        result.exit_code = 1  # type: ignore[misc]


def test_times_are_aware_utc_and_of_now(cloud: Cloud, desktops: Desktops) -> None:
    before = datetime.now(UTC)
    created = desktops.create()
    observed = cloud.servers.get(created.id)
    after = datetime.now(UTC)
    for moment in (created.created_at, created.observed_at, observed.created_at, observed.observed_at):
        assert moment.utcoffset() == timedelta(0)
    slack = timedelta(seconds=1)
    assert before - slack <= observed.created_at <= after + slack
    assert before - slack <= created.observed_at <= observed.observed_at <= after + slack


@pytest.mark.parametrize(
    ("field", "error"), [("image_id", ImageNotFound), ("flavor_id", FlavorNotFound), ("network_id", NotFound)]
)
@pytest.mark.parametrize("unknown", _UNKNOWN_IDS, ids=ascii)
def test_a_refused_create_leaves_nothing_behind(
    cloud: Cloud, desktops: Desktops, field: str, error: type[NotFound], unknown: str
) -> None:
    request = desktops.request(**{field: unknown})
    usage = [(host.id, host.servers) for host in cloud.hosts.list()]
    with pytest.raises(error):
        cloud.servers.create(request)
    assert cloud.servers.find(request.desktop_id) is None
    assert request.desktop_id not in {server.desktop_id for server in cloud.servers.list()}
    assert [(host.id, host.servers) for host in cloud.hosts.list()] == usage


@pytest.mark.needs("servers.delete")
def test_delete_is_for_good_and_may_be_asked_twice(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_running()
    cloud.servers.delete(server.id)
    cloud.servers.delete(server.id)
    eventually(lambda: not _is_there(cloud, server.id), patience)
    cloud.servers.delete(server.id)
    assert server.id not in {other.id for other in cloud.servers.list()}


def test_a_server_can_be_deleted_while_it_is_building(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create()
    cloud.servers.delete(server.id)
    eventually(lambda: not _is_there(cloud, server.id), patience)


def test_a_stopped_server_can_be_deleted(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_stopped()
    cloud.servers.delete(server.id)
    eventually(lambda: not _is_there(cloud, server.id), patience)


def test_a_tag_can_be_used_again_after_its_server_is_gone(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    request = desktops.request()
    first = cloud.servers.create(request)
    cloud.servers.delete(first.id)

    def create_again() -> Server | None:
        try:
            return cloud.servers.create(request)
        except ServerBusy:
            return None

    assert eventually(create_again, patience).id != first.id


def test_a_server_that_was_given_up_is_made_anew_on_another_host(
    cloud: Cloud, driver: Driver, desktops: Desktops, patience: float
) -> None:
    first = desktops.create_running()
    cloud.servers.delete(first.id)
    request = desktops.request(desktop_id=first.desktop_id, avoid_hosts=(first.host,), given_up=(first.id,))

    def create() -> Server | None:
        with suppress(ServerBusy):  # a cloud that cannot have two with one tag, even for a moment
            return cloud.servers.create(request)
        return None

    second = eventually(create, patience, what="another server")
    assert second.id != first.id
    assert cloud.servers.create(request).id == second.id
    settled = eventually_is(cloud, second.id, ServerStatus.RUNNING, patience)
    assert (settled.host != first.host) is driver.has_other_hosts
    eventually(lambda: not _is_there(cloud, first.id), patience, what="the first to be gone")
    found = cloud.servers.find(first.desktop_id)
    assert found is not None
    assert found.id == second.id


@pytest.mark.parametrize("unknown", _UNKNOWN_IDS, ids=ascii)
def test_deleting_what_was_never_there_is_no_error(cloud: Cloud, unknown: str) -> None:
    cloud.servers.delete(unknown)


def test_nobody_has_an_unknown_tag(cloud: Cloud) -> None:
    for unknown in _UNKNOWN_IDS:
        assert cloud.servers.find(unknown) is None


#: What can be asked about one server, and how. Those that are not offered are tested in test_contract_offers.py.
_QUESTIONS: dict[str, Callable[[Cloud, str], object]] = {
    "servers.get": lambda cloud, server_id: cloud.servers.get(server_id),
    "servers.start": lambda cloud, server_id: cloud.servers.start(server_id),
    "servers.stop": lambda cloud, server_id: cloud.servers.stop(server_id),
    "servers.reboot": lambda cloud, server_id: cloud.servers.reboot(server_id, RebootKind.SOFT),
    "servers.suspend": lambda cloud, server_id: cloud.servers.suspend(server_id),
    "servers.resume": lambda cloud, server_id: cloud.servers.resume(server_id),
    "servers.rebuild": lambda cloud, server_id: cloud.servers.rebuild(server_id, cloud.images.list()[0].id),
    "servers.resize": lambda cloud, server_id: cloud.servers.resize(server_id, cloud.flavors.list()[0].id),
    "servers.rename": lambda cloud, server_id: cloud.servers.rename(server_id, "name"),
    "servers.snapshot": lambda cloud, server_id: cloud.servers.snapshot(server_id, "name"),
    "servers.snapshots": lambda cloud, server_id: cloud.servers.snapshots(server_id),
    "servers.roll_back": lambda cloud, server_id: cloud.servers.roll_back(server_id, "snapshot"),
    "servers.console": lambda cloud, server_id: cloud.servers.console(server_id, ConsoleProtocol.VNC),
    "guest.ready": lambda cloud, server_id: cloud.guest.ready(server_id),
    "guest.run": lambda cloud, server_id: cloud.guest.run(server_id, ["true"]),
    "guest.write_file": lambda cloud, server_id: cloud.guest.write_file(server_id, "/root/file", b""),
    "guest.read_file": lambda cloud, server_id: cloud.guest.read_file(server_id, "/root/file", max_bytes=1),
    "guest.get_clipboard": lambda cloud, server_id: cloud.guest.get_clipboard(server_id),
    "guest.set_clipboard": lambda cloud, server_id: cloud.guest.set_clipboard(server_id, "text"),
    "guest.message": lambda cloud, server_id: cloud.guest.message(server_id, "text"),
}


@pytest.mark.parametrize("operation", [pytest.param(operation, marks=pytest.mark.needs(operation)) for operation in _QUESTIONS])
def test_an_unknown_server_is_not_found(cloud: Cloud, operation: str) -> None:
    for unknown in _UNKNOWN_IDS:
        with pytest.raises(ServerNotFound):
            _QUESTIONS[operation](cloud, unknown)


@pytest.mark.needs("servers.rename")
def test_rename_changes_the_name_and_nothing_else(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_running()
    cloud.servers.rename(server.id, "新名字 2")
    renamed = eventually(lambda: next(found for found in [cloud.servers.get(server.id)] if found.name == "新名字 2"), patience)
    assert replace(renamed, name=server.name, observed_at=server.observed_at) == server


def test_check_is_content_with_a_cloud_that_works(cloud: Cloud) -> None:
    cloud.check()
    assert list(cloud.lacks()) == []


def _is_there(cloud: Cloud, server_id: str) -> bool:
    try:
        cloud.servers.get(server_id)
    except ServerNotFound:
        return False
    return True


@pytest.mark.needs("servers.cpu_seconds")
def test_the_time_of_its_processors_grows_while_it_runs(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_ready()
    first = cloud.servers.cpu_seconds(server.id)
    assert 0 <= first <= cloud.servers.cpu_seconds(server.id)
    cloud.servers.stop(server.id)
    eventually_is(cloud, server.id, ServerStatus.STOPPED, patience)
    with pytest.raises(ServerBusy):
        cloud.servers.cpu_seconds(server.id)
    with pytest.raises(ServerNotFound):
        cloud.servers.cpu_seconds("no-such-server")
