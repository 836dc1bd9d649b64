"""Deleting an image, which the disks of all its desktops stand on."""

import shutil

from yunzhuo.host.image_files import sole_builder
from yunzhuo.host.images import MANIFEST_FILE, Images
from yunzhuo.host.layout import Layout
from yunzhuo.host.store import RecordUnreadable, load_record
from yunzhuo.phoenix.common.errors import Conflict


class ImageInUse(Conflict):
    """Desktops stand on the image."""

    def __init__(self, image_id: str, users: list[str]) -> None:
        shown = ", ".join(users[:3]) + (" and others" if len(users) > 3 else "")  # noqa: PLR2004 - as many as are shown
        super().__init__(
            "image_in_use",
            f"The image {image_id} cannot be deleted: the disks of {len(users)} desktops stand on it ({shown})."
            " Delete these desktops first.",
            image_id=image_id,
            desktops=users,
        )


def users_by_image(layout: Layout) -> dict[str, list[str]]:
    """The names of the desktops that stand on each image, running or not. Raises RecordUnreadable."""
    users: dict[str, list[str]] = {}
    for folder in sorted(layout.desktops.glob("*")) if layout.desktops.is_dir() else []:
        record = load_record(folder) if folder.is_dir() and not folder.name.startswith(".") else None
        if record is not None:
            users.setdefault(record.image_id, []).append(record.name)
    return users


def delete_image(layout: Layout, images: Images, image_id: str) -> None:
    """Raises ImageNotFound, ImageInUse, RecordUnreadable (what cannot be read may stand on it)."""
    place = images.get(image_id).folder
    with sole_builder(layout.images, lambda: None):
        _require_unused(layout, image_id)
        # A running host sees images by their manifests: without it nobody starts from this one any more.
        manifest = place / MANIFEST_FILE
        hidden = place / f".{MANIFEST_FILE}"
        manifest.rename(hidden)
        try:
            _require_unused(layout, image_id)
        except (ImageInUse, RecordUnreadable):
            hidden.rename(manifest)
            raise
        shutil.rmtree(place)


def _require_unused(layout: Layout, image_id: str) -> None:
    if users := users_by_image(layout).get(image_id):
        raise ImageInUse(image_id, users)
