"""Keeping images on driver ``local``: they are files of this computer, and `yunzhuo image` keeps them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NoReturn

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.image_resources import ImageChanges, ImageRequest, StoredImage


class LocalImageStore:
    """Says of every operation that it is not offered."""

    def list(self) -> Sequence[StoredImage]:
        _refuse("keeping images from afar")

    def get(self, image_id: str) -> StoredImage:
        _refuse("keeping images from afar")

    def create(self, request: ImageRequest) -> StoredImage:
        _refuse("keeping images from afar")

    def upload(self, image_id: str, content: Iterable[bytes]) -> None:
        _refuse("keeping images from afar")

    def import_from(self, image_id: str, url: str) -> None:
        _refuse("keeping images from afar")

    def download(self, image_id: str) -> Iterator[bytes]:
        _refuse("keeping images from afar")

    def update(self, image_id: str, changes: ImageChanges) -> StoredImage:
        _refuse("keeping images from afar")

    def deactivate(self, image_id: str) -> None:
        _refuse("keeping images from afar")

    def reactivate(self, image_id: str) -> None:
        _refuse("keeping images from afar")

    def share(self, image_id: str, project_id: str) -> None:
        _refuse("keeping images from afar")

    def unshare(self, image_id: str, project_id: str) -> None:
        _refuse("keeping images from afar")

    def shared_with(self, image_id: str) -> Sequence[str]:
        _refuse("keeping images from afar")

    def delete(self, image_id: str) -> None:
        _refuse("keeping images from afar")


def _refuse(what: str) -> NoReturn:
    raise CloudNotOffered(what)
