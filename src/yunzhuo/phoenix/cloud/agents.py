"""Any cloud, with desktops' own agents (docs/adr/0037) for what it does not offer itself of its guests.

The agents are asked through the process that they call, ``yunzhuo agents``, over HTTP on this computer.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, ValidationError

from yunzhuo.phoenix.cloud import interface
from yunzhuo.phoenix.cloud.errors import CloudNotOffered, CloudUnavailable, GuestUnreachable
from yunzhuo.phoenix.cloud.interface import PIECE_BYTES
from yunzhuo.phoenix.cloud.resources import CommandResult, FilePiece, GuestFile, Lack
from yunzhuo.phoenix.common.errors import InvalidInput, LimitReached, NotFound, YunzhuoError

_Result = TypeVar("_Result")

#: How long an agent may take for a question; the process that asks it gives up a little earlier.
ASK_SECONDS = 30.0
_READY_SECONDS = 2.0
_MOST_ANSWER_BYTES = 4 * 1024 * 1024


class _File(BaseModel):
    model_config = ConfigDict(frozen=True)
    name: str
    size_bytes: int
    modified_at: int


class _Answer(BaseModel):
    """What `yunzhuo agents` says; ``code`` None: it was done."""

    model_config = ConfigDict(frozen=True)
    code: str | None = None
    said: str = ""
    text: str | None = None
    content: str | None = None
    size_bytes: int | None = None
    files: tuple[_File, ...] | None = None
    is_ready: bool = False


class AgentLine:
    """The way to the agents; a connection for each question, as there is no farther to go than this computer."""

    def __init__(self, host: str, port: int, secret: str) -> None:
        self._host = host
        self._port = port
        self._secret = secret

    def ask(self, server_id: str, verb: str, arguments: Mapping[str, Any], *, seconds: float = ASK_SECONDS) -> _Answer:
        """The agent's answer. Raises CloudUnavailable, GuestUnreachable, CloudNotOffered, and what the agent refuses with."""
        body = json.dumps(arguments)
        connection = HTTPConnection(self._host, self._port, timeout=seconds)
        try:
            path = f"/v1/servers/{quote(server_id, safe='')}/{verb}"
            headers = {"Authorization": f"Bearer {self._secret}", "Content-Type": "application/json"}
            connection.request("POST", path, body, headers)
            reply = connection.getresponse()
            status, said = reply.status, reply.read(_MOST_ANSWER_BYTES)
        except TimeoutError as error:
            raise CloudUnavailable("The desktop's agent did not answer in time.", server_id=server_id) from error
        except (OSError, HTTPException) as error:
            raise CloudUnavailable("The process `yunzhuo agents` does not answer.", why=type(error).__name__) from error
        finally:
            connection.close()
        if status != HTTPStatus.OK:
            raise CloudUnavailable(f"The process `yunzhuo agents` answered {status}.")
        try:
            answer = _Answer.model_validate_json(said)
        except ValidationError as error:
            raise CloudUnavailable("What `yunzhuo agents` said cannot be read.") from error
        if answer.code is not None:
            raise _error_of(answer, server_id)
        return answer

    def is_ready(self, server_id: str) -> bool:
        """Whether the agent says so now; False when there is none, or nothing answers."""
        try:
            return self.ask(server_id, "status", {}, seconds=_READY_SECONDS).is_ready
        except YunzhuoError:
            return False


class GuestWithAgent:
    """What the cloud offers it is asked itself; the rest, as far as agents can do it, they are."""

    def __init__(self, own: interface.Guest, line: AgentLine) -> None:
        self._own = own
        self._line = line

    def ready(self, server_id: str) -> bool:
        return self._line.is_ready(server_id) or self._own.ready(server_id)

    def run(self, server_id: str, argv: Sequence[str], *, input: bytes = b"", timeout_seconds: float = 10) -> CommandResult:
        return self._own.run(server_id, argv, input=input, timeout_seconds=timeout_seconds)

    def write_file(self, server_id: str, path: str, content: bytes) -> None:
        self._own.write_file(server_id, path, content)

    def read_file(self, server_id: str, path: str, *, max_bytes: int) -> bytes:
        return self._own.read_file(server_id, path, max_bytes=max_bytes)

    def list_files(self, server_id: str, folder: str) -> Sequence[GuestFile]:
        def by_agent() -> Sequence[GuestFile]:
            found = self._line.ask(server_id, "list_files", {"path": folder}).files or ()
            files = (GuestFile(each.name, each.size_bytes, datetime.fromtimestamp(each.modified_at, UTC)) for each in found)
            return tuple(sorted(files, key=lambda file: file.name))

        return _first(lambda: self._own.list_files(server_id, folder), by_agent)

    def write_piece(self, server_id: str, path: str, content: bytes, *, offset: int) -> None:
        def by_agent() -> None:
            _require_a_piece(len(content), offset)
            piece = {"path": path, "offset": offset, "content": base64.b64encode(content).decode()}
            self._line.ask(server_id, "write_piece", piece)

        _first(lambda: self._own.write_piece(server_id, path, content, offset=offset), by_agent)

    def read_piece(self, server_id: str, path: str, *, offset: int, max_bytes: int) -> FilePiece:
        def by_agent() -> FilePiece:
            _require_a_piece(max_bytes, offset)
            answer = self._line.ask(server_id, "read_piece", {"path": path, "offset": offset, "max_bytes": max_bytes})
            content = _decoded(answer.content or "")
            return FilePiece(content[:max_bytes], max(answer.size_bytes or 0, 0))

        return _first(lambda: self._own.read_piece(server_id, path, offset=offset, max_bytes=max_bytes), by_agent)

    def move_file(self, server_id: str, path: str, new_path: str) -> None:
        _first(
            lambda: self._own.move_file(server_id, path, new_path),
            lambda: self._do(server_id, "move_file", path=path, new_path=new_path),
        )

    def delete_file(self, server_id: str, path: str) -> None:
        _first(lambda: self._own.delete_file(server_id, path), lambda: self._do(server_id, "delete_file", path=path))

    def get_clipboard(self, server_id: str) -> str:
        return _first(
            lambda: self._own.get_clipboard(server_id), lambda: self._line.ask(server_id, "get_clipboard", {}).text or ""
        )

    def set_clipboard(self, server_id: str, text: str) -> None:
        _first(lambda: self._own.set_clipboard(server_id, text), lambda: self._do(server_id, "set_clipboard", text=text))

    def message(self, server_id: str, text: str) -> None:
        _first(lambda: self._own.message(server_id, text), lambda: self._do(server_id, "message", text=text))

    def _do(self, server_id: str, verb: str, **arguments: str) -> None:
        self._line.ask(server_id, verb, arguments)


class CloudWithAgents:
    """The cloud, and its guests as :class:`GuestWithAgent`."""

    def __init__(self, cloud: interface.Cloud, line: AgentLine) -> None:
        self._cloud = cloud
        self.servers = cloud.servers
        self.care = cloud.care
        self.volumes = cloud.volumes
        self.addresses = cloud.addresses
        self.flavors = cloud.flavors
        self.images = cloud.images
        self.image_store = cloud.image_store
        self.networks = cloud.networks
        self.routers = cloud.routers
        self.security_groups = cloud.security_groups
        self.hosts = cloud.hosts
        self.projects = cloud.projects
        self.notices = cloud.notices
        self.guest: interface.Guest = GuestWithAgent(cloud.guest, line)

    def check(self) -> None:
        """As the cloud's."""
        self._cloud.check()

    def lacks(self) -> Sequence[Lack]:
        """As the cloud's."""
        return self._cloud.lacks()

    def close(self) -> None:
        """As the cloud's."""
        self._cloud.close()


def _first(own: Callable[[], _Result], by_agent: Callable[[], _Result]) -> _Result:
    try:
        return own()
    except CloudNotOffered:
        return by_agent()


def _require_a_piece(size_bytes: int, offset: int) -> None:
    if not 0 <= size_bytes <= PIECE_BYTES or offset < 0:
        raise InvalidInput("That is more than a piece.", code="file_out_of_step", fields={"max_bytes": "too large"})


def _decoded(content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except ValueError as error:  # also where it is not ASCII
        raise CloudUnavailable("What the desktop's agent said cannot be read.") from error


def _error_of(answer: _Answer, server_id: str) -> YunzhuoError:
    make = _BY_CODE.get(answer.code or "")
    if make is None:
        return CloudUnavailable("The desktop could not do it.", said=answer.said, server_id=server_id)
    return make(server_id)


_BY_CODE: Mapping[str, Callable[[str], YunzhuoError]] = {
    "no_agent": lambda _id: CloudNotOffered("this without an agent in the desktop"),
    "no_program": lambda _id: CloudNotOffered("this in a desktop of this image"),
    "unknown_verb": lambda _id: CloudNotOffered("this with the desktop's agent, which is of another version"),
    "away": GuestUnreachable,
    "nobody": GuestUnreachable,
    "too_late": lambda server_id: CloudUnavailable("The desktop's agent did not answer in time.", server_id=server_id),
    "busy": lambda server_id: CloudUnavailable("The desktop's agent has too much to do.", server_id=server_id),
    "no_file": lambda _id: NotFound("guest_file_not_found", "There is no such file in the desktop."),
    "out_of_step": lambda _id: InvalidInput("The file is shorter than that.", code="file_out_of_step"),
    "disk_full": lambda _id: LimitReached("guest_disk_full", "The desktop could not take the file: its disk is full."),
    "bad_path": lambda _id: InvalidInput(
        "A path in the home folder is relative and does not climb.", fields={"path": "not in the home"}
    ),
}
