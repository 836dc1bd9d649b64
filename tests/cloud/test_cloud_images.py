"""Images of a real OpenStack: what is uploaded boots."""

import secrets
from collections.abc import Iterator
from hashlib import sha512

import pytest
from infras.openstack.layout import Layout
from tests.drivers.desktops import Desktops
from tests.support.openstack_cloud import OF_THE_SDK, openstack_cloud
from tests.support.served import served
from tests.support.waiting import eventually

from yunzhuo.phoenix.cloud.image_resources import DiskFormat, ImageRequest, ImageState, StoredImage
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.common.errors import InvalidInput
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
def empty(cloud: Cloud) -> Iterator[StoredImage]:
    """An image without content."""
    made = cloud.image_store.create(ImageRequest(f"fetched {new_id()[:8]}", DiskFormat.RAW))
    yield made
    cloud.image_store.delete(made.id)


@pytest.fixture
def desktops(cloud: Cloud) -> Iterator[Desktops]:
    with Desktops(cloud, _PATIENCE).all_removed() as desktops:
        yield desktops


def test_what_glance_fetches_is_what_was_served(cloud: Cloud, empty: StoredImage) -> None:
    content = secrets.token_bytes(3_000_000)
    with served(content) as url:
        cloud.image_store.import_from(empty.id, url)
        eventually(
            lambda: cloud.image_store.get(empty.id).state is ImageState.ACTIVE, _PATIENCE, what="an image that is fetched"
        )
    assert cloud.image_store.get(empty.id).checksum == sha512(content).hexdigest()
    assert b"".join(cloud.image_store.download(empty.id)) == content


def test_what_does_not_come_is_said_and_may_come_later(cloud: Cloud, empty: StoredImage) -> None:
    with served(b"content") as url:
        cloud.image_store.import_from(empty.id, f"{url}/not-there")
        failed = eventually(lambda: _if_failed(cloud, empty.id), _PATIENCE, what="an image that is not fetched")
        assert failed.said
        assert [each.said for each in cloud.image_store.list() if each.id == empty.id] == [failed.said]
        cloud.image_store.import_from(empty.id, url)
        eventually(lambda: cloud.image_store.get(empty.id).state is ImageState.ACTIVE, _PATIENCE, what="the second try")
    assert cloud.image_store.get(empty.id).said == ""


def test_addresses_that_glance_was_told_not_to_ask_are_refused(cloud: Cloud, empty: StoredImage) -> None:
    """The test cloud's allows its own computer alone (import_filtering_opts)."""
    with pytest.raises(InvalidInput) as refused:
        cloud.image_store.import_from(empty.id, "http://192.0.2.1/image")
    assert refused.value.details["cloud_request_id"]
    assert cloud.image_store.get(empty.id).state is ImageState.EMPTY


def _if_failed(cloud: Cloud, image_id: str) -> StoredImage | None:
    image = cloud.image_store.get(image_id)
    return image if image.state is ImageState.EMPTY and image.said else None


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
