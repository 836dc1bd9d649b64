"""Images of driver ``openstack``."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from yunzhuo.phoenix.cloud.errors import ImageNotFound
from yunzhuo.phoenix.cloud.openstack.catalog import Catalog, chosen
from yunzhuo.phoenix.cloud.openstack.connection import Connection, Json, Refusals
from yunzhuo.phoenix.cloud.openstack.flavors import OpenStackFlavors
from yunzhuo.phoenix.cloud.openstack.server_states import read_time
from yunzhuo.phoenix.cloud.resources import Flavor, Image
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput

#: The property of an image that is a server's snapshot: that server's id.
SNAPSHOT_OF = "yunzhuo_snapshot_of"
_MIB = 1024 * 1024
_MIB_OF_GIB = 1024


class Fitting(Protocol):
    """Who knows whether servers of a flavor can be made of an image."""

    def check_fit(self, image_id: str, flavor: Flavor) -> None: ...


class OpenStackImages:
    """The active images that the project sees and the settings offer, snapshots left out; by default the newest first."""

    def __init__(self, connection: Connection, flavors: OpenStackFlavors) -> None:
        self._connection = connection
        self._flavors = flavors
        self._all = Catalog(self._ask, seconds=connection.settings.catalog_seconds)

    def list(self) -> Sequence[Image]:
        return self._all.items()

    def get(self, image_id: str) -> Image:
        found = self._all.find(lambda image: image.id == image_id)
        if found is None:
            raise ImageNotFound(image_id)
        return found

    def is_prepared(self, image_id: str, flavor_id: str) -> bool:
        """Nova prepares nothing: every server starts as fast as any."""
        self.get(image_id)
        self._flavors.get(flavor_id)
        return True

    def forget(self) -> None:
        """What was listed is not believed any more: it was changed from here."""
        self._all.forget()

    def check_fit(self, image_id: str, flavor: Flavor) -> None:
        """Raises ImageNotFound, and InvalidInput when the flavor is smaller than the image's minimum."""
        image = self.get(image_id)
        if flavor.memory_mib < image.min_memory_mib or flavor.disk_mib < image.min_disk_mib:
            needs = f"at least {image.min_memory_mib} MiB of memory and {image.min_disk_mib} MiB of disk"
            raise InvalidInput(f"The image {image.name} needs {needs}.", code="flavor_too_small", fields={"flavor_id": needs})

    def show_to(self, image_id: str, project_id: str) -> None:
        """Let another project make servers of it. Twice is harmless. Raises InvalidInput when it is private, Forbidden."""
        refusals: Refusals = {404: lambda _said, **_details: ImageNotFound(image_id), 409: _is_shown}
        found = self._connection.ask("image", "GET", f"/images/{image_id}", refusals=refusals)
        if found["visibility"] in ("public", "community") or found.get("owner") == project_id:
            return
        if found["visibility"] == "private":
            message = (
                f"The image {found.get('name') or image_id} is private; organizations' projects can use it once it is shared."
            )
            raise InvalidInput(message, code="image_not_shared", fields={"image_id": "private"})
        with suppress(Conflict):
            self._connection.ask("image", "POST", f"/images/{image_id}/members", {"member": project_id}, refusals=refusals)

    def _ask(self) -> Sequence[Image]:
        found = list(self._connection.pages("image", "/images?status=active&sort=created_at:desc,id:asc&limit=500", "images"))
        disks = [_read(each) for each in found if SNAPSHOT_OF not in each and each.get("image_type") != "snapshot"]
        offered = chosen(disks, self._connection.settings.images, lambda image: (image.id, image.name))
        return [replace(image, is_default=position == 0) for position, image in enumerate(offered)]


def _read(found: Json) -> Image:
    virtual = found.get("virtual_size") or 0
    return Image(
        id=found["id"],
        name=found.get("name") or found["id"],
        version=str(found.get("os_version") or ""),
        size_mib=size_mib(found),
        min_memory_mib=found.get("min_ram") or 0,
        min_disk_mib=max((found.get("min_disk") or 0) * _MIB_OF_GIB, -(-virtual // _MIB)),
        is_default=False,
        created_at=read_time(found["created_at"]),
    )


def _is_shown(said: str, **details: object) -> Conflict:
    return Conflict("image_shown", said, **details)


def size_mib(found: Json) -> int:
    """What an image takes in the cloud, rounded up."""
    return -(-(found.get("size") or 0) // _MIB)
