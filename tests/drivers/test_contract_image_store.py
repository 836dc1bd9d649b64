"""Images as their keepers see them: uploaded and downloaded piece by piece, changed, shared, taken out of use."""

import re
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha512

import pytest

from tests.support.served import served
from tests.support.waiting import eventually
from yunzhuo.phoenix.cloud.errors import ImageInUse, ImageNotFound
from yunzhuo.phoenix.cloud.image_resources import DiskFormat, ImageChanges, ImageRequest, ImageState, StoredImage, Visibility
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.common.errors import Forbidden, InvalidInput, YunzhuoError
from yunzhuo.phoenix.common.ids import new_id

pytestmark = pytest.mark.needs("image_store.create", "image_store.delete")
_PIECES = (b"a" * 1024 * 1024, b"b" * 700_000, b"c" * 3)


@pytest.fixture
def empty(cloud: Cloud) -> Iterator[StoredImage]:
    """An image without content."""
    request = ImageRequest(f"test {new_id()[:8]}", DiskFormat.RAW, version="7", min_memory_mib=300, min_disk_mib=3072)
    made = cloud.image_store.create(request)
    yield made
    with suppress(ImageNotFound):
        cloud.image_store.update(made.id, ImageChanges(is_protected=False))
    cloud.image_store.delete(made.id)


@pytest.fixture
def image(cloud: Cloud, empty: StoredImage) -> StoredImage:
    """An image with content."""
    cloud.image_store.upload(empty.id, iter(_PIECES))
    return cloud.image_store.get(empty.id)


def test_an_image_arrives_piece_by_piece_and_leaves_so(cloud: Cloud, empty: StoredImage, image: StoredImage) -> None:
    assert (empty.state, empty.is_ours, empty.visibility) == (ImageState.EMPTY, True, Visibility.PRIVATE)
    assert (empty.version, empty.min_memory_mib, empty.min_disk_mib) == ("7", 300, 3072)
    whole = b"".join(_PIECES)
    assert (image.state, image.size_bytes) == (ImageState.ACTIVE, len(whole))
    assert image.checksum in ("", sha512(whole).hexdigest())
    got = list(cloud.image_store.download(image.id))
    assert b"".join(got) == whole
    assert len(got) > 1
    assert image in cloud.image_store.list()
    with pytest.raises(ImageInUse):
        cloud.image_store.upload(image.id, iter(_PIECES))


def test_an_upload_that_ends_early_is_no_image(cloud: Cloud, empty: StoredImage) -> None:
    class Interrupted(Exception):
        """Whoever uploads has gone."""

    def half() -> Iterator[bytes]:
        yield _PIECES[0]
        raise Interrupted

    with pytest.raises((Interrupted, YunzhuoError)):
        cloud.image_store.upload(empty.id, half())
    settled = (ImageState.EMPTY, ImageState.BROKEN)
    eventually(lambda: cloud.image_store.get(empty.id).state in settled, 60, what="an image that did not arrive")
    with pytest.raises(ImageInUse):
        list(cloud.image_store.download(empty.id))


def test_a_new_image_is_offered_until_it_is_deactivated(cloud: Cloud, image: StoredImage) -> None:
    cloud.image_store.deactivate(image.id)
    cloud.image_store.deactivate(image.id)
    assert cloud.image_store.get(image.id).state is ImageState.DEACTIVATED
    assert image.id not in {each.id for each in cloud.images.list()}
    with pytest.raises(Forbidden):
        list(cloud.image_store.download(image.id))
    cloud.image_store.reactivate(image.id)
    cloud.image_store.reactivate(image.id)
    assert cloud.image_store.get(image.id) == image


def test_names_and_minimums_change_and_protection_protects(cloud: Cloud, image: StoredImage) -> None:
    changes = ImageChanges(name="renamed, 新", version="8", min_memory_mib=400, min_disk_mib=4096, is_protected=True)
    changed = cloud.image_store.update(image.id, changes)
    assert (changed.name, changed.version, changed.min_memory_mib, changed.min_disk_mib) == ("renamed, 新", "8", 400, 4096)
    assert cloud.image_store.update(image.id, ImageChanges()) == changed
    with pytest.raises(ImageInUse):
        cloud.image_store.delete(image.id)
    cloud.image_store.update(image.id, ImageChanges(is_protected=False))
    cloud.image_store.delete(image.id)
    cloud.image_store.delete(image.id)
    with pytest.raises(ImageNotFound):
        cloud.image_store.get(image.id)
    again = ImageRequest(image.name, DiskFormat.RAW)
    with pytest.raises(ImageNotFound):
        cloud.image_store.update(image.id, ImageChanges(name=again.name))


def test_an_image_is_shared_and_made_public_by_nobody_of_us(cloud: Cloud, image: StoredImage) -> None:
    other = new_id().replace("-", "")
    with pytest.raises(InvalidInput):
        cloud.image_store.share(image.id, other)
    cloud.image_store.update(image.id, ImageChanges(visibility=Visibility.SHARED))
    cloud.image_store.share(image.id, other)
    cloud.image_store.share(image.id, other)
    assert cloud.image_store.shared_with(image.id) == (other,)
    cloud.image_store.unshare(image.id, other)
    cloud.image_store.unshare(image.id, other)
    assert cloud.image_store.shared_with(image.id) == ()
    with pytest.raises(Forbidden):
        cloud.image_store.update(image.id, ImageChanges(visibility=Visibility.PUBLIC))


def test_images_of_others_are_left_as_they_are(cloud: Cloud) -> None:
    theirs = next(each for each in cloud.image_store.list() if not each.is_ours)
    for change in (
        lambda: cloud.image_store.update(theirs.id, ImageChanges(name="ours")),
        lambda: cloud.image_store.deactivate(theirs.id),
        lambda: cloud.image_store.upload(theirs.id, iter(_PIECES)),
        lambda: cloud.image_store.delete(theirs.id),
    ):
        with pytest.raises(Forbidden):
            change()
    assert cloud.image_store.get(theirs.id) == theirs


@pytest.mark.needs("image_store.import_from")
def test_what_cannot_be_fetched_is_no_image(cloud: Cloud, empty: StoredImage) -> None:
    for wrong in ("file:///etc/passwd", "nowhere"):
        with pytest.raises(InvalidInput):
            cloud.image_store.import_from(empty.id, wrong)
    assert cloud.image_store.get(empty.id).state is ImageState.EMPTY


@pytest.mark.needs("image_store.import_from")
def test_an_image_is_fetched_by_the_cloud(cloud: Cloud, empty: StoredImage, patience: float) -> None:
    with served(b"content of an image" * 1000) as url:
        cloud.image_store.import_from(empty.id, url)
        arrived = eventually(lambda: _if_active(cloud, empty.id), patience, what="an image that is fetched")
    assert arrived.size_bytes > 0
    assert arrived.said == ""
    assert b"".join(cloud.image_store.download(empty.id))
    with pytest.raises(ImageInUse):
        cloud.image_store.import_from(empty.id, url)


def _if_active(cloud: Cloud, image_id: str) -> StoredImage | None:
    image = cloud.image_store.get(image_id)
    assert image.state is not ImageState.BROKEN
    assert not (image.state is ImageState.EMPTY and image.said), image.said
    return image if image.state is ImageState.ACTIVE else None


@pytest.mark.parametrize("unknown", ["no-such-thing", "", "../x", "云", "00000000-0000-4000-8000-000000000000"])
def test_unknown_images_are_said_to_be(cloud: Cloud, unknown: str) -> None:
    cloud.image_store.delete(unknown)
    for ask in (cloud.image_store.get, cloud.image_store.deactivate, cloud.image_store.shared_with):
        with pytest.raises(ImageNotFound, match=re.escape("no such image")):
            ask(unknown)
