"""Deleting images: never one that a desktop stands on."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from yunzhuo.host.image_removal import ImageInUse, delete_image, users_by_image
from yunzhuo.host.images import IMAGE_FILES, Images, Manifest
from yunzhuo.host.layout import Layout
from yunzhuo.host.store import RecordUnreadable, ServerRecord, save_record
from yunzhuo.phoenix.cloud.errors import ImageNotFound


def put_image(layout: Layout, image_id: str) -> Path:
    place = layout.images / image_id
    place.mkdir(parents=True)
    for name in IMAGE_FILES:
        (place / name).write_text("x")
    manifest = Manifest(
        format=1,
        id=image_id,
        name=image_id,
        version="1",
        created_at=datetime(2030, 1, 1, tzinfo=UTC),
        kernel_args="quiet",
        min_memory_mib=512,
        min_disk_mib=4096,
        size_mib=1,
    )
    (place / "image.json").write_text(manifest.model_dump_json())
    return place


def put_server(layout: Layout, server_id: str, image_id: str) -> Path:
    folder = layout.server(server_id)
    folder.mkdir(parents=True)
    record = ServerRecord(
        id=server_id,
        desktop_id=server_id,
        name=f"Desk {server_id}",
        hostname=server_id,
        image_id=image_id,
        flavor_id="small",
        vcpus=1,
        memory_mib=512,
        disk_mib=4096,
        created_at=datetime(2030, 1, 1, tzinfo=UTC),
    )
    save_record(folder, record)
    return folder


def test_an_image_that_nobody_uses_goes(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    place, other = put_image(layout, "light-1"), put_image(layout, "light-2")
    put_server(layout, "a", "light-2")
    (layout.desktops / "half-made").mkdir()
    delete_image(layout, Images(layout.images), "light-1")
    assert not place.exists()
    assert other.is_dir()


def test_an_image_in_use_stays_and_its_users_are_named(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    place = put_image(layout, "light-1")
    for server_id in "abcd":
        put_server(layout, server_id, "light-1")
    assert users_by_image(layout) == {"light-1": ["Desk a", "Desk b", "Desk c", "Desk d"]}
    with pytest.raises(ImageInUse, match=r"4 desktops .*Desk c and others") as refused:
        delete_image(layout, Images(layout.images), "light-1")
    assert refused.value.code == "image_in_use"
    assert Images(layout.images).get("light-1").folder == place


def test_a_record_that_cannot_be_read_may_stand_on_any_image(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    put_image(layout, "light-1")
    (put_server(layout, "a", "light-2") / "server.json").write_text("{")
    with pytest.raises(RecordUnreadable):
        delete_image(layout, Images(layout.images), "light-1")
    assert Images(layout.images).get("light-1").has_kernel


@pytest.mark.parametrize("image_id", ["none", "../light-1", ""])
def test_an_image_that_is_not_there_cannot_be_deleted(tmp_path: Path, image_id: str) -> None:
    layout = Layout(tmp_path)
    put_image(layout, "light-1")
    with pytest.raises(ImageNotFound):
        delete_image(layout, Images(layout.images), image_id)
