"""The images on this computer: one folder each, listed anew at every question, so that a new one needs no announcement."""

import builtins
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from yunzhuo.phoenix.cloud.errors import ImageNotFound
from yunzhuo.phoenix.cloud.resources import Image
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.config.settings import FlavorSettings

DISK_FILE, KERNEL_FILE, INITRD_FILE, MANIFEST_FILE = "disk.qcow2", "vmlinuz", "initrd.gz", "image.json"
IMAGE_FILES = (DISK_FILE, KERNEL_FILE, INITRD_FILE, MANIFEST_FILE)
SELF_BOOTING_FILES = (DISK_FILE, MANIFEST_FILE)

logger = get_logger()


class Manifest(BaseModel):
    """``image.json``; written last, so an image without it is not there yet.

    ``kind`` is its recipe's. Without ``kernel_args`` it has no kernel beside its disk: it boots from that with its own boot
    loader, and keeps none of the promises of docs/how-to/image.md. It can be told which of ``languages`` to speak.
    """

    model_config = ConfigDict(frozen=True)

    format: int
    id: str
    kind: str = ""
    name: str
    version: str
    created_at: AwareDatetime
    kernel_args: str | None
    min_memory_mib: int
    min_disk_mib: int
    size_mib: int
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image that machines can start from. ``digest`` changes whenever it was built anew."""

    folder: Path
    manifest: Manifest
    digest: str

    @property
    def id(self) -> str:
        return self.manifest.id

    @property
    def has_kernel(self) -> bool:
        """Whether QEMU starts its kernel; otherwise the machine's firmware starts its disk."""
        return self.manifest.kernel_args is not None

    def fits(self, flavor: FlavorSettings) -> bool:
        """Whether a machine of this size is large enough for it."""
        return flavor.memory_mib >= self.manifest.min_memory_mib and flavor.disk_mib >= self.manifest.min_disk_mib

    def spoken(self, *wishes: str | None) -> str | None:
        """The first of ``wishes`` that its sessions can speak, else its first language; None where it cannot be told."""
        languages = self.manifest.languages
        return next((wish for wish in wishes if wish in languages), languages[0] if languages else None)

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
    """The images below one folder, the default first, then newest first.

    The default is the newest of the recipe ``preferred_kind``, else the newest of any recipe.
    """

    def __init__(self, folder: Path, preferred_kind: str = "") -> None:
        self._folder = folder
        self._preferred_kind = preferred_kind
        self._told: set[Path] = set()

    def list(self) -> list[StoredImage]:
        """Whole images; a broken one is logged once and left out."""
        found = [image for folder in self._folder.iterdir() if (image := self._read(folder)) is not None]
        return sorted(found, key=self._rank, reverse=True)

    def get(self, image_id: str) -> StoredImage:
        """Raises ImageNotFound."""
        for image in self.list():
            if image.id == image_id:
                return image
        raise ImageNotFound(image_id)

    def default(self) -> StoredImage | None:
        """The image offered first."""
        return next(iter(self.list()), None)

    def newest_of_each_kind(self) -> builtins.list[StoredImage]:
        """What desktops are prepared from, the default first: the newest image of each recipe, and none without one."""
        newest: dict[str, StoredImage] = {}
        for image in self.list():
            if image.has_kernel:
                newest.setdefault(image.manifest.kind, image)
        return [*newest.values()]

    def _rank(self, image: StoredImage) -> tuple[bool, bool, datetime, str]:
        of = image.manifest
        return of.kind == self._preferred_kind, image.has_kernel, of.created_at, image.id

    def _read(self, folder: Path) -> StoredImage | None:
        try:
            text = (folder / MANIFEST_FILE).read_bytes()
            manifest = Manifest.model_validate_json(text)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValidationError) as error:
            self._tell_once(folder, str(error))
            return None
        wanted = IMAGE_FILES if manifest.kernel_args is not None else SELF_BOOTING_FILES
        missing = [name for name in wanted if not (folder / name).is_file()]
        if manifest.format != 1 or manifest.id != folder.name or missing:
            self._tell_once(folder, f"unknown format, another id, or missing files: {missing}")
            return None
        return StoredImage(folder, manifest, hashlib.sha256(text).hexdigest())

    def _tell_once(self, folder: Path, why: str) -> None:
        if folder not in self._told:
            self._told.add(folder)
            logger.warning("image_unusable", image=folder.name, why=why)
