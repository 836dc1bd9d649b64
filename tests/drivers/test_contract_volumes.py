"""Volumes: made once, attached to one server at most, kept when servers go, put back to what was kept."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.drivers.desktops import Desktops
from tests.support.waiting import eventually
from yunzhuo.phoenix.cloud.errors import (
    CloudUnavailable,
    GuestUnreachable,
    ServerBusy,
    ServerNotFound,
    VolumeBusy,
    VolumeInUse,
    VolumeNotFound,
    VolumeSnapshotNotFound,
)
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Server, Volume, VolumeRequest, VolumeStatus
from yunzhuo.phoenix.common.errors import InvalidInput, NotFound
from yunzhuo.phoenix.common.ids import new_id

_SIZE_MIB = 10240
_NOTE = "Personal/note.txt"
pytestmark = pytest.mark.needs("volumes.create")
_PLUGGED = pytest.mark.needs("volumes.attach", "volumes.detach")
_INSIDE = pytest.mark.needs("volumes.attach", "volumes.detach", "guest.write_piece", "guest.read_piece")


@pytest.fixture
def volume(cloud: Cloud) -> Iterator[Volume]:
    """An empty volume as large as people have, removed after the test."""
    made = cloud.volumes.create(VolumeRequest(disk_id=new_id(), name="personal", size_mib=_SIZE_MIB))
    yield made
    holder = cloud.volumes.get(made.id).server_id
    if holder is not None:
        _let_go(cloud, made, holder, 60, force=True)
    cloud.volumes.delete(made.id)


def test_a_volume_is_made_once_and_found_by_its_tag(cloud: Cloud, volume: Volume) -> None:
    assert (volume.size_mib, volume.status, volume.server_id) == (_SIZE_MIB, VolumeStatus.AVAILABLE, None)
    again = VolumeRequest(disk_id=volume.disk_id, name="another", size_mib=512)
    assert cloud.volumes.create(again) == volume
    assert cloud.volumes.find(volume.disk_id) == cloud.volumes.get(volume.id) == volume
    assert [each.id for each in cloud.volumes.list()].count(volume.id) == 1
    assert cloud.volumes.find(new_id()) is None


def test_what_asks_at_once_for_one_tag_gets_one_volume(cloud: Cloud) -> None:
    request = VolumeRequest(disk_id=new_id(), name="personal", size_mib=64)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(cloud.volumes.create, [request] * 8))
    assert len({each.id for each in made}) == 1
    cloud.volumes.delete(made[0].id)
    cloud.volumes.delete(made[0].id)
    with pytest.raises(VolumeNotFound):
        cloud.volumes.get(made[0].id)


def test_sizes_that_no_volume_can_have_are_refused(cloud: Cloud) -> None:
    for size_mib in (0, -1, 1 << 40):
        request = VolumeRequest(disk_id=new_id(), name="personal", size_mib=size_mib)
        with pytest.raises(InvalidInput):
            cloud.volumes.create(request)
        assert cloud.volumes.find(request.disk_id) is None


def test_what_is_not_there_is_said(cloud: Cloud, volume: Volume, shared_server: Server) -> None:
    nobody = new_id()
    for ask in (cloud.volumes.get, cloud.volumes.snapshots):
        with pytest.raises(VolumeNotFound):
            ask(nobody)
    with pytest.raises(VolumeNotFound):
        cloud.volumes.attach(nobody, shared_server.id)
    with pytest.raises(ServerNotFound):
        cloud.volumes.attach(volume.id, nobody)
    with pytest.raises(VolumeNotFound):
        cloud.volumes.snapshot(nobody, "kept")
    with pytest.raises(VolumeSnapshotNotFound):
        cloud.volumes.restore(volume.id, nobody)
    cloud.volumes.detach(nobody, shared_server.id)
    cloud.volumes.detach(volume.id, nobody)
    cloud.volumes.detach(volume.id, shared_server.id)
    cloud.volumes.delete(nobody)
    cloud.volumes.delete_snapshot(nobody, nobody)
    cloud.volumes.delete_snapshot(volume.id, nobody)
    assert cloud.volumes.get(volume.id) == volume


@_INSIDE
def test_files_follow_from_server_to_server_and_outlive_each(
    cloud: Cloud, desktops: Desktops, volume: Volume, patience: float
) -> None:
    one, other = desktops.create_ready(), desktops.create_ready()
    _attach(cloud, volume, one, patience)
    cloud.guest.write_piece(one.id, _NOTE, b"mine", offset=0)
    cloud.volumes.attach(volume.id, one.id)
    with pytest.raises(VolumeBusy):
        cloud.volumes.attach(volume.id, other.id)
    with pytest.raises(VolumeBusy):
        cloud.volumes.delete(volume.id)
    cloud.volumes.detach(volume.id, other.id)
    assert cloud.volumes.get(volume.id).server_id == one.id

    _detach(cloud, volume, one, patience)
    cloud.volumes.detach(volume.id, one.id)
    assert cloud.volumes.get(volume.id).status is VolumeStatus.AVAILABLE
    with pytest.raises(NotFound):
        cloud.guest.read_piece(one.id, _NOTE, offset=0, max_bytes=10)

    _attach(cloud, volume, other, patience)
    assert _note(cloud, other) == b"mine"
    desktops.remove(other.desktop_id)
    eventually(lambda: cloud.volumes.get(volume.id).server_id is None, patience, what="a free volume")
    _attach(cloud, volume, one, patience)
    _detach(cloud, volume, one, patience)


@_PLUGGED
def test_only_one_of_many_gets_it(cloud: Cloud, desktops: Desktops, volume: Volume, patience: float) -> None:
    servers = [desktops.create_ready(), desktops.create_ready()]

    def attach(server: Server) -> bool:
        try:
            cloud.volumes.attach(volume.id, server.id)
        except VolumeBusy:
            return False
        return True

    for _ in range(2):
        with ThreadPoolExecutor(4) as pool:
            got = list(pool.map(attach, servers * 2))
        eventually(lambda: cloud.volumes.get(volume.id).status is VolumeStatus.IN_USE, patience, what="an attached volume")
        holder = cloud.volumes.get(volume.id).server_id
        assert sorted(set(zip([server.id for server in servers * 2], got, strict=True))) == sorted(
            (server.id, server.id == holder) for server in servers
        )
        assert holder is not None
        with pytest.raises(VolumeBusy):
            cloud.volumes.delete(volume.id)
        _let_go(cloud, volume, holder, patience, force=True)
        assert cloud.volumes.get(volume.id).status is VolumeStatus.AVAILABLE


@_PLUGGED
def test_a_server_that_is_deleted_has_let_go(cloud: Cloud, desktops: Desktops, volume: Volume, patience: float) -> None:
    server, other = desktops.create_ready(), desktops.create_ready()
    cloud.volumes.attach(volume.id, server.id)
    eventually(lambda: cloud.volumes.get(volume.id).status is VolumeStatus.IN_USE, patience, what="an attached volume")
    cloud.volumes.attach(volume.id, server.id)
    cloud.volumes.detach(volume.id, other.id)
    assert cloud.volumes.get(volume.id).server_id == server.id
    desktops.remove(server.desktop_id)
    eventually(lambda: cloud.volumes.get(volume.id).server_id is None, patience, what="a free volume")
    cloud.volumes.detach(volume.id, server.id)
    cloud.volumes.attach(volume.id, other.id)
    eventually(lambda: cloud.volumes.get(volume.id).status is VolumeStatus.IN_USE, patience, what="an attached volume")
    assert [each.server_id for each in cloud.volumes.list() if each.id == volume.id] == [other.id]


@pytest.mark.needs("volumes.snapshot", "volumes.snapshots", "volumes.restore", "volumes.delete_snapshot")
def test_snapshots_are_kept_and_forgotten(cloud: Cloud, volume: Volume) -> None:
    one = cloud.volumes.snapshot(volume.id, "one, 一")
    other = cloud.volumes.snapshot(volume.id, "other")
    assert (one.volume_id, one.name, one.size_mib) == (volume.id, "one, 一", _SIZE_MIB)
    assert cloud.volumes.snapshots(volume.id) == (one, other)
    cloud.volumes.restore(volume.id, other.id)
    assert cloud.volumes.get(volume.id) == volume
    assert cloud.volumes.snapshots(volume.id) == (one, other)
    with pytest.raises(VolumeSnapshotNotFound):
        cloud.volumes.restore(volume.id, new_id())
    cloud.volumes.delete_snapshot(volume.id, other.id)
    cloud.volumes.delete_snapshot(volume.id, other.id)
    assert cloud.volumes.snapshots(volume.id) == (one,)
    cloud.volumes.restore(volume.id, one.id)
    assert cloud.volumes.snapshots(volume.id) == (one,)


@_INSIDE
@pytest.mark.needs("volumes.snapshot", "volumes.restore")
def test_back_to_what_was_kept(cloud: Cloud, desktops: Desktops, volume: Volume, patience: float) -> None:
    server = desktops.create_ready()
    empty = cloud.volumes.snapshot(volume.id, "empty")
    _attach(cloud, volume, server, patience)
    cloud.guest.write_piece(server.id, _NOTE, b"before", offset=0)
    kept = cloud.volumes.snapshot(volume.id, "kept")
    assert (kept.volume_id, kept.name, kept.size_mib) == (volume.id, "kept", _SIZE_MIB)
    assert cloud.volumes.snapshots(volume.id) == (empty, kept)
    cloud.guest.write_piece(server.id, _NOTE, b"after", offset=0)
    with pytest.raises(VolumeBusy):
        cloud.volumes.restore(volume.id, kept.id)
    assert _note(cloud, server) == b"after"

    cloud.volumes.delete_snapshot(volume.id, empty.id)
    cloud.volumes.delete_snapshot(volume.id, empty.id)
    assert cloud.volumes.snapshots(volume.id) == (kept,)
    _detach(cloud, volume, server, patience)
    cloud.volumes.restore(volume.id, kept.id)
    assert cloud.volumes.snapshots(volume.id) == (kept,)
    _attach(cloud, volume, server, patience)
    assert _note(cloud, server) == b"before"
    cloud.volumes.delete_snapshot(volume.id, kept.id)
    assert cloud.volumes.snapshots(volume.id) == ()
    assert _note(cloud, server) == b"before"


@_INSIDE
@pytest.mark.needs("guest.run")
def test_open_files_keep_it_unless_they_are_ended(cloud: Cloud, desktops: Desktops, volume: Volume, patience: float) -> None:
    server = desktops.create_ready()
    _attach(cloud, volume, server, patience)
    cloud.guest.write_piece(server.id, _NOTE, b"saved", offset=0)
    cloud.guest.write_piece(server.id, "Personal/.open", b"held", offset=0)
    hold = "exec 3< /home/user/Personal/.open; setsid sleep 600 > /dev/null 2>&1 &"
    cloud.guest.run(server.id, ["/bin/sh", "-c", hold])
    with pytest.raises(VolumeInUse) as caught:
        cloud.volumes.detach(volume.id, server.id)
    assert caught.value.details["programs"]
    assert cloud.volumes.get(volume.id).server_id == server.id
    assert _note(cloud, server) == b"saved"
    _detach(cloud, volume, server, patience, force=True)
    assert cloud.volumes.get(volume.id).status is VolumeStatus.AVAILABLE
    _attach(cloud, volume, server, patience)
    assert _note(cloud, server) == b"saved"


@pytest.mark.needs("volumes.attach")
def test_a_server_that_does_not_run_is_given_none(cloud: Cloud, desktops: Desktops, volume: Volume) -> None:
    server = desktops.create_stopped()
    with pytest.raises(ServerBusy):
        cloud.volumes.attach(volume.id, server.id)
    assert cloud.volumes.get(volume.id) == volume


@_INSIDE
def test_a_server_that_was_stopped_lets_go(cloud: Cloud, desktops: Desktops, volume: Volume, patience: float) -> None:
    server = desktops.create_ready()
    _attach(cloud, volume, server, patience)
    cloud.guest.write_piece(server.id, _NOTE, b"written out", offset=0)
    cloud.servers.stop(server.id)
    eventually(lambda: cloud.servers.get(server.id).status.value == "stopped", patience, what="stopped")
    cloud.volumes.detach(volume.id, server.id)
    assert cloud.volumes.get(volume.id).status is VolumeStatus.AVAILABLE
    other = desktops.create_ready()
    _attach(cloud, volume, other, patience)
    assert _note(cloud, other) == b"written out"


def _attach(cloud: Cloud, volume: Volume, server: Server, patience: float) -> None:
    """Attach, and wait until the guest has mounted it."""
    cloud.volumes.attach(volume.id, server.id)

    def is_mounted() -> bool:
        try:
            return cloud.guest.run(server.id, ["/etc/desktop/personal", "usage"]).exit_code == 0
        except GuestUnreachable:
            return False

    eventually(lambda: cloud.volumes.get(volume.id).status is VolumeStatus.IN_USE, patience, what="an attached volume")
    eventually(is_mounted, patience, what="a mounted volume")
    assert cloud.volumes.get(volume.id).server_id == server.id


def _detach(cloud: Cloud, volume: Volume, server: Server, patience: float, *, force: bool = False) -> None:
    """Detach, and ask again while the guest still writes out."""
    _let_go(cloud, volume, server.id, patience, force=force)


def _let_go(cloud: Cloud, volume: Volume, server_id: str, patience: float, *, force: bool = False) -> None:
    def has_let_go() -> bool:
        with suppress(CloudUnavailable, ServerBusy):
            cloud.volumes.detach(volume.id, server_id, force=force)
            return True
        return False

    eventually(has_let_go, patience, what="a guest that lets go")


def _note(cloud: Cloud, server: Server) -> bytes:
    return cloud.guest.read_piece(server.id, _NOTE, offset=0, max_bytes=100).content
