"""What servers are made of: flavors, images, networks, hosts."""

from datetime import timedelta

import pytest

from tests.drivers.desktops import Desktops
from yunzhuo.phoenix.cloud.errors import FlavorNotFound, ImageNotFound
from yunzhuo.phoenix.cloud.interface import Cloud


def test_flavors_come_smallest_first(cloud: Cloud) -> None:
    flavors = cloud.flavors.list()
    assert flavors
    assert len({flavor.id for flavor in flavors}) == len(flavors)
    assert [flavor.memory_mib for flavor in flavors] == sorted(flavor.memory_mib for flavor in flavors)
    for flavor in flavors:
        assert min(flavor.vcpus, flavor.memory_mib, flavor.disk_mib) > 0
        assert cloud.flavors.get(flavor.id) == flavor


def test_the_default_image_comes_first(cloud: Cloud) -> None:
    images = cloud.images.list()
    assert [image.is_default for image in images] == [True] + [False] * (len(images) - 1)
    assert len({image.id for image in images}) == len(images)
    for image in images:
        assert image.created_at.utcoffset() == timedelta(0)
        assert cloud.images.get(image.id) == image


def test_the_smallest_flavor_can_hold_the_default_image(cloud: Cloud) -> None:
    image, flavor = cloud.images.list()[0], cloud.flavors.list()[0]
    assert image.min_memory_mib <= flavor.memory_mib
    assert image.min_disk_mib <= flavor.disk_mib


def test_whether_an_image_is_prepared_is_yes_or_no(cloud: Cloud) -> None:
    image, flavor = cloud.images.list()[0], cloud.flavors.list()[0]
    assert cloud.images.is_prepared(image.id, flavor.id) in (True, False)
    with pytest.raises(ImageNotFound):
        cloud.images.is_prepared("no-such-image", flavor.id)
    with pytest.raises(FlavorNotFound):
        cloud.images.is_prepared(image.id, "no-such-flavor")


@pytest.mark.parametrize("unknown", ["no-such-thing", "", "../x", "云"])
def test_unknown_flavors_and_images_are_not_found(cloud: Cloud, unknown: str) -> None:
    with pytest.raises(FlavorNotFound):
        cloud.flavors.get(unknown)
    with pytest.raises(ImageNotFound):
        cloud.images.get(unknown)


def test_a_server_can_be_put_on_every_network(cloud: Cloud, desktops: Desktops) -> None:
    networks = cloud.networks.list()
    assert networks
    assert len({network.id for network in networks}) == len(networks)
    for network in networks:
        desktops.create_running(network_id=network.id)


def test_hosts_say_what_is_left(cloud: Cloud, desktops: Desktops) -> None:
    before = cloud.hosts.list()
    assert before
    for host in before:
        assert 0 <= host.memory_free_mib <= host.memory_mib
        assert host.vcpus > 0
        assert host.disk_free_mib >= 0
    desktops.create_running()
    assert sum(host.servers for host in cloud.hosts.list()) == sum(host.servers for host in before) + 1
