"""Images that people keep in the cloud, beside those of the options. An active one is offered to people like those."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha512
from typing import TypeVar

from yunzhuo.phoenix.cloud.errors import ImageInUse, ImageNotFound
from yunzhuo.phoenix.cloud.image_resources import DiskFormat, ImageChanges, ImageRequest, ImageState, StoredImage, Visibility
from yunzhuo.phoenix.cloud.memory import things
from yunzhuo.phoenix.cloud.memory.calls import Gate
from yunzhuo.phoenix.cloud.memory.faults import FaultKind, Plan
from yunzhuo.phoenix.cloud.memory.options import ImageOption
from yunzhuo.phoenix.cloud.memory.records import as_time
from yunzhuo.phoenix.cloud.memory.state import Transaction
from yunzhuo.phoenix.cloud.memory.things import Thing
from yunzhuo.phoenix.common.errors import Forbidden, InvalidInput

_Result = TypeVar("_Result")
_MIB = 1024 * 1024


class MadeImage(Thing):
    """An image and how far it is; its content is in pieces beside it."""

    name: str
    version: str
    disk_format: DiskFormat
    min_memory_mib: int
    min_disk_mib: int
    visibility: Visibility
    created_at: float
    state: ImageState = ImageState.EMPTY
    is_protected: bool = False
    size_bytes: int = 0
    checksum: str = ""
    shared_with: tuple[str, ...] = ()
    said: str = ""


class ImageStore:
    """See :class:`yunzhuo.phoenix.cloud.interface.ImageStore`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def list(self) -> Sequence[StoredImage]:
        return self._perform("list", "", _all)

    def get(self, image_id: str) -> StoredImage:
        return self._perform("get", image_id, lambda transaction: _get(transaction, image_id))

    def create(self, request: ImageRequest) -> StoredImage:
        def make(transaction: Transaction) -> StoredImage:
            if request.visibility is Visibility.PUBLIC:
                raise Forbidden("cloud_forbids", "Only the cloud's own operators make images public.")
            image = MadeImage(
                id=transaction.draw_id(),
                name=request.name,
                version=request.version,
                disk_format=request.disk_format,
                min_memory_mib=request.min_memory_mib,
                min_disk_mib=request.min_disk_mib,
                visibility=request.visibility,
                created_at=transaction.now,
            )
            things.write(transaction, image)
            return _as_stored(image)

        return self._perform("create", request.name, make)

    def upload(self, image_id: str, content: Iterable[bytes]) -> None:
        """Piece by piece, a transaction each: nobody else waits for the whole."""
        self._perform("upload", image_id, lambda transaction: _begin(transaction, image_id))
        digest, size, is_whole = sha512(), 0, False
        try:
            for number, piece in enumerate(content):
                digest.update(piece)
                size += len(piece)
                self._put_piece(image_id, number, piece)
            is_whole = True
        finally:
            checksum = digest.hexdigest() if is_whole else ""
            self._perform("upload", image_id, lambda transaction: _end(transaction, image_id, size, checksum))

    def import_from(self, image_id: str, url: str) -> None:
        """This cloud reaches nothing: what is fetched is the address itself."""
        if not url.startswith(("http://", "https://")):
            raise InvalidInput("The cloud does not fetch that.", code="cloud_refused")

        def fetch(transaction: Transaction, plan: Plan) -> bool:
            image, breaks = _ours(transaction, image_id), plan.get(FaultKind.BREAK)
            things.write(transaction, image.model_copy(update={"said": breaks.reason if breaks else ""}))
            return breaks is None

        if self._gate.perform("image_store.import_from", fetch, subject=image_id):
            self.upload(image_id, [url.encode()])

    def download(self, image_id: str) -> Iterator[bytes]:
        def check(transaction: Transaction) -> None:
            state = _get(transaction, image_id).state
            if state is ImageState.DEACTIVATED:
                message = "The image is deactivated: nobody gets at what is in it."
                raise Forbidden("image_deactivated", message, image_id=image_id)
            if state is not ImageState.ACTIVE:
                raise ImageInUse("The image has no content yet.", image_id=image_id)

        self._perform("download", image_id, check)
        return self._pieces(image_id)

    def update(self, image_id: str, changes: ImageChanges) -> StoredImage:
        def change(transaction: Transaction) -> StoredImage:
            if changes.visibility is Visibility.PUBLIC:
                raise Forbidden("cloud_forbids", "Only the cloud's own operators make images public.")
            wanted = {
                "name": changes.name,
                "version": changes.version,
                "min_memory_mib": changes.min_memory_mib,
                "min_disk_mib": changes.min_disk_mib,
                "visibility": changes.visibility,
                "is_protected": changes.is_protected,
            }
            known = {name: value for name, value in wanted.items() if value is not None}
            image = _ours(transaction, image_id).model_copy(update=known)
            things.write(transaction, image)
            return _as_stored(image)

        return self._perform("update", image_id, change)

    def deactivate(self, image_id: str) -> None:
        self._switch("deactivate", image_id, ImageState.ACTIVE, ImageState.DEACTIVATED)

    def reactivate(self, image_id: str) -> None:
        self._switch("reactivate", image_id, ImageState.DEACTIVATED, ImageState.ACTIVE)

    def share(self, image_id: str, project_id: str) -> None:
        def change(transaction: Transaction) -> None:
            image = _ours(transaction, image_id)
            if image.visibility is not Visibility.SHARED:
                raise InvalidInput("The image's visibility has to be shared.", code="image_not_shared")
            things.write(transaction, image.model_copy(update={"shared_with": tuple(sorted({*image.shared_with, project_id}))}))

        self._perform("share", image_id, change)

    def unshare(self, image_id: str, project_id: str) -> None:
        def change(transaction: Transaction) -> None:
            image = _ours(transaction, image_id)
            left = tuple(each for each in image.shared_with if each != project_id)
            things.write(transaction, image.model_copy(update={"shared_with": left}))

        self._perform("unshare", image_id, change)

    def shared_with(self, image_id: str) -> Sequence[str]:
        return self._perform("shared_with", image_id, lambda transaction: _ours(transaction, image_id).shared_with)

    def delete(self, image_id: str) -> None:
        def remove(transaction: Transaction) -> None:
            image = things.read(transaction, MadeImage, image_id)
            if image is None:
                _check_not_given(transaction, image_id)
                return
            if image.is_protected or image.state is ImageState.ARRIVING:
                raise ImageInUse("The image is protected, or arriving.", image_id=image_id)
            things.remove(transaction, MadeImage, image_id)
            transaction.execute("DELETE FROM image_pieces WHERE image_id = ?", image_id)

        self._perform("delete", image_id, remove)

    def _switch(self, verb: str, image_id: str, before: ImageState, after: ImageState) -> None:
        def change(transaction: Transaction) -> None:
            image = _ours(transaction, image_id)
            if image.state not in (before, after):
                raise ImageInUse(f"The image is {image.state.value}.", image_id=image_id)
            things.write(transaction, image.model_copy(update={"state": after}))

        self._perform(verb, image_id, change)

    def _put_piece(self, image_id: str, number: int, piece: bytes) -> None:
        def put(transaction: Transaction) -> None:
            transaction.execute("INSERT OR REPLACE INTO image_pieces VALUES (?, ?, ?)", image_id, number, piece)

        self._perform("upload", image_id, put)

    def _pieces(self, image_id: str) -> Iterator[bytes]:
        number = 0
        while piece := self._piece(image_id, number):
            yield piece
            number += 1

    def _piece(self, image_id: str, number: int) -> bytes:
        def get(transaction: Transaction) -> bytes:
            row = transaction.row("SELECT content FROM image_pieces WHERE image_id = ? AND number = ?", image_id, number)
            return bytes(row[0]) if row else b""

        return self._perform("download", image_id, get)

    def _perform(self, verb: str, subject: str, action: Callable[[Transaction], _Result]) -> _Result:
        return self._gate.perform(f"image_store.{verb}", lambda transaction, _plan: action(transaction), subject=subject)


def offered(transaction: Transaction) -> Sequence[ImageOption]:
    """Those that servers can be made of, beside the options'."""
    return [
        ImageOption(
            id=image.id,
            name=image.name,
            version=image.version,
            size_mib=-(-image.size_bytes // _MIB),
            min_memory_mib=image.min_memory_mib,
            min_disk_mib=image.min_disk_mib,
            created_at=datetime.fromtimestamp(image.created_at, UTC),
        )
        for image in things.read_all(transaction, MadeImage)
        if image.state is ImageState.ACTIVE
    ]


def _begin(transaction: Transaction, image_id: str) -> None:
    image = _ours(transaction, image_id)
    if image.state is not ImageState.EMPTY:
        raise ImageInUse("The image has content already.", image_id=image_id)
    things.write(transaction, image.model_copy(update={"state": ImageState.ARRIVING}))


def _end(transaction: Transaction, image_id: str, size_bytes: int, checksum: str) -> None:
    """No checksum: it did not arrive whole, and nothing of it is kept."""
    image = _ours(transaction, image_id)
    if checksum:
        whole = {"state": ImageState.ACTIVE, "size_bytes": size_bytes, "checksum": checksum}
        things.write(transaction, image.model_copy(update=whole))
    else:
        transaction.execute("DELETE FROM image_pieces WHERE image_id = ?", image_id)
        things.write(transaction, image.model_copy(update={"state": ImageState.EMPTY}))


def _all(transaction: Transaction) -> Sequence[StoredImage]:
    given = [_as_given(each) for each in transaction.options.images]
    made = [_as_stored(each) for each in things.read_all(transaction, MadeImage)]
    newest_first = sorted((*given, *made), key=lambda image: image.created_at, reverse=True)
    return tuple(sorted(newest_first, key=lambda image: image.name))


def _get(transaction: Transaction, image_id: str) -> StoredImage:
    found = next((image for image in _all(transaction) if image.id == image_id), None)
    if found is None:
        raise ImageNotFound(image_id)
    return found


def _ours(transaction: Transaction, image_id: str) -> MadeImage:
    image = things.read(transaction, MadeImage, image_id)
    if image is None:
        _check_not_given(transaction, image_id)
        raise ImageNotFound(image_id)
    return image


def _check_not_given(transaction: Transaction, image_id: str) -> None:
    if any(image.id == image_id for image in transaction.options.images):
        raise Forbidden("image_of_others", "The image is the cloud's own.", image_id=image_id)


def _as_stored(image: MadeImage) -> StoredImage:
    return StoredImage(
        id=image.id,
        name=image.name,
        version=image.version,
        state=image.state,
        visibility=image.visibility,
        is_ours=True,
        is_protected=image.is_protected,
        disk_format=image.disk_format.value,
        size_bytes=image.size_bytes,
        checksum=image.checksum,
        min_memory_mib=image.min_memory_mib,
        min_disk_mib=image.min_disk_mib,
        created_at=as_time(image.created_at),
        said=image.said,
    )


def _as_given(image: ImageOption) -> StoredImage:
    return StoredImage(
        id=image.id,
        name=image.name,
        version=image.version,
        state=ImageState.ACTIVE,
        visibility=Visibility.PUBLIC,
        is_ours=False,
        is_protected=False,
        disk_format=DiskFormat.QCOW2.value,
        size_bytes=image.size_mib * _MIB,
        checksum="",
        min_memory_mib=image.min_memory_mib,
        min_disk_mib=image.min_disk_mib,
        created_at=image.created_at,
    )
