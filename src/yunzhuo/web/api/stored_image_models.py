"""The API's JSON for the images in the cloud's store."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from yunzhuo.services.cloud_images import DiskFormat, ImageChanges, ImageRequest, ImageState, Visibility
from yunzhuo.webkit.bodies import Asked

_LARGEST_MIB = 2**31


class StoredImage(BaseModel):
    """An image in the cloud, offered to people or not; `is_ours`: it can be changed."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    version: str
    state: ImageState
    visibility: Visibility
    is_ours: bool
    is_protected: bool
    disk_format: str
    size_bytes: int
    checksum: str = Field(description="SHA-512; empty where the cloud does not tell.")
    min_memory_mib: int
    min_disk_mib: int
    created_at: datetime
    said: str = Field(
        description="Of content that the cloud fetches: how far it is, or (of an `empty` image) why it did not come."
    )


class StoredImageList(BaseModel):
    """Images."""

    items: list[StoredImage]


class NewImage(Asked):
    """An image to be made; its content is fetched by the cloud from `url`, or comes later (`yunzhuo image upload`)."""

    name: str = Field(examples=["Linux desktop"])
    disk_format: DiskFormat = DiskFormat.QCOW2
    version: str = Field("", max_length=64)
    min_memory_mib: int = Field(0, ge=0, le=_LARGEST_MIB)
    min_disk_mib: int = Field(0, ge=0, le=_LARGEST_MIB)
    visibility: Visibility = Visibility.PRIVATE
    url: str | None = Field(None, max_length=2000)

    def asked(self) -> ImageRequest:
        """As the service takes it."""
        return ImageRequest(**self.model_dump(exclude={"url"}))


class ImageChange(Asked):
    """What is to be other than it is; what is left out stays."""

    name: str | None = None
    version: str | None = Field(None, max_length=64)
    min_memory_mib: int | None = Field(None, ge=0, le=_LARGEST_MIB)
    min_disk_mib: int | None = Field(None, ge=0, le=_LARGEST_MIB)
    visibility: Visibility | None = None
    is_protected: bool | None = None
    is_active: bool | None = Field(None, description="False takes it out of use; true puts it back.")

    def asked(self) -> ImageChanges:
        """As the service takes it."""
        return ImageChanges(**self.model_dump(exclude={"is_active"}))


class Projects(BaseModel):
    """The projects of the cloud that an image is shared with."""

    items: list[str]
