"""The host process dies, in every way and at every moment; its machines do not, and nothing is doubled or left behind."""

import os
import random
import signal
import threading
import time
from contextlib import suppress
from functools import partial

import pytest

from tests.drivers.desktops import Desktops
from tests.drivers.waiting import eventually_is
from tests.integration.host.conftest import PATIENCE_SECONDS
from tests.support.local_cloud import HostProcess, open_files, pids_working_below
from tests.support.waiting import eventually
from yunzhuo.host import server as host_server
from yunzhuo.host.processes import working_below
from yunzhuo.phoenix.cloud.errors import CloudUnavailable, ServerBusy
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import ConsoleProtocol, ServerRequest, ServerStatus

pytestmark = [pytest.mark.machine, pytest.mark.timeout(900)]


def machines(host: HostProcess) -> dict[str, list[int]]:
    """Pids by the name of the folder they work in."""
    found: dict[str, list[int]] = {}
    for process in working_below(host.settings.host_dir / "desktops"):
        found.setdefault(process.folder.name, []).append(process.identity.pid)
    return found


def golden_memory(pid: int) -> set[tuple[str, int]]:
    """Names and inodes of the goldens' memory that a process has open."""
    goldens = [(name, link) for link, name in open_files(pid).items() if "yunzhuo-golden" in name]
    return {(name, link.stat().st_ino) for name, link in goldens}


def test_machines_outlive_a_killed_host_and_are_adopted(host: HostProcess, cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_ready()
    console = cloud.servers.console(server.id, ConsoleProtocol.VNC)
    cloud.guest.write_file(server.id, "/run/before", b"the same boot")
    before, memory = machines(host), golden_memory(host.pid)
    host.kill()
    with pytest.raises(CloudUnavailable, match="yunzhuo host"):
        cloud.servers.get(server.id)
    host.start()
    assert machines(host) == before
    assert golden_memory(host.pid) == memory, "taken over from the clone, not read again"
    assert cloud.servers.get(server.id).status is ServerStatus.RUNNING
    desktops.wait_ready(server.id)
    assert cloud.servers.console(server.id, ConsoleProtocol.VNC) == console
    assert cloud.guest.read_file(server.id, "/run/before", max_bytes=100) == b"the same boot"


@pytest.mark.parametrize("how", ["signal", "supervisor gone"])
def test_a_host_that_is_told_to_end_leaves_its_machines(host: HostProcess, desktops: Desktops, how: str) -> None:
    server = desktops.create_running()
    before = machines(host)
    assert (host.signal(signal.SIGTERM) if how == "signal" else host.close_stdin()) == 0
    assert machines(host) == before
    host.start()
    assert machines(host) == before
    with host.connected() as cloud:
        assert cloud.servers.get(server.id).status is ServerStatus.RUNNING


def test_an_adopted_machine_that_is_killed_is_seen_at_once(host: HostProcess, cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_running()
    host.kill()
    host.start()
    os.kill(machines(host)[server.id][0], signal.SIGKILL)
    eventually_is(cloud, server.id, ServerStatus.STOPPED, 2)
    assert eventually(lambda: cloud.servers.get(server.id).fault, 2) == "The machine ended unexpectedly."


def test_a_machine_that_ended_while_nobody_watched_is_stopped(host: HostProcess, cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_running()
    host.kill()
    os.kill(machines(host)[server.id][0], signal.SIGKILL)
    eventually(lambda: not machines(host), 5)
    host.start()
    seen = cloud.servers.get(server.id)
    assert (seen.status, seen.fault) == (ServerStatus.STOPPED, "The machine ended while the host process was away.")


def test_killed_in_the_middle_of_creates_nothing_is_doubled_or_left(
    host: HostProcess, cloud: Cloud, desktops: Desktops
) -> None:
    seed = int(os.environ.get("YUNZHUO_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(10):
        request = desktops.request()
        creating = threading.Thread(target=_try_create, args=(cloud, request))
        creating.start()
        time.sleep(chance.uniform(0, 0.6))
        host.kill()
        creating.join()
        host.start()
        again = cloud.servers.create(request)
        assert [one.id for one in cloud.servers.list() if one.desktop_id == request.desktop_id] == [again.id]
        eventually_is(cloud, again.id, ServerStatus.RUNNING, PATIENCE_SECONDS)
        assert {name: len(pids) for name, pids in machines(host).items()} == {again.id: 1}
        desktops.remove(request.desktop_id)
        assert machines(host) == {}
        assert list((host.settings.host_dir / "desktops").iterdir()) == []


def _try_create(cloud: Cloud, request: ServerRequest) -> None:
    with suppress(CloudUnavailable, ServerBusy):
        cloud.servers.create(request)


def test_killed_in_the_middle_of_a_stop_the_stop_goes_on(host: HostProcess, cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_ready()
    cloud.servers.stop(server.id)
    host.kill()
    host.start()
    stopped = eventually_is(cloud, server.id, ServerStatus.STOPPED, 60)
    assert stopped.fault is None


def test_half_made_and_strange_things_are_tidied(host: HostProcess, cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_running()
    root = host.settings.host_dir / "desktops"
    host.kill()
    (root / "no-record").mkdir()
    (root / ".gone-something").mkdir()
    (root / ".gone-something" / "disk.qcow2").write_text("x")
    # A record that is gone makes its machine a stray.
    (root / server.id / "server.json").unlink()
    host.start()
    assert cloud.servers.list() == ()
    assert list(root.iterdir()) == []
    assert pids_working_below(root) == []


def test_an_unreadable_record_is_reported_and_left_alone(host: HostProcess, cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_running()
    record = host.settings.host_dir / "desktops" / server.id / "server.json"
    content = record.read_bytes()
    host.kill()
    record.write_bytes(b'{"format": 99}')
    host.start()
    assert cloud.servers.list() == ()
    assert server.id in machines(host)
    assert any(server.id in problem for problem in cloud.hosts.list()[0].problems)
    host.kill()
    record.write_bytes(content)
    host.start()
    assert cloud.servers.get(server.id).status is ServerStatus.RUNNING


def test_deleting_in_the_middle_of_making_leaves_nothing(host: HostProcess, cloud: Cloud, desktops: Desktops) -> None:
    for pause_seconds in (0.0, 0.05, 0.1, 0.2, 0.4):
        request = desktops.request()
        creating = threading.Thread(target=_try_create, args=(cloud, request))
        creating.start()
        found = eventually(partial(cloud.servers.find, request.desktop_id), 5)
        time.sleep(pause_seconds)
        cloud.servers.delete(found.id)
        creating.join()
        assert cloud.servers.find(request.desktop_id) is None
        assert machines(host) == {}
        assert list((host.settings.host_dir / "desktops").iterdir()) == []


def test_stop_all_with_a_host_process(host: HostProcess, cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_ready()
    assert host_server.stop_all(host.settings) == 1
    assert machines(host) == {}
    seen = cloud.servers.get(server.id)
    assert (seen.status, seen.fault) == (ServerStatus.STOPPED, None)


def test_stop_all_without_a_host_process(host: HostProcess, cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_ready()
    host.kill()
    assert host_server.stop_all(host.settings) == 1
    assert pids_working_below(host.settings.host_dir) == [], "not even the network"
    host.start()
    seen = cloud.servers.get(server.id)
    assert (seen.status, seen.fault) == (ServerStatus.STOPPED, None)


def test_a_second_host_on_the_same_folder_says_so_and_ends(host: HostProcess) -> None:
    second = HostProcess(host.settings)
    second.start_without_waiting()
    assert second.wait() == 1
    assert "is held by process" in second.log
