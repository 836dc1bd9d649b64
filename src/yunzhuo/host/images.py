"""The images on this computer: one folder each, listed anew at every question, so that a new one needs no announcement."""

import hashlib
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from yunzhuo.phoenix.cloud.errors import ImageNotFound
from yunzhuo.phoenix.cloud.resources import Image
from yunzhuo.phoenix.common.logging import get_logger

IMAGE_FILES = ("disk.qcow2", "vmlinuz", "initrd.gz", "image.json")

logger = get_logger()


class _Manifest(BaseModel):
    """``image.json``; written last, so an image without it is not there yet."""

    model_config = ConfigDict(frozen=True)

    format: int
    id: str
    name: str
    version: str
    created_at: AwareDatetime
    kernel_args: str
    min_memory_mib: int
    min_disk_mib: int
    size_mib: int


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image that machines can start from. ``digest`` changes whenever it was built anew."""

    folder: Path
    manifest: _Manifest
    digest: str

    @property
    def id(self) -> str:
        return self.manifest.id

    def described(self, *, is_default: bool) -> Image:
        """As the cloud interface shows it."""
        of = self.manifest
        return Image(
            id=of.id,
            name=of.name,
            version=of.version,
            size_mib=of.size_mib,
            min_memory_mib=of.min_memory_mib,
            min_disk_mib=of.min_disk_mib,
            is_default=is_default,
            created_at=of.created_at.astimezone(UTC),
        )


class Images:
    """The images below one folder, newest first; the newest is the default."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._told: set[Path] = set()

    def list(self) -> list[StoredImage]:
        """Whole images; a broken one is logged once and left out."""
        found = [image for folder in self._folder.iterdir() if (image := self._read(folder)) is not None]
        return sorted(found, key=lambda image: (image.manifest.created_at, image.id), reverse=True)

    def get(self, image_id: str) -> StoredImage:
        """Raises ImageNotFound."""
        for image in self.list():
            if image.id == image_id:
                return image
        raise ImageNotFound(image_id)

    def default(self) -> StoredImage | None:
        """The image offered first."""
        return next(iter(self.list()), None)

    def _read(self, folder: Path) -> StoredImage | None:
        try:
            text = (folder / "image.json").read_bytes()
            manifest = _Manifest.model_validate_json(text)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValidationError) as error:
            self._tell_once(folder, str(error))
            return None
        missing = [name for name in IMAGE_FILES if not (folder / name).is_file()]
        if manifest.format != 1 or manifest.id != folder.name or missing:
            self._tell_once(folder, f"unknown format, another id, or missing files: {missing}")
            return None
        return StoredImage(folder, manifest, hashlib.sha256(text).hexdigest())

    def _tell_once(self, folder: Path, why: str) -> None:
        if folder not in self._told:
            self._told.add(folder)
            logger.warning("image_unusable", image=folder.name, why=why)
