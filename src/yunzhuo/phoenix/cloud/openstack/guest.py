"""The system inside a server of driver ``openstack``: whether it is ready is read from its serial console (ADR 20)."""

import re
import time
from collections.abc import Sequence
from typing import NoReturn

from yunzhuo.phoenix.cloud.errors import CloudNotOffered, CloudUnavailable
from yunzhuo.phoenix.cloud.openstack.connection import Connection, Json
from yunzhuo.phoenix.cloud.openstack.server_lookup import ServerLookup
from yunzhuo.phoenix.cloud.resources import CommandResult, FilePiece, GuestFile
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, NotFound

# The promise is not to block long: Nova itself waits a minute for a host that is away.
_LOOK_SECONDS = 4.0
_LEAST_SECONDS = 0.2
_LOG_MAX_CHARACTERS = 128 * 1024


class OpenStackGuest:
    """Readiness alone; OpenStack gives tenants no other way into a server."""

    def __init__(self, connection: Connection, lookup: ServerLookup) -> None:
        self._connection = connection
        self._lookup = lookup
        try:
            self._ready_line = re.compile(connection.settings.ready_pattern, re.MULTILINE)
        except re.error as error:
            raise InvalidInput(
                f"[openstack] ready_pattern is no regular expression: {error}.", code="invalid_settings"
            ) from error

    def ready(self, server_id: str) -> bool:
        until = time.monotonic() + _LOOK_SECONDS
        try:
            self._lookup.require_ours(server_id, within_seconds=_LOOK_SECONDS)
            if not self._ready_line.pattern:
                return self._rests(server_id, until)
            rested = self._lookup.has_rested(server_id)
            # What is asked of a guest that starts for many seconds is the cheapest of Nova's answers: the log alone.
            if not self._says_so(server_id, until):
                return self._lookup.goes_on(server_id, within_seconds=_left(until)) and self._rests(server_id, until)
            # The log of a server that is about to start anew says so, too; that of one that rested before is of this boot.
            return rested or (self._rests(server_id, until) and self._says_so(server_id, until))
        except CloudUnavailable:
            return False

    def _rests(self, server_id: str, until: float) -> bool:
        return self._lookup.rests_running(server_id, within_seconds=_left(until))

    def _says_so(self, server_id: str, until: float) -> bool:
        """QEMU's log of a serial port begins anew with each start of the machine, so what it says is said of this boot."""
        body: Json = {"os-getConsoleOutput": {}}
        try:
            path = f"/servers/{server_id}/action"
            answer = self._connection.ask("compute", "POST", path, body, within_seconds=_left(until), refusals=_SILENT)
        except (Conflict, CloudNotOffered):
            return False
        except NotFound:
            self._lookup.see(server_id, within_seconds=_left(until))  # is it gone, or its log not there yet?
            return False
        log = str(answer.get("output") or "")[-_LOG_MAX_CHARACTERS:].replace("\r", "")
        return self._ready_line.search(log) is not None

    def run(self, server_id: str, argv: Sequence[str], *, input: bytes = b"", timeout_seconds: float = 10) -> CommandResult:
        _refuse("running commands in a desktop")

    def write_file(self, server_id: str, path: str, content: bytes) -> None:
        _refuse("files in a desktop")

    def read_file(self, server_id: str, path: str, *, max_bytes: int) -> bytes:
        _refuse("files in a desktop")

    def list_files(self, server_id: str, folder: str) -> Sequence[GuestFile]:
        _refuse("files in a desktop")

    def write_piece(self, server_id: str, path: str, content: bytes, *, offset: int) -> None:
        _refuse("files in a desktop")

    def read_piece(self, server_id: str, path: str, *, offset: int, max_bytes: int) -> FilePiece:
        _refuse("files in a desktop")

    def move_file(self, server_id: str, path: str, new_path: str) -> None:
        _refuse("files in a desktop")

    def delete_file(self, server_id: str, path: str) -> None:
        _refuse("files in a desktop")

    def get_clipboard(self, server_id: str) -> str:
        _refuse("a desktop's clipboard")

    def set_clipboard(self, server_id: str, text: str) -> None:
        _refuse("a desktop's clipboard")

    def message(self, server_id: str, text: str) -> None:
        _refuse("messages on a desktop's screen")


def _left(until: float) -> float:
    return max(_LEAST_SECONDS, until - time.monotonic())


def _refuse(what: str) -> NoReturn:
    raise CloudNotOffered(what)


_SILENT = {501: lambda _said, **_details: CloudNotOffered("serial consoles")}
