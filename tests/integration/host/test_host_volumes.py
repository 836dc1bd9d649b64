"""Volumes on a host that dies, on machines that die, and in places where they must not be."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tests.drivers.desktops import Desktops
from tests.integration.host.conftest import PATIENCE_SECONDS
from tests.support.local_cloud import HostProcess, pids_working_below
from tests.support.waiting import eventually
from yunzhuo.phoenix.cloud.errors import CloudUnavailable, GuestUnreachable, ServerBusy, VolumeBusy
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import RebootKind, Server, Volume, VolumeRequest, VolumeStatus
from yunzhuo.phoenix.common.ids import new_id

pytestmark = [pytest.mark.machine, pytest.mark.timeout(900)]

NOTE = "Personal/note.txt"


@pytest.fixture
def volume(host: HostProcess, cloud: Cloud) -> Iterator[Volume]:
    made = cloud.volumes.create(VolumeRequest(new_id(), "personal", 10240))
    yield made
    host.start_if_ended()
    with suppress(VolumeBusy):
        cloud.volumes.delete(made.id)


def plug(cloud: Cloud, volume: Volume, server: Server) -> None:
    cloud.volumes.attach(volume.id, server.id)
    wait_mounted(cloud, server)


def wait_mounted(cloud: Cloud, server: Server) -> None:
    def is_mounted() -> bool:
        with suppress(GuestUnreachable, CloudUnavailable):  # not there yet, or too busy to say so in time
            return cloud.guest.run(server.id, ["/etc/desktop/personal", "usage"]).exit_code == 0
        return False

    eventually(is_mounted, PATIENCE_SECONDS, what="a mounted volume")


def note(cloud: Cloud, server: Server) -> bytes:
    return cloud.guest.read_piece(server.id, NOTE, offset=0, max_bytes=100).content


def test_a_volume_stays_plugged_when_the_host_dies_and_is_nobody_elses(
    host: HostProcess, cloud: Cloud, desktops: Desktops, volume: Volume
) -> None:
    server, other = desktops.create_ready(), desktops.create_ready()
    plug(cloud, volume, server)
    cloud.guest.write_piece(server.id, NOTE, b"kept", offset=0)
    host.kill()
    host.start()
    assert cloud.volumes.get(volume.id).server_id == server.id
    with pytest.raises(VolumeBusy):
        cloud.volumes.attach(volume.id, other.id)
    desktops.wait_ready(server.id)
    assert note(cloud, server) == b"kept"
    cloud.volumes.detach(volume.id, server.id)
    plug(cloud, volume, other)
    assert note(cloud, other) == b"kept"


def test_killed_at_any_moment_of_plugging_and_unplugging_the_next_host_goes_on(
    host: HostProcess, cloud: Cloud, desktops: Desktops, volume: Volume
) -> None:
    server = desktops.create_ready()
    chance = random.Random(6)
    for _ in range(3):
        _die_over(host, lambda: cloud.volumes.attach(volume.id, server.id), chance.uniform(0, 0.08))
        desktops.wait_ready(server.id)
        plug(cloud, volume, server)
        assert cloud.volumes.get(volume.id).status is VolumeStatus.IN_USE
        cloud.guest.write_piece(server.id, NOTE, b"whole", offset=0)
        _die_over(host, lambda: cloud.volumes.detach(volume.id, server.id), chance.uniform(0, 0.8))
        desktops.wait_ready(server.id)
        cloud.volumes.detach(volume.id, server.id)
        assert cloud.volumes.get(volume.id).status is VolumeStatus.AVAILABLE
    plug(cloud, volume, server)
    assert note(cloud, server) == b"whole"


def test_a_machine_that_dies_frees_its_volume(host: HostProcess, cloud: Cloud, desktops: Desktops, volume: Volume) -> None:
    server = desktops.create_ready()
    plug(cloud, volume, server)
    cloud.guest.write_piece(server.id, NOTE, b"written", offset=0)
    cloud.guest.run(server.id, ["sync"])
    for pid in pids_working_below(host.settings.host_dir / "desktops" / server.id):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: cloud.volumes.get(volume.id).status is VolumeStatus.AVAILABLE, 20, what="a free volume")
    other = desktops.create_ready()
    plug(cloud, volume, other)
    assert note(cloud, other) == b"written"


def test_memory_that_knows_a_volume_is_neither_kept_nor_put_back(cloud: Cloud, desktops: Desktops, volume: Volume) -> None:
    server = desktops.create_ready()
    kept = cloud.servers.snapshot(server.id, "without")
    eventually(lambda: cloud.servers.snapshots(server.id)[0].size_mib > 0, PATIENCE_SECONDS, what="a snapshot")
    plug(cloud, volume, server)
    with pytest.raises(ServerBusy):
        cloud.servers.suspend(server.id)
    with pytest.raises(ServerBusy):
        cloud.servers.snapshot(server.id, "with")
    with pytest.raises(ServerBusy):
        cloud.servers.roll_back(server.id, kept.id)
    assert cloud.volumes.get(volume.id).server_id == server.id
    cloud.volumes.detach(volume.id, server.id)
    cloud.servers.suspend(server.id)


def test_a_guest_that_boots_again_has_its_volume_again(cloud: Cloud, desktops: Desktops, volume: Volume) -> None:
    server = desktops.create_ready()
    plug(cloud, volume, server)
    cloud.guest.write_piece(server.id, NOTE, b"here", offset=0)
    cloud.guest.run(server.id, ["sync"])
    cloud.servers.reboot(server.id, RebootKind.HARD)
    eventually(lambda: not cloud.guest.ready(server.id), 30, what="a reboot")
    desktops.wait_ready(server.id)
    wait_mounted(cloud, server)
    assert note(cloud, server) == b"here"


def _die_over(host: HostProcess, ask: Callable[[], None], seconds: float) -> None:
    """Kill the host process so long after it was asked for something, and start another."""

    def ask_in_vain() -> None:
        with suppress(CloudUnavailable):
            ask()

    asking = threading.Thread(target=ask_in_vain)
    asking.start()
    time.sleep(seconds)
    host.kill()
    asking.join()
    host.start()
