"""All images of driver ``openstack``, for those who keep them: Glance's, streamed in and out."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from yunzhuo.phoenix.cloud.errors import CloudNotOffered, ImageInUse, ImageNotFound
from yunzhuo.phoenix.cloud.image_resources import ImageChanges, ImageRequest, ImageState, StoredImage, Visibility
from yunzhuo.phoenix.cloud.openstack.connection import Connection, Json, Refusals
from yunzhuo.phoenix.cloud.openstack.images import SNAPSHOT_OF
from yunzhuo.phoenix.cloud.openstack.server_states import read_time
from yunzhuo.phoenix.common.errors import Forbidden, InvalidInput, NotFound, YunzhuoError

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PATCH = "application/openstack-images-v2.1-json-patch"
_MIB_OF_GIB = 1024
_LONGEST_WORD = 500
_STATES = {
    "queued": ImageState.EMPTY,
    "saving": ImageState.ARRIVING,
    "uploading": ImageState.ARRIVING,
    "importing": ImageState.ARRIVING,
    "active": ImageState.ACTIVE,
    "deactivated": ImageState.DEACTIVATED,
}
_GONE = frozenset({"deleted", "pending_delete"})


class OpenStackImageStore:
    """See the interface for the promises. ``forget`` is told when what people are offered may have changed."""

    def __init__(self, connection: Connection, forget: Callable[[], None]) -> None:
        self._connection = connection
        self._forget = forget

    def list(self) -> Sequence[StoredImage]:
        path = "/images?sort=name:asc,created_at:desc,id:asc&limit=500"
        found = (each for each in self._connection.pages("image", path, "images") if _is_image(each))
        return tuple(self._with_word(self._read(each)) for each in found)

    def get(self, image_id: str) -> StoredImage:
        return self._with_word(self._find(image_id))

    def _find(self, image_id: str) -> StoredImage:
        if not _ID.fullmatch(image_id):
            raise ImageNotFound(image_id)
        found = self._ask("GET", f"/images/{image_id}", None, {404: _no_image(image_id)})
        if not _is_image(found):
            raise ImageNotFound(image_id)
        return self._read(found)

    def create(self, request: ImageRequest) -> StoredImage:
        wanted: dict[str, object] = {
            "name": request.name,
            "disk_format": request.disk_format.value,
            "container_format": "bare",
            "min_ram": request.min_memory_mib,
            "min_disk": _gib(request.min_disk_mib),
            "visibility": request.visibility.value,
        }
        if request.version:
            wanted["os_version"] = request.version
        return self._read(self._ask("POST", "/images", wanted, {}))

    def upload(self, image_id: str, content: Iterable[bytes]) -> None:
        if self._ours(image_id).state is not ImageState.EMPTY:
            raise ImageInUse("The image has content already.", image_id=image_id)
        refusals: Refusals = {
            404: _no_image(image_id),
            409: lambda said, **details: ImageInUse(f"The image takes no content: {said}", image_id=image_id, **details),
        }
        self._connection.send("image", f"/images/{image_id}/file", content, refusals=refusals)
        self._forget()

    def import_from(self, image_id: str, url: str) -> None:
        if self._ours(image_id).state is not ImageState.EMPTY:
            raise ImageInUse("The image has content already.", image_id=image_id)
        offered = self._ask("GET", "/info/import", None, {404: lambda _said, **_details: CloudNotOffered("fetching images")})
        if "web-download" not in offered["import-methods"]["value"]:
            raise CloudNotOffered("fetching images from elsewhere (Glance's import method web-download)")
        refusals: Refusals = {
            400: _not_fetched,
            404: _no_image(image_id),
            409: lambda said, **details: ImageInUse(f"The image takes no content: {said}", image_id=image_id, **details),
        }
        method = {"method": {"name": "web-download", "uri": url}}
        self._ask("POST", f"/images/{image_id}/import", method, refusals)

    def download(self, image_id: str) -> Iterator[bytes]:
        image = self.get(image_id)
        if image.state in (ImageState.EMPTY, ImageState.ARRIVING, ImageState.BROKEN):
            raise _no_content(image_id)
        if image.state is ImageState.DEACTIVATED:
            raise Forbidden("image_deactivated", "The image is deactivated: nobody gets at what is in it.", image_id=image_id)
        refusals: Refusals = {204: lambda _said, **_details: _no_content(image_id), 404: _no_image(image_id)}
        return self._connection.receive("image", f"/images/{image_id}/file", refusals=refusals)

    def update(self, image_id: str, changes: ImageChanges) -> StoredImage:
        image = self._ours(image_id)
        wanted = {
            "name": changes.name,
            "os_version": changes.version,
            "min_ram": changes.min_memory_mib,
            "min_disk": None if changes.min_disk_mib is None else _gib(changes.min_disk_mib),
            "visibility": None if changes.visibility is None else changes.visibility.value,
            "protected": changes.is_protected,
        }
        patch = [{"op": "add", "path": f"/{name}", "value": value} for name, value in wanted.items() if value is not None]
        if not patch:
            return image
        path, refusals = f"/images/{image_id}", {404: _no_image(image_id)}
        found = self._connection.ask("image", "PATCH", path, patch, refusals=refusals, content_type=_PATCH)
        self._forget()
        return self._read(found)

    def deactivate(self, image_id: str) -> None:
        self._act(image_id, "deactivate", ImageState.ACTIVE, ImageState.DEACTIVATED)

    def reactivate(self, image_id: str) -> None:
        self._act(image_id, "reactivate", ImageState.DEACTIVATED, ImageState.ACTIVE)

    def share(self, image_id: str, project_id: str) -> None:
        if self._ours(image_id).visibility is not Visibility.SHARED:
            raise InvalidInput("The image's visibility has to be shared.", code="image_not_shared")
        refusals: Refusals = {
            404: _no_image(image_id),
            409: lambda said, **details: ImageInUse(said, image_id=image_id, **details),
        }
        if project_id not in self.shared_with(image_id):
            with suppress(ImageInUse):  # by now
                self._ask("POST", f"/images/{image_id}/members", {"member": project_id}, refusals)

    def unshare(self, image_id: str, project_id: str) -> None:
        if project_id in self.shared_with(image_id):
            with suppress(NotFound):
                self._ask("DELETE", f"/images/{image_id}/members/{project_id}", None, {404: _no_image(image_id)})

    def shared_with(self, image_id: str) -> Sequence[str]:
        if self._ours(image_id).visibility is not Visibility.SHARED:
            return ()
        found = self._ask("GET", f"/images/{image_id}/members", None, {404: _no_image(image_id)})
        return tuple(sorted(each["member_id"] for each in found["members"]))

    def delete(self, image_id: str) -> None:
        with suppress(ImageNotFound):
            if self._ours(image_id).is_protected:
                raise ImageInUse("The image is protected from being deleted.", image_id=image_id)
            refusals: Refusals = {
                404: _no_image(image_id),
                409: lambda said, **details: ImageInUse(f"The cloud needs the image: {said}", image_id=image_id, **details),
            }
            self._ask("DELETE", f"/images/{image_id}", None, refusals)
            self._forget()

    def _act(self, image_id: str, action: str, before: ImageState, after: ImageState) -> None:
        image = self._ours(image_id)
        if image.state is after:
            return
        if image.state is not before:
            raise ImageInUse(f"The image is {image.state.value}.", image_id=image_id)
        self._ask("POST", f"/images/{image_id}/actions/{action}", None, {404: _no_image(image_id)})
        self._forget()

    def _ours(self, image_id: str) -> StoredImage:
        image = self._find(image_id)
        if not image.is_ours:
            raise Forbidden("image_of_others", "The image is another project's.", image_id=image_id)
        return image

    def _ask(self, method: str, path: str, body: Json | None, refusals: Refusals) -> Json:
        return self._connection.ask("image", method, path, body, refusals=refusals)

    def _with_word(self, image: StoredImage) -> StoredImage:
        """An image of ours that has no content yet, with what Glance's latest task says of that."""
        if not image.is_ours or image.state not in (ImageState.EMPTY, ImageState.ARRIVING):
            return image
        with suppress(NotFound):  # the image, by now, or a Glance that does not tell (before API 2.12)
            tasks = self._ask("GET", f"/images/{image.id}/tasks", None, {404: _no_image(image.id)})["tasks"]
            latest = max(tasks, key=lambda task: str(task["created_at"]), default=None)
            if latest is not None and (image.state is ImageState.ARRIVING or latest["status"] == "failure"):
                said = " ".join(str(latest.get("message") or "").split())[:_LONGEST_WORD]
                return replace(image, said=said or str(latest["status"]))
        return image

    def _read(self, found: Json) -> StoredImage:
        return StoredImage(
            id=found["id"],
            name=found.get("name") or found["id"],
            version=str(found.get("os_version") or ""),
            state=_STATES.get(found["status"], ImageState.BROKEN),
            visibility=Visibility(found["visibility"]),
            is_ours=found.get("owner") == self._connection.project_id,
            is_protected=bool(found.get("protected")),
            disk_format=found.get("disk_format") or "",
            size_bytes=found.get("size") or 0,
            checksum=(found.get("os_hash_value") or "") if found.get("os_hash_algo") == "sha512" else "",
            min_memory_mib=found.get("min_ram") or 0,
            min_disk_mib=(found.get("min_disk") or 0) * _MIB_OF_GIB,
            created_at=read_time(found["created_at"]),
        )


def _is_image(found: Json) -> bool:
    """Neither a snapshot, ours or another's, nor gone."""
    return SNAPSHOT_OF not in found and found.get("image_type") != "snapshot" and found["status"] not in _GONE


def _not_fetched(said: str, **details: object) -> InvalidInput:
    refused = InvalidInput(f"The cloud does not fetch that: {said}", code="cloud_refused")
    refused.details = {**refused.details, **details}
    return refused


def _gib(size_mib: int) -> int:
    return -(-size_mib // _MIB_OF_GIB)


def _no_image(image_id: str) -> Callable[..., YunzhuoError]:
    return lambda _said, **_details: ImageNotFound(image_id)


def _no_content(image_id: str) -> ImageInUse:
    return ImageInUse("The image has no content yet.", image_id=image_id)
