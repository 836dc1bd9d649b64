"""Images of a real OpenStack: what is uploaded boots."""

from collections.abc import Iterator

import pytest
from infras.openstack.layout import Layout
from tests.drivers.desktops import Desktops
from tests.support.openstack_cloud import OF_THE_SDK, openstack_cloud

from yunzhuo.phoenix.cloud.image_resources import ImageRequest
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.common.ids import new_id

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(900), OF_THE_SDK]
_PATIENCE = 180.0
_PIECE_BYTES = 1024 * 1024


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """It offers whatever is active."""
    with openstack_cloud(images=()) as cloud:
        yield cloud


@pytest.fixture
def desktops(cloud: Cloud) -> Iterator[Desktops]:
    with Desktops(cloud, _PATIENCE).all_removed() as desktops:
        yield desktops


def test_what_is_uploaded_boots(cloud: Cloud, desktops: Desktops) -> None:
    image = cloud.image_store.create(ImageRequest(f"uploaded {new_id()[:8]}", min_memory_mib=64))
    with Layout.of_this_computer().guest_image.open("rb") as file:
        cloud.image_store.upload(image.id, iter(lambda: file.read(_PIECE_BYTES), b""))
    assert cloud.images.get(image.id).name == image.name
    server = desktops.create_ready(image_id=image.id)
    assert server.image_id == image.id
    desktops.remove(server.desktop_id)
    cloud.image_store.delete(image.id)
    assert image.id not in {each.id for each in cloud.images.list()}
