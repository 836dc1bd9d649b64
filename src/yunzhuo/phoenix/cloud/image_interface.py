"""The parts of the interface that servers are made of; see ``interface.py`` for the promises common to all."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from yunzhuo.phoenix.cloud.image_resources import ImageChanges, ImageRequest, StoredImage
from yunzhuo.phoenix.cloud.resources import Flavor, Image


class Images(Protocol):
    """Disks to start from, the default one first."""

    def list(self) -> Sequence[Image]: ...

    def get(self, image_id: str) -> Image:
        """Raises ImageNotFound."""
        ...

    def is_prepared(self, image_id: str, flavor_id: str) -> bool:
        """Whether a server of this image and flavor, in the cloud's own language, would start at once (a golden stands).

        Clouds that prepare nothing answer True. Raises ImageNotFound, FlavorNotFound.
        """
        ...


class ImageStore(Protocol):
    """The cloud's images, for those who keep them: also what is not offered to people. Snapshots of servers are left out.

    Images of others are seen where the cloud shows them, and never changed: they raise Forbidden.
    """

    def list(self) -> Sequence[StoredImage]:
        """By name, then the newest first."""
        ...

    def get(self, image_id: str) -> StoredImage:
        """Raises ImageNotFound."""
        ...

    def create(self, request: ImageRequest) -> StoredImage:
        """Make an image without content. Raises InvalidInput, NoCapacity, Forbidden (a visibility that we may not give)."""
        ...

    def upload(self, image_id: str, content: Iterable[bytes]) -> None:
        """Give an empty image its content, piece by piece; nobody on its way holds more than some pieces.

        An upload that ends early leaves the image empty or broken, never active. Raises ImageNotFound, and ImageInUse when it
        has content already.
        """
        ...

    def import_from(self, image_id: str, url: str) -> None:
        """Let the cloud fetch an empty image's content; ``get`` tells how far it is.

        What does not come leaves the image empty, with the reason in ``said``, and can be asked for again. Raises as
        ``upload``, and InvalidInput for an address from which the cloud fetches nothing.
        """
        ...

    def download(self, image_id: str) -> Iterator[bytes]:
        """The content, piece by piece. Raises ImageNotFound, ImageInUse when there is none, Forbidden if deactivated."""
        ...

    def update(self, image_id: str, changes: ImageChanges) -> StoredImage:
        """Raises ImageNotFound, InvalidInput, Forbidden."""
        ...

    def deactivate(self, image_id: str) -> None:
        """Let nobody start from it for now. Twice is harmless. Raises ImageNotFound, ImageInUse when it is not active."""
        ...

    def reactivate(self, image_id: str) -> None:
        """The opposite."""
        ...

    def share(self, image_id: str, project_id: str) -> None:
        """Show it to another project, which has to accept it; its visibility has to be SHARED. Twice is harmless."""
        ...

    def unshare(self, image_id: str, project_id: str) -> None:
        """The opposite; a project that it is not shared with is no error."""
        ...

    def shared_with(self, image_id: str) -> Sequence[str]:
        """The ids of the projects, in order. Raises ImageNotFound."""
        ...

    def delete(self, image_id: str) -> None:
        """Remove it; one that is not there is no error. Raises ImageInUse while it is protected, or the cloud needs it."""
        ...


class Flavors(Protocol):
    """Sizes, smallest first."""

    def list(self) -> Sequence[Flavor]: ...

    def get(self, flavor_id: str) -> Flavor:
        """Raises FlavorNotFound."""
        ...
