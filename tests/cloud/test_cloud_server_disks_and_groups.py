"""Where servers are put and what their disk is, as the settings say: held against what Nova and Cinder tell themselves."""

from typing import Any

import pytest
from tests.drivers.desktops import Desktops
from tests.drivers.waiting import eventually_is
from tests.support.openstack_cloud import OF_THE_SDK, PRETENDED, asked_directly, openstack_cloud
from tests.support.waiting import eventually

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import ServerStatus
from yunzhuo.phoenix.common.errors import InvalidInput

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(600), OF_THE_SDK]
_PATIENCE = 180.0


def test_servers_are_spread_by_a_group_of_our_own() -> None:
    settings: dict[str, Any] = {"server_group": "spread", "scheduler_hints": ("one=1", "two=1", "two=2")}
    with (
        openstack_cloud(**PRETENDED, **settings) as cloud,
        Desktops(cloud, _PATIENCE).all_removed() as desktops,
        asked_directly("yunzhuo") as nova,
    ):
        made = [desktops.create_running() for _ in range(2)]
        (group,) = [each for each in nova.compute.server_groups() if each.member_ids and made[0].id in each.member_ids]
        try:
            assert set(group.member_ids) == {server.id for server in made}
            assert group.policy == "soft-anti-affinity"
            assert len({cloud.servers.get(server.id).host for server in made}) == 2
        finally:
            nova.compute.delete_server_group(group.id)


@pytest.mark.parametrize(("setting", "code"), [("server_group", "no_server_group"), ("key_name", "no_key_pair")])
def test_what_the_settings_name_and_is_not_there_keeps_new_servers_away_and_nothing_else(setting: str, code: str) -> None:
    settings: dict[str, Any] = {setting: "no such/thing"}
    with openstack_cloud(**PRETENDED, **settings) as cloud:
        assert [lack.code for lack in cloud.lacks()] == [code]
        with (
            Desktops(cloud, _PATIENCE).all_removed() as desktops,
            pytest.raises(InvalidInput, match="no such/thing") as refusal,
        ):
            desktops.create()
        assert refusal.value.code == code
        assert cloud.servers.list() == []


def test_a_server_group_and_a_key_pair_that_are_there_are_missed_by_nobody() -> None:
    with asked_directly("yunzhuo") as nova:
        group = nova.compute.create_server_group(name="there", policy="soft-anti-affinity")
        pair = nova.compute.create_keypair(name="there")
        try:
            with openstack_cloud(**PRETENDED, server_group="there", key_name="there") as cloud:
                assert list(cloud.lacks()) == []
                with Desktops(cloud, _PATIENCE).all_removed() as desktops:
                    assert desktops.create_running().id in nova.compute.get_server_group(group.id).member_ids
        finally:
            nova.compute.delete_keypair(pair.name)
            nova.compute.delete_server_group(group.id)


def test_the_disk_of_a_server_is_a_volume_that_goes_with_it() -> None:
    with openstack_cloud(boot_volume_gib=2) as cloud, asked_directly("yunzhuo") as direct:
        with Desktops(cloud, _PATIENCE).all_removed() as desktops:
            assert {flavor.disk_mib for flavor in cloud.flavors.list()} == {2048}
            server = desktops.create_ready()
            (volume_id,) = _volumes_of(direct, server.id)
            volume = direct.block_storage.get_volume(volume_id)
            assert (volume.size, volume.is_bootable) == (2, True)
            assert cloud.volumes.list() == []
            assert server.image_id == cloud.images.list()[0].id
            with pytest.raises(CloudNotOffered):
                cloud.servers.snapshot(server.id, "of a volume")
            with pytest.raises(CloudNotOffered):
                cloud.care.rescue(server.id)
            _resize(cloud, server.id)
            _shelve_and_start(cloud, desktops, server.id)
            assert _volumes_of(direct, server.id) == [volume_id]
        eventually(lambda: direct.block_storage.find_volume(volume_id) is None, _PATIENCE, what="a volume that went")


def test_a_server_on_a_volume_is_put_back_to_its_image() -> None:
    with openstack_cloud(boot_volume_gib=2) as cloud, Desktops(cloud, _PATIENCE).all_removed() as desktops:
        server = desktops.create_ready()
        cloud.servers.rebuild(server.id, server.image_id)
        rebuilt = eventually_is(cloud, server.id, ServerStatus.RUNNING, _PATIENCE)
        assert (rebuilt.id, rebuilt.image_id) == (server.id, server.image_id)
        desktops.wait_ready(server.id)


def _resize(cloud: Cloud, server_id: str) -> None:
    larger = cloud.flavors.list()[1]
    cloud.servers.resize(server_id, larger.id)
    assert eventually_is(cloud, server_id, ServerStatus.RUNNING, _PATIENCE).flavor_id == larger.id


def _shelve_and_start(cloud: Cloud, desktops: Desktops, server_id: str) -> None:
    eventually(lambda: cloud.guest.ready(server_id), _PATIENCE, what="a ready guest")
    cloud.care.shelve(server_id)
    eventually_is(cloud, server_id, ServerStatus.STOPPED, _PATIENCE)
    eventually(lambda: not cloud.servers.get(server_id).host, _PATIENCE, what="a server that is nowhere")
    cloud.servers.start(server_id)
    eventually_is(cloud, server_id, ServerStatus.RUNNING, _PATIENCE)
    desktops.wait_ready(server_id)


def _volumes_of(direct: Any, server_id: str) -> list[str]:
    return [each.volume_id for each in direct.compute.volume_attachments(server_id)]
