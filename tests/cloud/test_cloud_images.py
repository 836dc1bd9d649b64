"""Images of a real OpenStack: what is uploaded boots, and the cloud fetches one by itself."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from infras.openstack.layout import Layout
from tests.drivers.desktops import Desktops
from tests.support.openstack_cloud import OF_THE_SDK, openstack_cloud
from tests.support.waiting import eventually

from yunzhuo.phoenix.cloud.image_resources import DiskFormat, ImageRequest, ImageState
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


def test_the_cloud_fetches_an_image(cloud: Cloud, tmp_path: Path) -> None:
    whole = bytes(range(256)) * 4096
    (tmp_path / "image.raw").write_bytes(whole)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    image = cloud.image_store.create(ImageRequest(f"fetched {new_id()[:8]}", DiskFormat.RAW))
    try:
        cloud.image_store.import_from(image.id, f"http://127.0.0.1:{server.server_port}/image.raw")
        eventually(lambda: cloud.image_store.get(image.id).state is ImageState.ACTIVE, _PATIENCE, what="an image that came")
        assert b"".join(cloud.image_store.download(image.id)) == whole
    finally:
        server.shutdown()
        server.server_close()
        cloud.image_store.delete(image.id)
