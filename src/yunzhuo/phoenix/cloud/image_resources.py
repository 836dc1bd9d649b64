"""Images as their keepers see them, as frozen values; ids are the cloud's own, times aware UTC."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ImageState(StrEnum):
    """Whether servers can be made of an image."""

    EMPTY = "empty"
    """Nothing has been uploaded yet."""
    ARRIVING = "arriving"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    """It is kept, and nobody but operators of the cloud gets at what is in it."""
    BROKEN = "broken"


class Visibility(StrEnum):
    """Who sees an image: its project; those it is shared with; whoever knows its id; everybody."""

    PRIVATE = "private"
    SHARED = "shared"
    COMMUNITY = "community"
    PUBLIC = "public"


class DiskFormat(StrEnum):
    """What is in an image's file."""

    QCOW2 = "qcow2"
    RAW = "raw"


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """What is needed to make an image, before its content."""

    name: str
    disk_format: DiskFormat = DiskFormat.QCOW2
    version: str = ""
    min_memory_mib: int = 0
    min_disk_mib: int = 0
    visibility: Visibility = Visibility.PRIVATE


@dataclass(frozen=True, slots=True)
class ImageChanges:
    """What is to be other than it is; None: left as it is."""

    name: str | None = None
    version: str | None = None
    min_memory_mib: int | None = None
    min_disk_mib: int | None = None
    visibility: Visibility | None = None
    is_protected: bool | None = None


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image in the cloud's store, offered to people or not. ``is_ours``: of our project, so that it can be changed.

    ``checksum`` is SHA-512 in hexadecimal, empty where the cloud does not tell. ``said`` is what the cloud says of content that
    it fetches: how far it is while the image is ARRIVING, why it did not come where it is EMPTY; else empty.
    """

    id: str
    name: str
    version: str
    state: ImageState
    visibility: Visibility
    is_ours: bool
    is_protected: bool
    disk_format: str
    size_bytes: int
    checksum: str
    min_memory_mib: int
    min_disk_mib: int
    created_at: datetime
    said: str = ""
