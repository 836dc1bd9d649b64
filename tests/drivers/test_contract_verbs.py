"""Verbs: accepted at once, seen a little later, harmless when asked for what already is, refused where they make no sense."""

from collections.abc import Callable

import pytest

from tests.drivers.desktops import Desktops
from tests.drivers.driver_table import Driver
from tests.drivers.waiting import eventually_is
from tests.support.waiting import eventually
from yunzhuo.phoenix.cloud.errors import (
    FlavorNotFound,
    GuestUnreachable,
    ImageNotFound,
    ServerBusy,
    SnapshotNotFound,
)
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import ConsoleProtocol, RebootKind, Server, ServerStatus

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_FILE = "/root/kept"

_INSIDE = pytest.mark.needs("guest.run", "guest.read_file", "guest.write_file")


def test_stop_and_start(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_ready()
    cloud.servers.stop(server.id)
    cloud.servers.stop(server.id)
    stopped = eventually_is(cloud, server.id, ServerStatus.STOPPED, patience)
    assert (stopped.id, stopped.desktop_id, stopped.flavor_id) == (server.id, server.desktop_id, server.flavor_id)
    cloud.servers.stop(server.id)
    assert cloud.servers.get(server.id).status is ServerStatus.STOPPED

    cloud.servers.start(server.id)
    cloud.servers.start(server.id)
    eventually_is(cloud, server.id, ServerStatus.RUNNING, patience)
    desktops.wait_ready(server.id)
    cloud.servers.start(server.id)
    assert cloud.servers.get(server.id).status is ServerStatus.RUNNING


@_INSIDE
def test_the_disk_outlives_a_stop(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_ready()
    cloud.guest.write_file(server.id, _FILE, b"still here")
    cloud.servers.stop(server.id)
    eventually_is(cloud, server.id, ServerStatus.STOPPED, patience)
    cloud.servers.start(server.id)
    eventually_is(cloud, server.id, ServerStatus.RUNNING, patience)
    desktops.wait_ready(server.id)
    assert cloud.guest.read_file(server.id, _FILE, max_bytes=100) == b"still here"


def test_a_stopped_server_has_no_screen_no_reboot_and_no_ready_guest(cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_stopped()
    with pytest.raises(ServerBusy):
        cloud.servers.console(server.id, ConsoleProtocol.VNC)
    for kind in RebootKind:
        with pytest.raises(ServerBusy):
            cloud.servers.reboot(server.id, kind)
    assert cloud.guest.ready(server.id) is False


@_INSIDE
def test_the_guest_of_a_stopped_server_does_not_answer(cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_stopped()
    with pytest.raises(GuestUnreachable):
        cloud.guest.run(server.id, ["true"])
    with pytest.raises(GuestUnreachable):
        cloud.guest.read_file(server.id, "/etc/hostname", max_bytes=100)


def test_sessions_speak_what_was_asked_for_last(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_ready(language="zh_CN")
    assert cloud.servers.get(server.id).language == "zh_CN"
    cloud.servers.stop(server.id)
    eventually_is(cloud, server.id, ServerStatus.STOPPED, patience)
    cloud.servers.start(server.id, language="en")
    eventually_is(cloud, server.id, ServerStatus.RUNNING, patience)
    assert cloud.servers.get(server.id).language == "en"
    desktops.wait_ready(server.id)
    cloud.servers.reboot(server.id, RebootKind.HARD)
    eventually_is(cloud, server.id, ServerStatus.RUNNING, patience)
    assert cloud.servers.get(server.id).language == "en", "as before, where nothing is said"


@_INSIDE
@pytest.mark.parametrize("kind", RebootKind)
def test_reboot_boots_anew_on_the_same_disk(cloud: Cloud, desktops: Desktops, patience: float, kind: RebootKind) -> None:
    server = desktops.create_ready()
    cloud.guest.write_file(server.id, _FILE, b"still here")
    cloud.guest.run(server.id, ["sync"])
    before = _boot_id(cloud, server)
    cloud.servers.reboot(server.id, kind)

    def boots_anew() -> bool:
        assert cloud.servers.get(server.id).status is ServerStatus.RUNNING
        try:
            return cloud.guest.ready(server.id) and _boot_id(cloud, server) != before
        except GuestUnreachable:
            return False

    eventually(boots_anew, patience, what="a new boot")
    assert cloud.guest.read_file(server.id, _FILE, max_bytes=100) == b"still here"


def test_a_running_server_tells_where_its_screen_is(cloud: Cloud, driver: Driver, shared_server: Server) -> None:
    console = cloud.servers.console(shared_server.id, ConsoleProtocol.VNC)
    assert console.protocol is ConsoleProtocol.VNC
    is_socket, is_port = console.unix_path is not None, console.host is not None and console.port is not None
    assert is_socket is not is_port
    assert bool(console.password) is driver.has_passwords
    assert not console.password or console.password not in repr(console)


def test_two_servers_have_two_screens(cloud: Cloud, driver: Driver, desktops: Desktops, shared_server: Server) -> None:
    other = desktops.create_running()
    consoles = [cloud.servers.console(server.id, ConsoleProtocol.VNC) for server in (shared_server, other)]
    assert consoles[0] != consoles[1]
    assert (consoles[0].password != consoles[1].password) is driver.has_passwords


@pytest.mark.needs("servers.suspend", "servers.resume", "guest.run")
def test_suspend_and_resume_go_on_with_the_same_boot(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_ready()
    boot_id = _boot_id(cloud, server)
    cloud.servers.suspend(server.id)
    eventually_is(cloud, server.id, ServerStatus.SUSPENDED, patience)
    cloud.servers.suspend(server.id)
    _assert_busy(
        lambda: cloud.servers.start(server.id),
        lambda: cloud.servers.stop(server.id),
        lambda: cloud.servers.reboot(server.id, RebootKind.HARD),
        lambda: cloud.servers.console(server.id, ConsoleProtocol.VNC),
    )
    assert cloud.guest.ready(server.id) is False
    cloud.servers.resume(server.id)
    eventually_is(cloud, server.id, ServerStatus.RUNNING, patience)
    desktops.wait_ready(server.id)
    cloud.servers.resume(server.id)
    assert _boot_id(cloud, server) == boot_id


@pytest.mark.needs("servers.suspend", "servers.resume")
def test_a_stopped_server_can_neither_be_suspended_nor_resumed(cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_stopped()
    _assert_busy(lambda: cloud.servers.suspend(server.id), lambda: cloud.servers.resume(server.id))


@pytest.mark.needs("servers.rebuild", "guest.run", "guest.write_file")
def test_rebuild_loses_the_disk_and_keeps_the_rest(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_ready()
    cloud.guest.write_file(server.id, _FILE, b"lost")
    machine_id = cloud.guest.read_file(server.id, "/etc/machine-id", max_bytes=100)
    cloud.servers.rebuild(server.id, server.image_id)
    rebuilt = eventually_is(cloud, server.id, ServerStatus.RUNNING, patience)
    desktops.wait_ready(server.id)
    assert (rebuilt.desktop_id, rebuilt.name, rebuilt.addresses) == (server.desktop_id, server.name, server.addresses)
    assert cloud.guest.run(server.id, ["cat", _FILE]).exit_code != 0
    assert cloud.guest.read_file(server.id, "/etc/machine-id", max_bytes=100) != machine_id


@pytest.mark.needs("servers.rebuild")
def test_rebuild_leaves_a_stopped_server_stopped(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_stopped()
    with pytest.raises(ImageNotFound):
        cloud.servers.rebuild(server.id, "no-such-image")
    assert cloud.servers.get(server.id).status is ServerStatus.STOPPED
    cloud.servers.rebuild(server.id, server.image_id)
    eventually_is(cloud, server.id, ServerStatus.STOPPED, patience)
    cloud.servers.start(server.id)
    eventually_is(cloud, server.id, ServerStatus.RUNNING, patience)


@pytest.mark.needs("servers.resize", "guest.write_file")
def test_resize_changes_the_flavor_and_keeps_the_disk(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    smaller, larger = cloud.flavors.list()[:2]
    server = desktops.create_ready(flavor_id=smaller.id)
    cloud.guest.write_file(server.id, _FILE, b"still here")
    with pytest.raises(FlavorNotFound):
        cloud.servers.resize(server.id, "no-such-flavor")
    cloud.servers.resize(server.id, larger.id)
    resized = eventually_is(cloud, server.id, ServerStatus.RUNNING, patience)
    assert resized.flavor_id == larger.id
    desktops.wait_ready(server.id)
    cloud.servers.resize(server.id, larger.id)
    assert cloud.servers.get(server.id).status is ServerStatus.RUNNING
    assert cloud.guest.read_file(server.id, _FILE, max_bytes=100) == b"still here"


@pytest.mark.needs("servers.resize")
def test_resize_leaves_a_stopped_server_stopped(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    smaller, larger = cloud.flavors.list()[:2]
    server = desktops.create_stopped(flavor_id=smaller.id)
    cloud.servers.resize(server.id, larger.id)
    assert eventually_is(cloud, server.id, ServerStatus.STOPPED, patience).flavor_id == larger.id


@pytest.mark.needs("servers.snapshot", "servers.roll_back", "servers.delete_snapshot")
def test_a_snapshot_is_told_of_and_forgotten(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_ready()
    taken = cloud.servers.snapshot(server.id, "第一 🎓")
    assert (taken.server_id, taken.name) == (server.id, "第一 🎓")
    kept = eventually(lambda: cloud.servers.snapshots(server.id), patience, what="a snapshot that stands")
    assert [(snapshot.id, snapshot.name) for snapshot in kept] == [(taken.id, "第一 🎓")]
    assert taken.id not in {image.id for image in cloud.images.list()}
    _wait_until_not_busy(lambda: cloud.servers.roll_back(server.id, taken.id), patience)
    rolled_back = eventually_is(cloud, server.id, ServerStatus.RUNNING, patience)
    assert (rolled_back.image_id, rolled_back.name) == (server.image_id, server.name)
    _wait_until_not_busy(lambda: cloud.servers.delete_snapshot(server.id, taken.id), patience)
    eventually(lambda: not cloud.servers.snapshots(server.id), patience, what="no snapshot")


@pytest.mark.needs("servers.rebuild")
def test_a_rebuilt_server_is_the_same_to_everybody_else(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_ready()
    cloud.servers.rebuild(server.id, server.image_id, language="zh_CN")
    with pytest.raises(ServerBusy):
        cloud.servers.rebuild(server.id, server.image_id)
    rebuilt = eventually_is(cloud, server.id, ServerStatus.RUNNING, patience)
    desktops.wait_ready(server.id)
    assert (rebuilt.desktop_id, rebuilt.name, rebuilt.addresses) == (server.desktop_id, server.name, server.addresses)
    assert (rebuilt.image_id, rebuilt.flavor_id, rebuilt.language) == (server.image_id, server.flavor_id, "zh_CN")


@pytest.mark.needs("servers.resize")
def test_a_resized_server_gets_ready_again(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    smaller, larger = cloud.flavors.list()[:2]
    server = desktops.create_ready(flavor_id=smaller.id)
    with pytest.raises(FlavorNotFound):
        cloud.servers.resize(server.id, "no-such-flavor")
    cloud.servers.resize(server.id, larger.id)
    assert eventually_is(cloud, server.id, ServerStatus.RUNNING, patience).flavor_id == larger.id
    desktops.wait_ready(server.id)
    cloud.servers.resize(server.id, larger.id)
    assert cloud.servers.get(server.id).status is ServerStatus.RUNNING


@pytest.mark.needs("servers.suspend", "servers.resume")
def test_a_resumed_server_is_as_ready_as_it_was(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_ready()
    cloud.servers.suspend(server.id)
    eventually_is(cloud, server.id, ServerStatus.SUSPENDED, patience)
    cloud.servers.suspend(server.id)
    _assert_busy(
        lambda: cloud.servers.start(server.id),
        lambda: cloud.servers.stop(server.id),
        lambda: cloud.servers.reboot(server.id, RebootKind.HARD),
        lambda: cloud.servers.console(server.id, ConsoleProtocol.VNC),
    )
    assert cloud.guest.ready(server.id) is False
    cloud.servers.resume(server.id)
    eventually_is(cloud, server.id, ServerStatus.RUNNING, patience)
    desktops.wait_ready(server.id)


@pytest.mark.parametrize("kind", RebootKind)
def test_a_rebooted_server_gets_ready_again(cloud: Cloud, desktops: Desktops, patience: float, kind: RebootKind) -> None:
    server = desktops.create_ready()
    cloud.servers.reboot(server.id, kind)
    assert cloud.servers.get(server.id).status is ServerStatus.RUNNING
    desktops.wait_ready(server.id)
    eventually_is(cloud, server.id, ServerStatus.RUNNING, patience)


@pytest.mark.needs("servers.snapshot", "servers.snapshots", "servers.roll_back", "servers.delete_snapshot", "guest.write_file")
def test_roll_back_returns_to_what_was_kept(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create_ready()
    cloud.guest.write_file(server.id, _FILE, b"before")
    first = cloud.servers.snapshot(server.id, "第一")
    _wait_until_not_busy(lambda: cloud.servers.snapshot(server.id, "第一"), patience)
    eventually(lambda: cloud.guest.ready(server.id), patience)
    cloud.guest.write_file(server.id, _FILE, b"after")

    kept = cloud.servers.snapshots(server.id)
    assert [(snapshot.name, snapshot.server_id) for snapshot in kept] == [("第一", server.id)] * 2
    assert kept[0].id == first.id != kept[1].id
    assert kept[0].created_at <= kept[1].created_at

    with pytest.raises(SnapshotNotFound):
        cloud.servers.roll_back(server.id, "no-such-snapshot")
    cloud.servers.roll_back(server.id, first.id)
    eventually_is(cloud, server.id, ServerStatus.RUNNING, patience)
    desktops.wait_ready(server.id)
    assert cloud.guest.read_file(server.id, _FILE, max_bytes=100) == b"before"
    assert len(cloud.servers.snapshots(server.id)) == 2

    for _ in range(2):
        cloud.servers.delete_snapshot(server.id, first.id)
    assert [snapshot.id for snapshot in cloud.servers.snapshots(server.id)] == [kept[1].id]


@pytest.mark.needs("servers.snapshot", "servers.roll_back")
def test_a_stopped_server_is_rolled_back_to_its_disk_and_stays_stopped(
    cloud: Cloud, desktops: Desktops, patience: float
) -> None:
    server = desktops.create_stopped()
    snapshot = cloud.servers.snapshot(server.id, "off")
    assert snapshot.has_memory is False
    _wait_until_not_busy(lambda: cloud.servers.roll_back(server.id, snapshot.id), patience)
    eventually_is(cloud, server.id, ServerStatus.STOPPED, patience)
    _wait_until_not_busy(lambda: cloud.servers.start(server.id), patience)
    eventually_is(cloud, server.id, ServerStatus.RUNNING, patience)


@pytest.mark.needs("servers.delete_snapshot")
def test_deleting_a_snapshot_of_nothing_is_no_error(cloud: Cloud) -> None:
    cloud.servers.delete_snapshot("no-such-server", "no-such-snapshot")


def _boot_id(cloud: Cloud, server: Server) -> bytes:
    return cloud.guest.run(server.id, ["cat", _BOOT_ID]).stdout


def _assert_busy(*calls: Callable[[], object]) -> None:
    for call in calls:
        with pytest.raises(ServerBusy):
            call()


def _wait_until_not_busy(call: Callable[[], object], patience: float) -> None:
    def is_accepted() -> bool:
        try:
            call()
        except ServerBusy:
            return False
        return True

    eventually(is_accepted, patience, what="an accepted verb")
