"""What a person carries into their desktop and out of it: the clipboard's text, and files in pieces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from yunzhuo.phoenix.cloud.interface import PIECE_BYTES, Cloud
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput
from yunzhuo.phoenix.config.people_settings import GuestSettings
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.changes import facts_of, state_of
from yunzhuo.services.desktop_views import visible_desktop
from yunzhuo.services.policy_book import PolicyBook
from yunzhuo.services.rules import file_names, lifecycle
from yunzhuo.services.rules.session_policy import Permission
from yunzhuo.services.stated import needs

__all__ = ["PIECE_BYTES", "FileView", "GuestService", "Piece"]

_CLIPBOARD = "desktop:clipboard"
_FILES = "desktop:files"


@dataclass(frozen=True, slots=True)
class FileView:
    """A file in the desktop's download folder."""

    name: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a file that begins at ``offset``, and how large the file is."""

    content: bytes = field(repr=False)
    offset: int
    size_bytes: int


class GuestService:
    """Only the owner may, as with the screen, and only while the desktop is available (else Conflict).

    Every method raises NotFound for a desktop that does not exist for the actor, Forbidden (a screen's policy counts here,
    too), and the cloud's errors.
    """

    def __init__(self, db: Database, cloud: Cloud, audit: AuditLog, policies: PolicyBook, settings: GuestSettings) -> None:
        self._policies = policies
        self._db = db
        self._cloud = cloud
        self._audit = audit
        self.settings = settings

    @needs(_CLIPBOARD)
    def get_clipboard(self, actor: Actor, desktop_id: str) -> str:
        """The desktop's clipboard as text. Raises InvalidInput when it holds more than is carried."""
        server_id = self._reach(actor, desktop_id, _CLIPBOARD, Permission.CLIPBOARD_FROM_DESKTOP)
        text = self._cloud.guest.get_clipboard(server_id)
        size = len(text.encode())
        if size > self.settings.clipboard_bytes or size >= PIECE_BYTES:  # clouds cut what is longer than they carry
            raise self._clipboard_too_large()
        self._note(actor, desktop_id, _CLIPBOARD, {"from": "desktop", "bytes": size})
        return text

    @needs(_CLIPBOARD)
    def set_clipboard(self, actor: Actor, desktop_id: str, text: str) -> None:
        """Put text into the desktop's clipboard. Raises InvalidInput when it is too long, or no text."""
        size = len(text.encode(errors="replace"))
        if size > self.settings.clipboard_bytes:
            raise self._clipboard_too_large()
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise InvalidInput("This is not text that a clipboard takes.", fields={"text": "has zero bytes or half characters"})
        server_id = self._reach(actor, desktop_id, _CLIPBOARD, Permission.CLIPBOARD_TO_DESKTOP)
        self._cloud.guest.set_clipboard(server_id, text)
        self._note(actor, desktop_id, _CLIPBOARD, {"to": "desktop", "bytes": size})

    @needs(_FILES)
    def files(self, actor: Actor, desktop_id: str) -> Sequence[FileView]:
        """What lies in the desktop's download folder, by name; files whose names nobody can take are left out."""
        server_id = self._reach(actor, desktop_id, _FILES)
        found = self._cloud.guest.list_files(server_id, file_names.FOLDER)
        return [FileView(each.name, each.size_bytes, each.modified_at) for each in found if file_names.is_good(each.name)]

    @needs(_FILES)
    def folder(self, actor: Actor, desktop_id: str) -> Sequence[FileView]:
        """What the whole download folder holds, to be read next. Raises InvalidInput when that is more than is given out."""
        found = self.files(actor, desktop_id)
        total = sum(file.size_bytes for file in found)
        if total > self.settings.folder_bytes or any(file.size_bytes > self.settings.file_bytes for file in found):
            raise InvalidInput("The folder is larger than what is given out as a whole.", code="folder_too_large")
        return found

    @needs(_FILES)
    def read_piece(self, actor: Actor, desktop_id: str, name: str, *, offset: int) -> Piece:
        """The piece of a file at ``offset``. Raises InvalidInput when the file is larger than is given out."""
        path = _path(name)
        server_id = self._reach(actor, desktop_id, _FILES)
        piece = self._cloud.guest.read_piece(server_id, path, offset=offset, max_bytes=PIECE_BYTES)
        self._require_size(piece.size_bytes)
        if offset == 0:
            self._note(actor, desktop_id, _FILES, {"from": "desktop", "bytes": piece.size_bytes, "file": name})
        return Piece(piece.content, offset, piece.size_bytes)

    @needs(_FILES)
    def write_piece(
        self, actor: Actor, desktop_id: str, name: str, content: bytes, *, offset: int, size_bytes: int | None
    ) -> FileView | None:
        """Put a piece into a file that has its name only once it is whole: with the piece that ends it.

        ``size_bytes`` is the whole file's, None as long as nobody knows it. Answers the file when it is whole. Twice is
        harmless. Raises InvalidInput: a name that cannot be taken, too large, a piece that does not follow what is there.
        """
        path, partial = _path(name), file_names.partial_path_of(name)
        end = offset + len(content)
        self._require_size(max(end, size_bytes or 0))
        if size_bytes is not None and end > size_bytes:
            raise InvalidInput("The piece reaches beyond the file's end.", code="file_out_of_step")
        server_id = self._reach(actor, desktop_id, _FILES)
        self._cloud.guest.write_piece(server_id, partial, content, offset=offset)
        if end != size_bytes:
            return None
        self._cloud.guest.move_file(server_id, partial, path)
        self._note(actor, desktop_id, _FILES, {"to": "desktop", "bytes": size_bytes, "file": name})
        listed = {file.name: file for file in self._cloud.guest.list_files(server_id, file_names.FOLDER)}
        found = listed.get(name)
        if found is None:
            raise Conflict("file_changed", "The file was taken away in the desktop the moment it was there.")
        return FileView(found.name, found.size_bytes, found.modified_at)

    @needs(_FILES)
    def drop_partial(self, actor: Actor, desktop_id: str, name: str) -> None:
        """Forget what was put in of a file that is not going to be whole."""
        _path(name)
        server_id = self._reach(actor, desktop_id, _FILES)
        self._cloud.guest.delete_file(server_id, file_names.partial_path_of(name))

    @retried_when_contended
    def _reach(self, actor: Actor, desktop_id: str, verb: str, permission: Permission = Permission.FILE_TRANSFER) -> str:
        with self._db.transaction() as tx:
            desktop, operation = visible_desktop(tx, actor, desktop_id, verb)
            self._policies.require(tx, actor.user_id, desktop, permission)
            if not lifecycle.is_reachable(facts_of(desktop, operation)) or desktop.server_id is None:
                state = state_of(desktop, operation)
                raise Conflict("desktop_not_running", f"The desktop cannot be reached while it is {state}.", state=state)
            return desktop.server_id

    @retried_when_contended
    def _note(self, actor: Actor, desktop_id: str, verb: str, after: Mapping[str, object]) -> None:
        with self._db.transaction() as tx:
            self._audit.record(tx, actor, verb, "desktop", desktop_id, after=after)

    def _clipboard_too_large(self) -> InvalidInput:
        fields = {"text": f"at most {self.settings.clipboard_bytes} bytes"}
        return InvalidInput("The text is too long for the clipboard.", code="clipboard_too_large", fields=fields)

    def _require_size(self, size_bytes: int) -> None:
        limit = self.settings.file_bytes
        if size_bytes > limit:
            fields = {"file": f"at most {limit} bytes"}
            raise InvalidInput("The file is larger than what is carried.", code="file_too_large", fields=fields)


def _path(name: str) -> str:
    if not file_names.is_good(name):
        raise InvalidInput("A file cannot be called so.", code="bad_file_name", fields={"name": "not a plain file name"})
    return file_names.path_of(name)
