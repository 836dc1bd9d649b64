"""What can be asked of the system inside a server of driver ``local``."""

from collections.abc import Sequence

from yunzhuo.phoenix.cloud.local import wire
from yunzhuo.phoenix.cloud.local.connection import Connection, of_server
from yunzhuo.phoenix.cloud.resources import CommandResult, FilePiece, GuestFile

# A whole file takes the agent many calls; each of them has its own, shorter limit in the host.
_FILE_SECONDS = 120.0
_PIECE_SECONDS = 60.0


class LocalGuest:
    """See the interface for the promises."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ready(self, server_id: str) -> bool:
        answer = self._connection.call("GET", of_server(server_id, "/guest/ready"))
        return wire.Answer.model_validate_json(answer).value

    def run(self, server_id: str, argv: Sequence[str], *, input: bytes = b"", timeout_seconds: float = 10) -> CommandResult:
        body = wire.Run(argv=tuple(argv), stdin=input, timeout_seconds=timeout_seconds).model_dump_json()
        answer = self._connection.call("POST", of_server(server_id, "/guest/run"), content=body, extra_seconds=timeout_seconds)
        return wire.command_result(wire.RunEnded.model_validate_json(answer))

    def write_file(self, server_id: str, path: str, content: bytes) -> None:
        address = of_server(server_id, "/guest/file")
        self._connection.call("PUT", address, content=content, params={"path": path}, extra_seconds=_FILE_SECONDS)

    def read_file(self, server_id: str, path: str, *, max_bytes: int) -> bytes:
        params = {"path": path, "max_bytes": str(max_bytes)}
        return self._connection.call("GET", of_server(server_id, "/guest/file"), params=params, extra_seconds=_FILE_SECONDS)

    def list_files(self, server_id: str, folder: str) -> Sequence[GuestFile]:
        return wire.GUEST_FILES.validate_json(self._of_person("GET", server_id, "/guest/files", path=folder))

    def write_piece(self, server_id: str, path: str, content: bytes, *, offset: int) -> None:
        self._of_person("PUT", server_id, "/guest/piece", content, path=path, offset=str(offset))

    def read_piece(self, server_id: str, path: str, *, offset: int, max_bytes: int) -> FilePiece:
        place = {"path": path, "offset": str(offset), "max_bytes": str(max_bytes)}
        return wire.unpack_piece(self._of_person("GET", server_id, "/guest/piece", **place))

    def move_file(self, server_id: str, path: str, new_path: str) -> None:
        self._of_person("POST", server_id, "/guest/move", path=path, new_path=new_path)

    def delete_file(self, server_id: str, path: str) -> None:
        self._of_person("DELETE", server_id, "/guest/piece", path=path)

    def get_clipboard(self, server_id: str) -> str:
        answer = self._connection.call("GET", of_server(server_id, "/guest/clipboard"))
        return wire.Text.model_validate_json(answer).text

    def set_clipboard(self, server_id: str, text: str) -> None:
        self._connection.call("PUT", of_server(server_id, "/guest/clipboard"), content=wire.Text(text=text).model_dump_json())

    def message(self, server_id: str, text: str) -> None:
        self._connection.call("POST", of_server(server_id, "/guest/message"), content=wire.Text(text=text).model_dump_json())

    def _of_person(self, method: str, server_id: str, what: str, content: bytes = b"", /, **params: str) -> bytes:
        address = of_server(server_id, what)
        return self._connection.call(method, address, content=content, params=params, extra_seconds=_PIECE_SECONDS)
