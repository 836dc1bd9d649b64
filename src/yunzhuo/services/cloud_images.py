"""The cloud's images as operators keep them. The cloud alone keeps them; here is who may, and the record."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from yunzhuo.phoenix.cloud.image_resources import (
    DiskFormat,
    ImageChanges,
    ImageRequest,
    ImageState,
    StoredImage,
    Visibility,
)
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.common.errors import InvalidInput, Refused
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.rules import naming
from yunzhuo.services.stated import needs

__all__ = ["DiskFormat", "ImageChanges", "ImageKeepingService", "ImageRequest", "ImageState", "StoredImage", "Visibility"]

_LONGEST_URL = 2000


def _without_secrets(url: str) -> str:
    """An address as it may be written down: without a password, and without what signs it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class ImageKeepingService:
    """All raise the cloud's errors: NotFound, Conflict (``image_in_use``), LimitReached, Forbidden, InvalidInput."""

    def __init__(self, db: Database, cloud: Cloud, audit: AuditLog) -> None:
        self._db = db
        self._cloud = cloud
        self._audit = audit

    @needs("image:read")
    def list(self, actor: Actor) -> Sequence[StoredImage]:
        """All images that the cloud shows us, offered to people or not."""
        return self._cloud.image_store.list()

    @needs("image:read")
    def get(self, actor: Actor, image_id: str) -> StoredImage:
        """One of them."""
        return self._cloud.image_store.get(image_id)

    @needs("image:read")
    def shared_with(self, actor: Actor, image_id: str) -> Sequence[str]:
        """The projects that one of ours is shared with."""
        return self._cloud.image_store.shared_with(image_id)

    @needs("image:read")
    def download(self, actor: Actor, image_id: str) -> Iterator[bytes]:
        """What is in an image, piece by piece; written down, as it is taken away."""
        content = self._cloud.image_store.download(image_id)
        self._record(actor, "image:read", image_id, {"change": "downloaded"})
        return content

    @needs("image:create")
    def create(self, actor: Actor, request: ImageRequest) -> StoredImage:
        """Make an image that has no content yet."""
        naming.checked_name(request.name)
        made = self._cloud.image_store.create(request)
        self._record(actor, "image:create", made.id, {"name": made.name, "visibility": made.visibility.value})
        return made

    @needs("image:create")
    def upload(self, actor: Actor, image_id: str, content: Iterable[bytes]) -> StoredImage:
        """Give an image its content, piece by piece; what ends early is no image."""
        self._cloud.image_store.upload(image_id, content)
        stored = self._cloud.image_store.get(image_id)
        self._record(actor, "image:create", image_id, {"size_bytes": stored.size_bytes, "checksum": stored.checksum})
        return stored

    @needs("image:create")
    def fetch(self, actor: Actor, request: ImageRequest, url: str) -> StoredImage:
        """Make an image whose content the cloud fetches from an address of the web; a refused one leaves nothing behind."""
        if not url.startswith(("http://", "https://")) or len(url) > _LONGEST_URL:
            raise InvalidInput("Images are fetched from http:// or https://.", fields={"url": "not such an address"})
        made = self.create(actor, request)
        try:
            self._cloud.image_store.import_from(made.id, url)
        except Refused:
            self._cloud.image_store.delete(made.id)
            self._record(actor, "image:delete", made.id, {"change": "the cloud does not fetch it"})
            raise
        self._record(actor, "image:create", made.id, {"url": _without_secrets(url)})
        return self._cloud.image_store.get(made.id)

    @needs("image:update")
    def update(self, actor: Actor, image_id: str, changes: ImageChanges) -> StoredImage:
        """Change what is said of an image, who sees it, whether it is protected."""
        if changes.name is not None:
            naming.checked_name(changes.name)
        changed = self._cloud.image_store.update(image_id, changes)
        after = {"name": changed.name, "visibility": changed.visibility.value, "is_protected": changed.is_protected}
        self._record(actor, "image:update", image_id, after)
        return changed

    @needs("image:update")
    def deactivate(self, actor: Actor, image_id: str) -> None:
        """Let nobody start from it for now."""
        self._do(actor, image_id, "deactivated", lambda: self._cloud.image_store.deactivate(image_id))

    @needs("image:update")
    def reactivate(self, actor: Actor, image_id: str) -> None:
        """Let people start from it again."""
        self._do(actor, image_id, "reactivated", lambda: self._cloud.image_store.reactivate(image_id))

    @needs("image:update")
    def share(self, actor: Actor, image_id: str, project_id: str) -> None:
        """Show it to another project of the cloud."""
        self._do(actor, image_id, f"shared with {project_id}", lambda: self._cloud.image_store.share(image_id, project_id))

    @needs("image:update")
    def unshare(self, actor: Actor, image_id: str, project_id: str) -> None:
        """Show it to that project no more."""
        what = f"not shared with {project_id}"
        self._do(actor, image_id, what, lambda: self._cloud.image_store.unshare(image_id, project_id))

    @needs("image:delete")
    def delete(self, actor: Actor, image_id: str) -> None:
        """Remove an image that nothing stands on; desktops made of it stay where they are."""
        self._cloud.image_store.delete(image_id)
        self._record(actor, "image:delete", image_id, {})

    def _do(self, actor: Actor, image_id: str, what: str, ask: Callable[[], None]) -> None:
        ask()
        self._record(actor, "image:update", image_id, {"change": what})

    @retried_when_contended
    def _record(self, actor: Actor, verb: str, image_id: str, after: Mapping[str, object]) -> None:
        with self._db.transaction() as tx:
            self._audit.record(tx, actor, verb, "image", image_id[:36], after=after)
