"""Suspend, snapshot, roll back, rebuild: what ran goes on, and a host process that dies over it leaves before or after."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.drivers.desktops import Desktops
from tests.drivers.waiting import eventually_is
from tests.integration.host.conftest import PATIENCE_SECONDS
from tests.support.local_cloud import HostProcess, pids_working_below
from tests.support.waiting import eventually
from yunzhuo.phoenix.cloud.errors import CloudUnavailable, GuestUnreachable, NoCapacity, ServerBusy
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import FaultCode, Server, ServerStatus, Snapshot

pytestmark = [pytest.mark.machine, pytest.mark.timeout(900)]

_ON_DISK, _IN_MEMORY = "/root/on-disk", "/dev/shm/in-memory"
_MOMENTS = (0.03, 0.4)


def said(cloud: Cloud, server: Server, script: str) -> str:
    result = cloud.guest.run(server.id, ["/bin/sh", "-c", script], timeout_seconds=30)
    assert result.exit_code == 0, result.stderr
    return result.stdout.decode().strip()


def write_both(cloud: Cloud, server: Server, text: str) -> None:
    said(cloud, server, f"echo {text} > {_ON_DISK}; echo {text} > {_IN_MEMORY}; sync")


def read_both(cloud: Cloud, server: Server) -> list[str]:
    return said(cloud, server, f"cat {_ON_DISK} {_IN_MEMORY}").split()


def take(cloud: Cloud, desktops: Desktops, server: Server, name: str) -> Snapshot:
    """A snapshot that stands: on a busy computer that may be a while after it was accepted."""
    taken = cloud.servers.snapshot(server.id, name)
    desktops.wait_ready(server.id)
    return next(kept for kept in cloud.servers.snapshots(server.id) if kept.id == taken.id)


def folder_of(host: HostProcess, server: Server) -> Path:
    return host.settings.host_dir / "desktops" / server.id


def test_a_suspended_desktop_goes_on_after_a_restart_of_everything(host: HostProcess, cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_ready()
    write_both(cloud, server, "open")
    program = said(cloud, server, "setsid sleep 10000 </dev/null >/dev/null 2>&1 & echo $!")
    cloud.servers.suspend(server.id)
    eventually_is(cloud, server.id, ServerStatus.SUSPENDED, 60)
    assert pids_working_below(folder_of(host, server)) == [], "its memory is free"
    host.kill()
    host.start()
    assert cloud.servers.get(server.id).status is ServerStatus.SUSPENDED
    cloud.servers.resume(server.id)
    desktops.wait_ready(server.id)
    assert said(cloud, server, f"tr '\\0' ' ' < /proc/{program}/cmdline") == "sleep 10000"
    assert read_both(cloud, server) == ["open", "open"]
    assert abs(float(said(cloud, server, "date +%s.%N")) - time.time()) < 3
    assert not list(folder_of(host, server).glob("*.state")), "the file is worth nothing now"


def test_memory_that_fits_no_more_is_told_in_plain_words(host: HostProcess, cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_ready()
    cloud.servers.suspend(server.id)
    eventually_is(cloud, server.id, ServerStatus.SUSPENDED, 60)
    with changed_record(host, server) as record:
        key, record["saved"]["key"] = record["saved"]["key"], "of another QEMU"
    seen = cloud.servers.get(server.id)
    assert seen.status is ServerStatus.STOPPED
    assert seen.fault is not None
    assert "can be started afresh from its disk" in seen.fault
    assert seen.fault_code is FaultCode.MEMORY_LOST
    with pytest.raises(ServerBusy, match="QEMU"):
        cloud.servers.resume(server.id)
    with changed_record(host, server) as record:
        record["saved"]["key"] = key
    assert cloud.servers.get(server.id).status is ServerStatus.SUSPENDED, "the earlier QEMU is back"
    (folder_of(host, server) / "suspended.state").write_bytes(b"torn")
    with changed_record(host, server):
        pass
    cloud.servers.start(server.id)
    assert eventually_is(cloud, server.id, ServerStatus.RUNNING, 60).fault is None
    assert not list(folder_of(host, server).glob("*.state"))


def test_a_roll_back_returns_disk_and_memory_under_the_viewers_eyes(
    host: HostProcess, cloud: Cloud, desktops: Desktops
) -> None:
    server = desktops.create_ready()
    write_both(cloud, server, "before")
    snapshot = take(cloud, desktops, server, "before the exam")
    assert (snapshot.has_memory, snapshot.size_mib > 50) == (True, True)
    write_both(cloud, server, "after")
    machine = pids_working_below(folder_of(host, server))
    cloud.servers.roll_back(server.id, snapshot.id)
    desktops.wait_ready(server.id)
    assert read_both(cloud, server) == ["before", "before"]
    assert pids_working_below(folder_of(host, server)) == machine
    assert abs(float(said(cloud, server, "date +%s.%N")) - time.time()) < 3

    cloud.servers.stop(server.id)
    eventually_is(cloud, server.id, ServerStatus.STOPPED, 60)
    cloud.servers.roll_back(server.id, snapshot.id)
    eventually_is(cloud, server.id, ServerStatus.RUNNING, 60)
    desktops.wait_ready(server.id)
    assert read_both(cloud, server) == ["before", "before"], "in a new machine"

    occupied = disk_blocks(host, server)
    cloud.servers.delete_snapshot(server.id, snapshot.id)
    assert cloud.servers.snapshots(server.id) == ()
    assert disk_blocks(host, server) < occupied, "its room is free"


@pytest.mark.parametrize("verb", ["snapshot", "roll back", "start by roll back", "delete", "suspend", "resume", "rebuild"])
def test_a_host_killed_in_the_middle_leaves_before_or_after(
    host: HostProcess, cloud: Cloud, desktops: Desktops, verb: str
) -> None:
    server = desktops.create_ready()
    write_both(cloud, server, "one")
    machine_id = said(cloud, server, "cat /etc/machine-id")
    first = take(cloud, desktops, server, "first")
    asks: dict[str, Callable[[], object]] = {
        "snapshot": lambda: cloud.servers.snapshot(server.id, "second"),
        "roll back": lambda: cloud.servers.roll_back(server.id, first.id),
        "start by roll back": lambda: cloud.servers.roll_back(server.id, first.id),
        "delete": lambda: cloud.servers.delete_snapshot(server.id, first.id),
        "suspend": lambda: cloud.servers.suspend(server.id),
        "resume": lambda: cloud.servers.resume(server.id),
        "rebuild": lambda: cloud.servers.rebuild(server.id, server.image_id),
    }
    for moment in _MOMENTS:
        if verb == "resume":
            cloud.servers.suspend(server.id)
            eventually_is(cloud, server.id, ServerStatus.SUSPENDED, 60)
        elif verb == "start by roll back":
            cloud.servers.stop(server.id)
            eventually_is(cloud, server.id, ServerStatus.STOPPED, 60)
        asking = threading.Thread(target=_try, args=(asks[verb],))
        asking.start()
        time.sleep(moment)
        host.kill()
        asking.join()
        host.start()
        _bring_back(cloud, server, {ServerStatus.SUSPENDED: asks["resume"], ServerStatus.STOPPED: asks["roll back"]})
        desktops.wait_ready(server.id)
        assert len(pids_working_below(folder_of(host, server))) == 1
        if verb == "rebuild":
            assert cloud.guest.run(server.id, ["test", "-e", _ON_DISK]).exit_code in (0, 1)
        else:
            assert read_both(cloud, server) == ["one", "one"]
            assert said(cloud, server, "cat /etc/machine-id") == machine_id
    assert_disk_holds_its_snapshots(host, cloud, server)
    if verb in ("snapshot", "roll back"):
        again = take(cloud, desktops, server, "again")
        write_both(cloud, server, "two")
        cloud.servers.roll_back(server.id, again.id)
        desktops.wait_ready(server.id)
        assert read_both(cloud, server) == ["one", "one"]


@pytest.mark.alone
def test_a_disk_without_room_refuses_what_needs_it(host: HostProcess, cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_ready()
    before = host.settings
    free_mib = cloud.hosts.list()[0].disk_free_mib + before.host.disk_reserve_mib
    host.kill()
    host.settings = before.model_copy(
        update={"host": before.host.model_copy(update={"disk_reserve_mib": max(free_mib - 300, 0)})}
    )
    host.start()
    try:
        with pytest.raises(NoCapacity, match="disk has no room"):
            cloud.servers.snapshot(server.id, "too much")
        with pytest.raises(NoCapacity, match="disk has no room"):
            cloud.servers.suspend(server.id)
        assert cloud.servers.get(server.id).status is ServerStatus.RUNNING
        assert cloud.servers.snapshots(server.id) == ()
    finally:
        host.kill()
        host.settings = before
        host.start()


@contextmanager
def changed_record(host: HostProcess, server: Server) -> Iterator[dict[str, dict[str, str]]]:
    """The server's record, to be changed while no host process runs."""
    host.kill()
    path = folder_of(host, server) / "server.json"
    record = json.loads(path.read_text())
    yield record
    path.write_text(json.dumps(record))
    host.start()


def disk_blocks(host: HostProcess, server: Server) -> int:
    return (folder_of(host, server) / "disk.qcow2").stat().st_blocks


def assert_disk_holds_its_snapshots(host: HostProcess, cloud: Cloud, server: Server) -> None:
    """Nothing is left of a snapshot that is not listed, and what is listed is there."""
    listed = {snapshot.id for snapshot in cloud.servers.snapshots(server.id)}
    command = ["qemu-img", "info", "-U", "--output=json", str(folder_of(host, server) / "disk.qcow2")]
    info = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert {kept["name"] for kept in info.get("snapshots", ())} == listed


def _try(call: Callable[[], object]) -> None:
    with suppress(CloudUnavailable, ServerBusy, GuestUnreachable):
        call()


def _bring_back(cloud: Cloud, server: Server, asks: Mapping[ServerStatus, Callable[[], object]]) -> None:
    """Wait until nothing is under way with the server, and let it run: by what is asked where it does not."""

    def runs() -> bool:
        seen = cloud.servers.get(server.id)
        assert seen.fault is None
        if seen.status in asks:
            _try(asks[seen.status])
        return seen.status is ServerStatus.RUNNING and cloud.guest.ready(server.id)

    eventually(runs, PATIENCE_SECONDS, what="a running server")
