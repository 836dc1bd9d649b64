"""Time, options, disturbances, the call log and consoles of a memory cloud."""

import statistics
import time
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.drivers.memory.conftest import START, Bench, make_request
from yunzhuo.phoenix import cloud as clouds
from yunzhuo.phoenix.cloud import memory
from yunzhuo.phoenix.cloud.errors import (
    CloudNotOffered,
    CloudUnavailable,
    GuestUnreachable,
    ServerBusy,
    ServerNotFound,
)
from yunzhuo.phoenix.cloud.memory import MemoryCloud
from yunzhuo.phoenix.cloud.resources import Address, ConsoleProtocol, RebootKind, ServerStatus
from yunzhuo.phoenix.config.settings import CloudSettings, Settings

# Time


def test_changes_take_as_long_as_the_options_say(bench: Bench) -> None:
    bench.control.change_options(build_seconds=10, ready_seconds=5)
    server = bench.cloud.servers.create(make_request())
    assert (server.status, server.addresses) == (ServerStatus.BUILDING, ())
    bench.wait(9.9)
    assert bench.cloud.servers.get(server.id).status is ServerStatus.BUILDING
    bench.wait(0.2)
    running = bench.cloud.servers.get(server.id)
    assert (running.status, running.addresses) == (ServerStatus.RUNNING, (Address("Desktops", "10.64.0.11"),))
    assert running.created_at == START
    assert running.observed_at == START + timedelta(seconds=10.1)
    assert bench.cloud.guest.ready(server.id) is False
    with pytest.raises(GuestUnreachable):
        bench.cloud.guest.run(server.id, ["true"])
    bench.wait(5)
    assert bench.cloud.guest.ready(server.id) is True


def test_time_passes_while_nobody_looks(bench: Bench) -> None:
    server = bench.cloud.servers.create(make_request())
    bench.cloud.close()
    bench.wait(3600)
    another = memory.connect(bench.settings, clock=bench.clock)
    assert another.guest.ready(server.id) is True
    another.close()


def test_new_options_do_not_change_what_is_under_way(bench: Bench) -> None:
    server = bench.cloud.servers.create(make_request())
    bench.control.change_options(build_seconds=100)
    bench.wait(0.3)
    assert bench.cloud.servers.get(server.id).status is ServerStatus.RUNNING


def test_options_that_make_no_sense_are_refused_and_change_nothing(bench: Bench) -> None:
    before = bench.control.options
    for wrong in ({"build_seconds": -1}, {"no_such_option": 1}, {"console_port": 0}):
        with pytest.raises(ValidationError):
            bench.control.change_options(**wrong)
    assert bench.control.options == before


def test_a_server_stays_between_two_states_until_the_change_is_over(bench: Bench) -> None:
    server = bench.create_ready()
    bench.cloud.servers.stop(server.id)
    assert bench.cloud.servers.get(server.id).status is ServerStatus.RUNNING
    assert bench.cloud.guest.ready(server.id) is False
    for verb in (bench.cloud.servers.start, bench.cloud.servers.suspend):
        with pytest.raises(ServerBusy):
            verb(server.id)
    bench.cloud.servers.stop(server.id)
    bench.wait(1)
    assert bench.cloud.servers.get(server.id).status is ServerStatus.STOPPED


def test_a_server_under_deletion_is_found_and_left_alone(bench: Bench) -> None:
    server = bench.create_ready()
    bench.control.change_options(delete_seconds=10)
    bench.cloud.servers.delete(server.id)
    found = bench.cloud.servers.find("one")
    assert found is not None
    assert found.id == server.id
    for call in (
        lambda: bench.cloud.servers.create(make_request()),
        lambda: bench.cloud.servers.start(server.id),
        lambda: bench.cloud.servers.resize(server.id, server.flavor_id),
        lambda: bench.cloud.servers.console(server.id, ConsoleProtocol.VNC),
    ):
        with pytest.raises(ServerBusy):
            call()
    bench.wait(5)
    bench.cloud.servers.delete(server.id)
    bench.wait(5)
    assert bench.cloud.servers.find("one") is None
    assert bench.cloud.servers.create(make_request()).id != server.id


# Behind the back


def test_a_machine_that_dies_is_stopped(bench: Bench) -> None:
    server = bench.create_ready()
    bench.control.disturb.kill(server.id)
    assert bench.cloud.servers.get(server.id).status is ServerStatus.STOPPED
    assert sum(host.memory_mib - host.memory_free_mib for host in bench.cloud.hosts.list()) == 0
    bench.cloud.servers.start(server.id)
    bench.wait(1)
    assert bench.cloud.guest.ready(server.id)


def test_a_machine_that_breaks_can_be_rebooted_hard_rebuilt_or_deleted(bench: Bench) -> None:
    server = bench.create_ready()
    bench.control.disturb.fail(server.id, "disk full")
    broken = bench.cloud.servers.get(server.id)
    assert (broken.status, broken.fault) == (ServerStatus.ERROR, "disk full")
    for call in (
        lambda: bench.cloud.servers.start(server.id),
        lambda: bench.cloud.servers.reboot(server.id, RebootKind.SOFT),
        lambda: bench.cloud.servers.resize(server.id, "medium"),
        lambda: bench.cloud.servers.snapshot(server.id, "no"),
    ):
        with pytest.raises(ServerBusy):
            call()
    bench.cloud.servers.reboot(server.id, RebootKind.HARD)
    bench.wait(1)
    repaired = bench.cloud.servers.get(server.id)
    assert (repaired.status, repaired.fault) == (ServerStatus.RUNNING, None)


def test_a_server_that_somebody_deletes_is_gone_at_once(bench: Bench) -> None:
    server = bench.create_ready()
    bench.cloud.guest.write_file(server.id, "/root/file", b"x")
    bench.control.disturb.delete(server.id)
    with pytest.raises(ServerNotFound):
        bench.cloud.servers.get(server.id)
    with pytest.raises(ServerNotFound):
        bench.control.disturb.kill(server.id)


def test_deleting_stops_what_is_under_way(bench: Bench) -> None:
    bench.control.change_options(delete_seconds=10)
    server = bench.cloud.servers.create(make_request())
    bench.cloud.servers.delete(server.id)
    bench.wait(5)
    assert bench.cloud.servers.get(server.id).status is ServerStatus.BUILDING


def test_a_server_that_somebody_renames(bench: Bench) -> None:
    server = bench.create_ready()
    bench.control.disturb.rename(server.id, "mine")
    assert bench.cloud.servers.get(server.id).name == "mine"


def test_servers_of_others_are_never_listed_returned_or_touched(bench: Bench) -> None:
    stranger = bench.control.disturb.add_stranger()
    assert bench.cloud.servers.list() == ()
    bench.cloud.servers.delete(stranger)
    for call in (bench.cloud.servers.get, bench.cloud.servers.stop, bench.cloud.guest.ready):
        with pytest.raises(ServerNotFound):
            call(stranger)
    bench.wait(1)
    assert bench.control.disturb.has_stranger(stranger)
    assert sum(host.servers for host in bench.cloud.hosts.list()) == 1


def test_a_guest_that_hangs_and_wakes(bench: Bench) -> None:
    server = bench.create_ready()
    bench.control.disturb.hang_guest(server.id)
    bench.wait(3600)
    assert bench.cloud.guest.ready(server.id) is False
    bench.control.disturb.wake_guest(server.id)
    assert bench.cloud.guest.ready(server.id) is True
    bench.control.disturb.hang_guest(server.id)
    bench.cloud.servers.reboot(server.id, RebootKind.HARD)
    bench.wait(1)
    assert bench.cloud.guest.ready(server.id) is True


def test_guests_that_never_get_ready(bench: Bench) -> None:
    bench.control.change_options(guests_get_ready=False)
    server = bench.cloud.servers.create(make_request())
    bench.control.disturb.hang_guest(server.id)
    bench.wait(3600)
    assert bench.cloud.servers.get(server.id).status is ServerStatus.RUNNING
    assert bench.cloud.guest.ready(server.id) is False


def test_finish_ends_what_takes_for_ever(bench: Bench) -> None:
    bench.control.change_options(build_seconds=3600, delete_seconds=3600)
    server = bench.cloud.servers.create(make_request())
    bench.control.disturb.finish(server.id)
    assert bench.cloud.guest.ready(server.id) is True
    bench.cloud.servers.delete(server.id)
    bench.control.disturb.finish(server.id)
    assert bench.cloud.servers.list() == ()


# What was seen


def test_every_call_is_written_down(bench: Bench) -> None:
    server = bench.cloud.servers.create(make_request())
    before_round = bench.control.calls.last_id()
    bench.cloud.servers.list()
    bench.cloud.images.list()
    with pytest.raises(ServerNotFound):
        bench.cloud.servers.get("nobody")
    calls = bench.control.calls.list(after_id=before_round)
    assert [(call.operation, call.subject, call.outcome) for call in calls] == [
        ("servers.list", "", "ok"),
        ("images.list", "", "ok"),
        ("servers.get", "nobody", "server_not_found"),
    ]
    assert bench.control.calls.count("servers.list", after_id=before_round) == 1
    assert bench.control.calls.count("servers.*") == 3
    assert bench.control.calls.count("servers.create", subject="one") == 1
    assert bench.control.calls.count(subject=server.id) == 0
    bench.control.calls.clear()
    assert bench.control.calls.list() == ()
    assert bench.control.calls.last_id() == before_round + 3


def test_the_call_log_does_not_grow_for_ever(bench: Bench) -> None:
    bench.control.change_options(calls_kept=50)
    for _ in range(200):
        bench.cloud.check()
    assert 50 <= bench.control.calls.count() < 100


def test_messages_and_metadata_can_be_seen(bench: Bench) -> None:
    server = bench.cloud.servers.create(make_request(metadata=(("course", "语文"),)))
    bench.wait(1)
    for text in ("first", "第二"):
        bench.cloud.guest.message(server.id, text)
    assert bench.control.messages(server.id) == ("first", "第二")
    assert bench.control.metadata(server.id) == {"course": "语文"}


# Consoles


def test_consoles_point_where_the_options_say(bench: Bench) -> None:
    server = bench.create_ready()
    console = bench.cloud.servers.console(server.id, ConsoleProtocol.SPICE)
    assert (console.host, console.port, console.unix_path) == ("127.0.0.1", 1, None)
    bench.control.change_options(console_port=5999, console_host="::1", console_password="known")
    console = bench.cloud.servers.console(server.id, ConsoleProtocol.VNC)
    assert (console.host, console.port, console.password) == ("::1", 5999, "known")
    bench.control.change_options(console_unix_path="/run/screen.sock")
    console = bench.cloud.servers.console(server.id, ConsoleProtocol.VNC)
    assert (console.host, console.port, console.unix_path) == (None, None, "/run/screen.sock")


def test_a_console_password_lasts_one_boot(bench: Bench) -> None:
    server = bench.create_ready()
    before = bench.cloud.servers.console(server.id, ConsoleProtocol.VNC).password
    assert bench.cloud.servers.console(server.id, ConsoleProtocol.VNC).password == before
    bench.cloud.servers.reboot(server.id, RebootKind.SOFT)
    assert bench.cloud.servers.console(server.id, ConsoleProtocol.VNC).password != before


def test_a_protocol_that_is_switched_off_is_not_offered(bench: Bench) -> None:
    server = bench.create_ready()
    bench.control.change_options(console_protocols=(ConsoleProtocol.VNC,))
    with pytest.raises(CloudNotOffered):
        bench.cloud.servers.console(server.id, ConsoleProtocol.RDP)


# Inside


def test_a_boot_forgets_temporary_files_and_the_clipboard(bench: Bench) -> None:
    server = bench.create_ready()
    bench.cloud.guest.write_file(server.id, "/tmp/gone", b"x")
    bench.cloud.guest.write_file(server.id, "/root/kept", b"x")
    bench.cloud.guest.set_clipboard(server.id, "text")
    bench.cloud.servers.reboot(server.id, RebootKind.SOFT)
    bench.wait(1)
    assert bench.cloud.guest.get_clipboard(server.id) == ""
    assert bench.cloud.guest.run(server.id, ["cat", "/tmp/gone"]).exit_code == 1
    assert bench.cloud.guest.run(server.id, ["cat", "/root/kept"]).exit_code == 0


def test_a_snapshot_with_memory_brings_back_the_boot_and_the_clipboard(bench: Bench) -> None:
    server = bench.create_ready()
    bench.cloud.guest.set_clipboard(server.id, "then")
    bench.cloud.guest.write_file(server.id, "/tmp/file", b"then")
    boot_id = bench.cloud.guest.run(server.id, ["cat", "/proc/sys/kernel/random/boot_id"])
    snapshot = bench.cloud.servers.snapshot(server.id, "then")
    assert snapshot.has_memory
    bench.wait(1)
    bench.cloud.servers.stop(server.id)
    bench.wait(1)
    bench.cloud.servers.roll_back(server.id, snapshot.id)
    bench.wait(1)
    assert bench.cloud.servers.get(server.id).status is ServerStatus.RUNNING
    assert bench.cloud.guest.get_clipboard(server.id) == "then"
    assert bench.cloud.guest.read_file(server.id, "/tmp/file", max_bytes=10) == b"then"
    assert bench.cloud.guest.run(server.id, ["cat", "/proc/sys/kernel/random/boot_id"]) == boot_id


# The file


def test_the_driver_is_found_by_its_name_and_makes_no_call_yet(tmp_path: Path) -> None:
    home = tmp_path / "not" / "there" / "yet"
    cloud = clouds.connect(Settings(home=home, cloud=CloudSettings(driver="memory")))
    assert isinstance(cloud, MemoryCloud)
    assert not home.exists()
    cloud.check()
    assert (home / "memory-cloud.db").exists()
    assert [path.name for path in home.iterdir() if path.name.startswith(".")] == []
    cloud.close()
    cloud.close()


def test_the_file_can_be_anywhere_and_belongs_to_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "云.db"
    cloud = memory.connect(Settings(home=tmp_path / "home", cloud=CloudSettings(driver="memory", memory_state=str(path))))
    cloud.check()
    cloud.close()
    assert path.stat().st_mode & 0o077 == 0


def test_a_file_that_cannot_be_used_is_an_unavailable_cloud(tmp_path: Path) -> None:
    (tmp_path / "memory-cloud.db").write_bytes(b"not a database" * 1000)
    (tmp_path / "file").touch()
    for home in (tmp_path, tmp_path / "file" / "below"):
        cloud = memory.connect(Settings(home=home, cloud=CloudSettings(driver="memory")))
        with pytest.raises(CloudUnavailable):
            cloud.check()
        cloud.close()


def test_a_create_takes_less_than_five_milliseconds(tmp_path: Path) -> None:
    cloud = memory.connect(Settings(home=tmp_path))
    image, flavor = cloud.images.list()[0].id, cloud.flavors.list()[0].id
    took = []
    for number in range(100):
        request = make_request(str(number))
        assert (request.image_id, request.flavor_id) == (image, flavor)
        started_at = time.perf_counter()
        cloud.servers.create(request)
        took.append(time.perf_counter() - started_at)
    cloud.close()
    assert statistics.median(took) < 0.005
