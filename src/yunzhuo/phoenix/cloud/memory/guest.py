"""The inside of a server: its files, its clipboard, what was shown on its screen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from yunzhuo.phoenix.cloud.errors import CloudNotOffered, CloudUnavailable, GuestUnreachable
from yunzhuo.phoenix.cloud.interface import PIECE_BYTES
from yunzhuo.phoenix.cloud.memory import guest_system, store
from yunzhuo.phoenix.cloud.memory.calls import Gate
from yunzhuo.phoenix.cloud.memory.faults import FaultKind, Plan
from yunzhuo.phoenix.cloud.memory.records import ServerRecord
from yunzhuo.phoenix.cloud.memory.state import Transaction
from yunzhuo.phoenix.cloud.memory.volumes import read_volume, volume_of
from yunzhuo.phoenix.cloud.resources import CommandResult, FilePiece, GuestFile, ServerStatus
from yunzhuo.phoenix.common.errors import InvalidInput, NotFound

_Result = TypeVar("_Result")

_MESSAGES_KEPT = 100


class Guest:
    """See :class:`yunzhuo.phoenix.cloud.interface.Guest`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def ready(self, server_id: str) -> bool:
        return self._gate.perform(
            "guest.ready", lambda transaction, plan: _ready(transaction, plan, server_id), subject=server_id
        )

    def run(self, server_id: str, argv: Sequence[str], *, input: bytes = b"", timeout_seconds: float = 10) -> CommandResult:
        if not argv:
            raise InvalidInput("A command needs a name.", fields={"argv": "is empty"})
        result = self._ask("guest.run", server_id, lambda system: guest_system.run_command(argv, input, system))
        seconds = _sleep_seconds(argv)
        self._gate.wait(min(seconds, timeout_seconds))
        if seconds > timeout_seconds:
            raise CloudUnavailable("The command in the guest did not end in time.", timeout_seconds=timeout_seconds)
        return result

    def write_file(self, server_id: str, path: str, content: bytes) -> None:
        normal = guest_system.normal_path(path)
        self._ask("guest.write_file", server_id, lambda system: system.write(normal, content))

    def read_file(self, server_id: str, path: str, *, max_bytes: int) -> bytes:
        normal = guest_system.normal_path(path)
        return self._ask("guest.read_file", server_id, lambda system: system.read_whole(normal, max_bytes))

    def list_files(self, server_id: str, folder: str) -> Sequence[GuestFile]:
        home = guest_system.home_path(folder)
        return self._ask("guest.list_files", server_id, lambda system: system.list_folder(home))

    def write_piece(self, server_id: str, path: str, content: bytes, *, offset: int) -> None:
        home = guest_system.home_path(path)
        self._ask("guest.write_piece", server_id, lambda system: system.write_piece(home, content, offset))

    def read_piece(self, server_id: str, path: str, *, offset: int, max_bytes: int) -> FilePiece:
        home = guest_system.home_path(path)
        return self._ask("guest.read_piece", server_id, lambda system: system.read_piece(home, offset, max_bytes))

    def move_file(self, server_id: str, path: str, new_path: str) -> None:
        home, new_home = guest_system.home_path(path), guest_system.home_path(new_path)
        self._ask("guest.move_file", server_id, lambda system: system.move(home, new_home))

    def delete_file(self, server_id: str, path: str) -> None:
        home = guest_system.home_path(path)
        self._ask("guest.delete_file", server_id, lambda system: system.remove(home))

    def get_clipboard(self, server_id: str) -> str:
        return self._ask("guest.get_clipboard", server_id, lambda system: system.record.clipboard)

    def set_clipboard(self, server_id: str, text: str) -> None:
        self._ask("guest.set_clipboard", server_id, lambda system: system.set_clipboard(text))

    def message(self, server_id: str, text: str) -> None:
        self._ask("guest.message", server_id, lambda system: system.show(text))

    def _ask(self, operation: str, server_id: str, action: Callable[["_System"], _Result]) -> _Result:
        def ask(transaction: Transaction, _plan: Plan) -> _Result:
            record = store.read_server(transaction, server_id)
            if not transaction.options.has_guest_calls:
                raise CloudNotOffered("a way into desktops")
            if not _answers(record, transaction.now):
                raise GuestUnreachable(server_id)
            return action(_System(transaction, record))

        return self._gate.perform(operation, ask, subject=server_id)


@dataclass(frozen=True, slots=True)
class _Shelf:
    """How files are kept somewhere; the first value of each statement is whose they are."""

    read: str
    list: str
    put: str
    remove: str


_OF_SERVER = _Shelf(
    read="SELECT content FROM files WHERE server_id = ? AND path = ?",
    list="SELECT path, LENGTH(content) FROM files WHERE server_id = ? AND SUBSTR(path, 1, ?) = ? ORDER BY path",
    put="INSERT INTO files VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET content = excluded.content",
    remove="DELETE FROM files WHERE server_id = ? AND path = ?",
)
_OF_VOLUME = _Shelf(
    read="SELECT content FROM volume_files WHERE volume_id = ? AND path = ?",
    list="SELECT path, LENGTH(content) FROM volume_files WHERE volume_id = ? AND SUBSTR(path, 1, ?) = ? ORDER BY path",
    put="INSERT INTO volume_files VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET content = excluded.content",
    remove="DELETE FROM volume_files WHERE volume_id = ? AND path = ?",
)


class _System:
    """The pretended system of one server that answers, within one transaction."""

    def __init__(self, transaction: Transaction, record: ServerRecord) -> None:
        self._transaction = transaction
        self.record = record

    @property
    def now(self) -> float:
        return self._transaction.now

    def read(self, path: str) -> bytes | None:
        shelf, owner = self._place(path)
        row = self._transaction.row(shelf.read, owner, path)
        return bytes(row[0]) if row else guest_system.system_file(self.record, path)

    def volume_kib(self) -> tuple[int, int] | None:
        volume_id = volume_of(self._transaction, self.record.id)
        if volume_id is None:
            return None
        row = self._transaction.row("SELECT SUM(LENGTH(content)) FROM volume_files WHERE volume_id = ?", volume_id)
        used = int(row[0] or 0) if row else 0
        return read_volume(self._transaction, volume_id).size_mib * 1024, -(-used // 1024)

    def read_whole(self, path: str, max_bytes: int) -> bytes:
        content = self._present(path)
        if len(content) > max_bytes:
            raise InvalidInput("The file is larger than allowed.", code="file_too_large", fields={"path": "too large"})
        return content

    def write(self, path: str, content: bytes) -> None:
        if path.rpartition("/")[0] not in guest_system.FOLDERS | {""}:
            raise NotFound("guest_folder_not_found", "There is no such folder in the desktop.", path=path)
        if path in guest_system.FOLDERS:
            raise InvalidInput("A folder is in the place of the file.", fields={"path": "is a folder"})
        self._put(path, content)

    def list_folder(self, folder: str) -> Sequence[GuestFile]:
        shelf, owner = self._place(f"{folder}/")
        rows = self._transaction.rows(shelf.list, owner, len(folder) + 1, f"{folder}/")
        modified_at = datetime.fromtimestamp(self.now, UTC)
        found = [GuestFile(path.removeprefix(f"{folder}/"), size, modified_at) for path, size in rows]
        return tuple(file for file in found if "/" not in file.name and not file.name.startswith("."))

    def write_piece(self, path: str, content: bytes, offset: int) -> None:
        if len(content) > PIECE_BYTES:
            raise InvalidInput("The piece is too large.", code="file_out_of_step")
        before = b"" if offset == 0 else self._present(path)
        if len(before) < offset:
            raise InvalidInput("The file is shorter than that.", code="file_out_of_step")
        self._put(path, before[:offset] + content)

    def read_piece(self, path: str, offset: int, max_bytes: int) -> FilePiece:
        if max_bytes > PIECE_BYTES:
            raise InvalidInput("That is more than a piece.", fields={"max_bytes": "too large"})
        content = self._present(path)
        return FilePiece(content[offset : offset + max_bytes], len(content))

    def move(self, path: str, new_path: str) -> None:
        content = self._present(path)
        self.remove(path)
        self._put(new_path, content)

    def remove(self, path: str) -> None:
        shelf, owner = self._place(path)
        self._transaction.execute(shelf.remove, owner, path)

    def _place(self, path: str) -> tuple["_Shelf", str]:
        """Where a file of this path is kept: with the server, or with the volume that is mounted there."""
        volume_id = volume_of(self._transaction, self.record.id) if path.startswith(guest_system.VOLUME_FOLDER) else None
        if volume_id is None:
            return _OF_SERVER, self.record.id
        return _OF_VOLUME, volume_id

    def _present(self, path: str) -> bytes:
        content = self.read(path)
        if content is None:
            raise NotFound("guest_file_not_found", "There is no such file in the desktop.", path=path)
        return content

    def _put(self, path: str, content: bytes) -> None:
        shelf, owner = self._place(path)
        self._transaction.execute(shelf.put, owner, path, content)

    def set_clipboard(self, text: str) -> None:
        store.write_server(self._transaction, self.record.model_copy(update={"clipboard": text}))

    def show(self, text: str) -> None:
        self._transaction.execute("INSERT INTO messages (server_id, message) VALUES (?, ?)", self.record.id, text)
        self._transaction.execute(
            "DELETE FROM messages WHERE server_id = ?1 AND number <= "
            "(SELECT MAX(number) FROM messages WHERE server_id = ?1) - ?2",
            self.record.id,
            _MESSAGES_KEPT,
        )


def _ready(transaction: Transaction, plan: Plan, server_id: str) -> bool:
    answers = _answers(store.read_server(transaction, server_id), transaction.now)
    return answers is not plan.has(FaultKind.LIE)


def _answers(record: ServerRecord, now: float) -> bool:
    is_up = record.status is ServerStatus.RUNNING and record.change is None and record.gone_at is None
    return is_up and record.ready_at is not None and record.ready_at <= now


def _sleep_seconds(argv: Sequence[str]) -> float:
    try:
        return float(argv[1]) if argv[0] == "sleep" else 0
    except (IndexError, ValueError):
        return 0
