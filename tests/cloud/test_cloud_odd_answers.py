"""Answers of a real OpenStack that mean something else than they seem to, made from true ones by a proxy."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.drivers.desktops import Desktops
from tests.support.breaking_proxy import BreakingProxy
from tests.support.openstack_cloud import GUESTS, OF_THE_SDK, PRETENDED, once_taken, openstack_cloud

from yunzhuo.phoenix.cloud.errors import (
    CloudNotOffered,
    CloudUnavailable,
    FloatingIpNotFound,
    ImageInUse,
    NoCapacity,
    ServerBusy,
    VolumeBusy,
    VolumeNotFound,
)
from yunzhuo.phoenix.cloud.image_resources import ImageRequest
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import ConsoleProtocol, Server, Volume, VolumeRequest, VolumeStatus
from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.common.ids import new_id

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(300), OF_THE_SDK]

_PATIENCE = 120.0

Change = Callable[[Any], Any]


@pytest.fixture(scope="module")
def cloud(proxied_file: Path) -> Iterator[Cloud]:
    with openstack_cloud(**PRETENDED, volumes=True, clouds_file=str(proxied_file)) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def server(cloud: Cloud) -> Iterator[Server]:
    """One that runs on a host that pretends."""
    with Desktops(cloud, _PATIENCE).all_removed() as desktops:
        yield desktops.create_running()


@pytest.fixture(autouse=True)
def no_trouble_afterwards(proxies: dict[str, BreakingProxy]) -> Iterator[None]:
    yield
    for proxy in proxies.values():
        proxy.clear()


@pytest.fixture
def volume(cloud: Cloud, proxies: dict[str, BreakingProxy]) -> Iterator[Volume]:
    made = cloud.volumes.create(VolumeRequest(new_id(), "odd", 1024))
    yield made
    proxies["block_storage"].clear()
    once_taken(partial(cloud.volumes.delete, made.id), what="a volume that goes")


def _with(**fields: Any) -> Change:
    """The one thing that an answer tells of, with some fields changed."""

    def change(told: Any) -> Any:
        ((name, thing),) = told.items()
        return {name: thing | fields}

    return change


@pytest.mark.parametrize(
    ("pattern", "change", "error"),
    [
        (r"GET .*/os-console-auth-tokens/", _with(instance_uuid="another"), CloudUnavailable),
        (r"GET .*/os-console-auth-tokens/", _with(host=None), CloudUnavailable),
        (r"GET .*/os-console-auth-tokens/", _with(port=None), CloudNotOffered),
        (r"GET .*/os-console-auth-tokens/", _with(port=-1), ServerBusy),
        (r"POST .*/remote-consoles$", _with(url="http://somewhere/?path=%3Fnothing"), CloudUnavailable),
    ],
)
def test_a_screen_is_never_looked_for_where_the_cloud_did_not_say(
    cloud: Cloud, server: Server, proxies: dict[str, BreakingProxy], pattern: str, change: Change, error: type[Exception]
) -> None:
    there = cloud.servers.console(server.id, ConsoleProtocol.VNC)
    assert there.host
    assert there.port
    proxies["compute"].trouble(pattern, changed=change)
    with pytest.raises(error):
        cloud.servers.console(server.id, ConsoleProtocol.VNC)


def test_rdp_consoles_are_asked_of_nobody(cloud: Cloud, server: Server, proxies: dict[str, BreakingProxy]) -> None:
    with pytest.raises(CloudNotOffered):
        cloud.servers.console(server.id, ConsoleProtocol.RDP)
    assert not any("remote-consoles" in call for call in proxies["compute"].calls)


def test_what_is_too_small_for_an_image_is_said_before_nova_is_asked(
    proxied_file: Path, proxies: dict[str, BreakingProxy]
) -> None:
    def hungry(told: Any) -> Any:
        return {**told, "images": [image | {"min_ram": 10**6} for image in told["images"]]}

    proxies["image"].trouble(r"GET .*/images$", changed=hungry)
    with openstack_cloud(**PRETENDED, clouds_file=str(proxied_file)) as cloud:
        with pytest.raises(InvalidInput) as refusal:
            Desktops(cloud, _PATIENCE).create()
        assert refusal.value.code == "flavor_too_small"
        assert not any(call.startswith("POST") and call.endswith("/servers") for call in proxies["compute"].calls)


@pytest.mark.parametrize("tag", ["", "two words", "x" * 41])
def test_what_cannot_be_a_tag_is_nobodys(cloud: Cloud, tag: str) -> None:
    for make in (
        lambda: cloud.servers.create(Desktops(cloud, _PATIENCE).request(desktop_id=tag)),
        lambda: cloud.volumes.create(VolumeRequest(tag, "odd", 1024)),
        lambda: cloud.addresses.create(tag),
    ):
        with pytest.raises(InvalidInput):
            make()
    assert cloud.volumes.find(tag) is None
    assert cloud.addresses.find(tag) is None


class TestFloatingIps:
    def test_one_that_goes_meanwhile_is_not_found(
        self, cloud: Cloud, server: Server, proxies: dict[str, BreakingProxy], admin: Any
    ) -> None:
        ip = cloud.addresses.create(new_id())

        def gone_by_now(told: Any) -> Any:
            admin.network.delete_ip(ip.id)
            return told

        proxies["network"].trouble(rf"GET .*/floatingips/{ip.id}$", changed=gone_by_now)
        with pytest.raises(FloatingIpNotFound):
            cloud.addresses.associate(ip.id, server.id)
        with pytest.raises(FloatingIpNotFound):
            cloud.addresses.associate(ip.id, server.id)

    def test_one_that_the_list_has_not_yet_is_asked_for_again(self, cloud: Cloud, proxies: dict[str, BreakingProxy]) -> None:
        tag = new_id()
        proxies["network"].trouble(r"GET .*/floatingips$", count=2, changed=lambda _told: {"floatingips": []})
        with pytest.raises(CloudUnavailable):
            cloud.addresses.create(tag)
        made = cloud.addresses.create(tag)
        assert [ip.id for ip in cloud.addresses.list() if ip.address_id == tag] == [made.id]
        cloud.addresses.delete(made.id)

    @pytest.mark.parametrize("ports", [[], [{"id": "port", "fixed_ips": [{"ip_address": "2001:db8::1"}]}]])
    def test_a_server_without_an_address_of_its_kind_is_waited_for(
        self, cloud: Cloud, server: Server, proxies: dict[str, BreakingProxy], ports: list[Any]
    ) -> None:
        ip = cloud.addresses.create(new_id())
        proxies["network"].trouble(r"GET .*/ports$", changed=lambda _told: {"ports": ports})
        with pytest.raises(ServerBusy):
            cloud.addresses.associate(ip.id, server.id)
        cloud.addresses.delete(ip.id)


class TestImages:
    def test_fetching_is_offered_where_glance_offers_it(self, cloud: Cloud, proxies: dict[str, BreakingProxy]) -> None:
        image = cloud.image_store.create(ImageRequest("odd"))
        try:
            proxies["image"].trouble(r"GET .*/info/import$", changed=_with(value=["glance-direct"]))
            with pytest.raises(CloudNotOffered):
                cloud.image_store.import_from(image.id, "http://127.0.0.1:9/nothing.qcow2")
            with pytest.raises(ImageInUse, match="empty"):
                cloud.image_store.deactivate(image.id)
            assert cloud.image_store.shared_with(image.id) == ()
        finally:
            cloud.image_store.delete(image.id)


class TestVolumes:
    def test_without_the_setting_there_are_none(self) -> None:
        with openstack_cloud(**(GUESTS | {"volumes": False})) as cloud:
            for ask in (cloud.volumes.list, lambda: cloud.volumes.create(VolumeRequest(new_id(), "none", 1024))):
                with pytest.raises(CloudNotOffered):
                    ask()

    @pytest.mark.parametrize(("word", "status"), [("error", VolumeStatus.ERROR), ("maintenance", VolumeStatus.CHANGING)])
    def test_one_that_is_not_available_is_left_alone(
        self, cloud: Cloud, server: Server, admin: Any, volume: Volume, word: str, status: VolumeStatus
    ) -> None:
        admin.block_storage.reset_volume_status(volume.id, word, None, None)
        try:
            assert cloud.volumes.get(volume.id).status is status
            with pytest.raises(VolumeBusy, match=status.value):
                cloud.volumes.attach(volume.id, server.id)
            with pytest.raises(VolumeBusy, match=status.value):
                cloud.volumes.snapshot(volume.id, "of a bad state")
            if status is VolumeStatus.CHANGING:
                with pytest.raises(VolumeBusy):
                    cloud.volumes.delete(volume.id)
        finally:
            admin.block_storage.reset_volume_status(volume.id, "available", None, None)

    def test_one_that_the_list_has_not_yet_is_asked_for_again(self, cloud: Cloud, proxies: dict[str, BreakingProxy]) -> None:
        tag = new_id()
        proxies["block_storage"].trouble(r"GET .*/volumes/detail$", count=2, changed=lambda _told: {"volumes": []})
        with pytest.raises(CloudUnavailable, match="not told of yet"):
            cloud.volumes.create(VolumeRequest(tag, "odd", 1024))
        made = cloud.volumes.create(VolumeRequest(tag, "odd", 1024))
        assert [volume.id for volume in cloud.volumes.list() if volume.disk_id == tag] == [made.id]
        once_taken(partial(cloud.volumes.delete, made.id), what="a volume that goes")

    def test_one_that_could_not_be_made_does_not_stay(self, cloud: Cloud, proxies: dict[str, BreakingProxy]) -> None:
        tag = new_id()

        def broken(told: Any) -> Any:
            return _with(status="error")(told) if told["volume"]["status"] == "available" else told

        proxies["block_storage"].trouble(r"GET .*/volumes/[0-9a-f-]{36}$", count=99, changed=broken)
        with pytest.raises(CloudUnavailable, match="could not make"):
            cloud.volumes.create(VolumeRequest(tag, "odd", 1024))
        proxies["block_storage"].clear()
        assert cloud.volumes.find(tag) is None

    @pytest.mark.parametrize("word", ["in-use", "detaching"])
    @pytest.mark.parametrize("is_server_there", [True, False])
    def test_one_that_nova_has_let_go_by_now_is_free(
        self,
        cloud: Cloud,
        server: Server,
        proxies: dict[str, BreakingProxy],
        volume: Volume,
        word: str,
        is_server_there: bool,
    ) -> None:
        holder = server.id if is_server_there else "0c2e4b0e-0000-4000-8000-000000000000"
        attached = _with(status=word, attachments=[{"server_id": holder}])
        proxies["block_storage"].trouble(rf"GET .*/volumes/{volume.id}$", changed=attached)
        cloud.volumes.detach(volume.id, holder)
        asked = [call for call in proxies["compute"].calls if call.startswith("DELETE")]
        assert len(asked) == (word == "in-use")
        assert cloud.volumes.get(volume.id).server_id is None

    def test_one_that_could_not_be_put_back_says_so(
        self, cloud: Cloud, proxies: dict[str, BreakingProxy], volume: Volume
    ) -> None:
        kept = cloud.volumes.snapshot(volume.id, "kept")
        looked = []

        def broken_afterwards(told: Any) -> Any:
            looked.append(told["volume"]["status"])
            return told if len(looked) == 1 else _with(status="error_restoring")(told)

        proxies["block_storage"].trouble(rf"GET .*/volumes/{volume.id}$", count=99, changed=broken_afterwards)
        with pytest.raises(CloudUnavailable, match="could not put"):
            cloud.volumes.restore(volume.id, kept.id)
        proxies["block_storage"].clear()
        assert [each.id for each in cloud.volumes.snapshots(volume.id)] == [kept.id]

    @pytest.mark.parametrize("end", ["error", "gone"])
    def test_a_snapshot_that_fails_does_not_stay(
        self, cloud: Cloud, proxies: dict[str, BreakingProxy], volume: Volume, end: str
    ) -> None:
        told_of: list[Any] = []

        def failed(told: Any) -> Any:
            if told_of or [each["status"] for each in told["snapshots"]] != ["available"]:
                return told
            told_of.extend(told["snapshots"])
            return {"snapshots": [each | {"status": "error"} for each in told_of] if end == "error" else []}

        proxies["block_storage"].trouble(r"GET .*/snapshots/detail$", count=99, changed=failed)
        with pytest.raises(CloudUnavailable, match="could not keep"):
            cloud.volumes.snapshot(volume.id, "failed")
        assert list(cloud.volumes.snapshots(volume.id)) == []

    def test_a_snapshot_that_cannot_be_removed_says_so(
        self, cloud: Cloud, proxies: dict[str, BreakingProxy], volume: Volume
    ) -> None:
        kept = cloud.volumes.snapshot(volume.id, "kept")

        def stays(told: Any) -> Any:
            there = {"id": kept.id, "status": "error_deleting", "volume_id": volume.id}
            return {"snapshots": [there]}

        proxies["block_storage"].trouble(r"GET .*/snapshots/detail$", count=2, changed=stays)
        with pytest.raises(CloudUnavailable, match="not removed"):
            cloud.volumes.delete_snapshot(volume.id, kept.id)
        once_taken(partial(cloud.volumes.delete_snapshot, volume.id, kept.id), what="a snapshot that goes")

    def test_what_cannot_be_an_id_is_not_found(self, cloud: Cloud) -> None:
        for touch in (cloud.volumes.get, cloud.volumes.snapshots, lambda each: cloud.volumes.restore(each, "none")):
            with pytest.raises(VolumeNotFound):
                touch("../volumes")
        cloud.volumes.delete("../volumes")
        cloud.volumes.delete_snapshot("../volumes", "none")


class TestSettings:
    def test_a_network_that_is_named_comes_first(self, admin: Any) -> None:
        with openstack_cloud(**PRETENDED) as cloud:
            names = [network.name for network in cloud.networks.list()]
        for name in names:
            with openstack_cloud(**PRETENDED, network=name) as cloud:
                found = [network.name for network in cloud.networks.list()]
                assert found[0] == name
                assert sorted(found) == sorted(names)

    @pytest.mark.parametrize("setting", ["network", "external_network"])
    def test_a_network_that_is_not_there_is_said(self, setting: str) -> None:
        named: dict[str, Any] = {setting: "nowhere"}
        with openstack_cloud(**PRETENDED, **named) as cloud:
            with pytest.raises(InvalidInput, match="nowhere") as refusal:
                cloud.networks.list() if setting == "network" else cloud.networks.external()
            assert refusal.value.code == "no_network"

    def test_a_zone_that_is_named_is_where_servers_are(self, admin: Any) -> None:
        zone = next(each.name for each in admin.compute.availability_zones(details=True) if _has_hosts_that_pretend(each))
        with (
            openstack_cloud(**PRETENDED, availability_zone=zone) as cloud,
            Desktops(cloud, _PATIENCE).all_removed() as desktops,
        ):
            made = desktops.create_running()
            assert admin.compute.get_server(made.id).availability_zone == zone
        with (
            openstack_cloud(**PRETENDED, availability_zone="nowhere") as cloud,
            Desktops(cloud, _PATIENCE).all_removed() as desktops,
            pytest.raises(InvalidInput),
        ):
            desktops.create()


def _has_hosts_that_pretend(zone: Any) -> bool:
    return "fake1" in (zone.hosts or {})


class TestServerGroups:
    def test_a_group_that_is_full_is_said(self, admin: Any) -> None:
        project = admin.identity.find_project("yunzhuo")
        with (
            openstack_cloud(**PRETENDED, server_group="spread") as cloud,
            Desktops(cloud, _PATIENCE).all_removed() as desktops,
        ):
            first = desktops.create_running()
            group = next(each for each in admin.compute.server_groups(all_projects=True) if first.id in (each.member_ids or ()))
            try:
                admin.compute.update_quota_set(project.id, server_group_members=1, force=True)
                with pytest.raises(NoCapacity, match="full \\(1 of 1\\)"):
                    desktops.create()
                admin.compute.update_quota_set(project.id, server_group_members=10, instances=1, force=True)
                with pytest.raises(NoCapacity, match="quota"):
                    desktops.create()
            finally:
                admin.compute.update_quota_set(project.id, server_group_members=-1, instances=-1)
                admin.compute.delete_server_group(group.id)
