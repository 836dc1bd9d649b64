"""Volumes on a real OpenStack: what is on one follows it from guest to guest, and goes back to what was kept."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from tests.drivers.desktops import Desktops
from tests.support.openstack_cloud import OF_THE_SDK, asked_directly, openstack_cloud
from tests.support.waiting import eventually

from yunzhuo.phoenix.cloud.errors import CloudUnavailable, ServerBusy
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Server, Volume, VolumeRequest, VolumeStatus
from yunzhuo.phoenix.common.errors import Conflict
from yunzhuo.phoenix.common.ids import new_id

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(900), OF_THE_SDK]
_PATIENCE = 180.0


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with openstack_cloud() as cloud:
        yield cloud


@pytest.fixture
def desktops(cloud: Cloud) -> Iterator[Desktops]:
    with Desktops(cloud, _PATIENCE).all_removed() as desktops:
        yield desktops


def test_what_is_on_a_volume_follows_it_and_goes_back(cloud: Cloud, desktops: Desktops) -> None:
    """The test cloud's guest counts on each volume how often it was plugged in, and says so on its serial port."""
    one, other = desktops.create_ready(), desktops.create_ready()
    volume = cloud.volumes.create(VolumeRequest(new_id(), "counted", 1))
    assert volume.size_mib == 1024
    with asked_directly("yunzhuo") as sdk:
        _plug_in(cloud, sdk, volume, one, time=1)
        _unplug(cloud, volume, one)
        first = cloud.volumes.snapshot(volume.id, "once")
        _plug_in(cloud, sdk, volume, other, time=2)
        second = cloud.volumes.snapshot(volume.id, "twice, while it is plugged in")
        _unplug(cloud, volume, other)
        _plug_in(cloud, sdk, volume, one, time=3)
        _unplug(cloud, volume, one)

        with pytest.raises(Conflict, match="newest"):
            cloud.volumes.restore(volume.id, first.id)
        cloud.volumes.restore(volume.id, second.id)
        assert cloud.volumes.snapshots(volume.id) == (first, second)
        _plug_in(cloud, sdk, volume, other, time=3)
        _unplug(cloud, volume, other)
        cloud.volumes.delete_snapshot(volume.id, second.id)
        cloud.volumes.restore(volume.id, first.id)
        _plug_in(cloud, sdk, volume, one, time=2)
        _unplug(cloud, volume, one)
        cloud.volumes.delete(volume.id)
        eventually(lambda: volume.id not in {each.id for each in sdk.block_storage.volumes()}, _PATIENCE)
        assert not [each for each in sdk.block_storage.snapshots() if each.volume_id == volume.id]


def _plug_in(cloud: Cloud, sdk: Any, volume: Volume, server: Server, *, time: int) -> None:
    """Attach, and wait until the guest has counted to this time."""
    before = _said(sdk, server)
    cloud.volumes.attach(volume.id, server.id)
    eventually(lambda: cloud.volumes.get(volume.id).status is VolumeStatus.IN_USE, _PATIENCE, what="an attached volume")
    eventually(lambda: _said(sdk, server) == [*before, time], _PATIENCE, what=f"a guest that counts to {time}")


def _said(sdk: Any, server: Server) -> list[int]:
    log: str = sdk.compute.get_server_console_output(server.id)["output"]
    return [int(found) for found in re.findall(r"VOLUME plugged in for the time (\d+)", log)]


def _unplug(cloud: Cloud, volume: Volume, server: Server) -> None:
    def has_let_go() -> bool:
        with suppress(CloudUnavailable, ServerBusy):
            cloud.volumes.detach(volume.id, server.id)
            return True
        return False

    eventually(has_let_go, _PATIENCE, what="a guest that lets go")
    assert cloud.volumes.get(volume.id).status is VolumeStatus.AVAILABLE
