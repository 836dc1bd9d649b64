"""HTTP over the host's unix socket, and its problems as the errors of the cloud interface."""

import os
import select
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pydantic import ValidationError

from yunzhuo.phoenix.cloud.errors import (
    CloudNotOffered,
    CloudUnavailable,
    FlavorNotFound,
    GuestUnreachable,
    ImageNotFound,
    NoCapacity,
    NoScreenshot,
    ServerBusy,
    ServerNotFound,
    SnapshotNotFound,
    VolumeBusy,
    VolumeInUse,
    VolumeNotFound,
    VolumeSnapshotNotFound,
)
from yunzhuo.phoenix.cloud.local.wire import Problem, to_segment
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, LimitReached, NotFound, NotOffered, YunzhuoError

_CONNECT_SECONDS = 2
_CONNECT_LIMIT = struct.pack("@ll", _CONNECT_SECONDS, 0)  # struct timeval
_IDLE_LIMIT = 16
_SUCCESS = range(200, 300)
_HOST_AWAY = "The process `yunzhuo host` does not run (or does not answer yet)."

_BY_CODE: Mapping[str, Callable[[Problem], YunzhuoError]] = {
    "server_not_found": lambda problem: ServerNotFound(_text(problem, "server_id")),
    "image_not_found": lambda problem: ImageNotFound(_text(problem, "image_id")),
    "flavor_not_found": lambda problem: FlavorNotFound(_text(problem, "flavor_id")),
    "snapshot_not_found": lambda problem: SnapshotNotFound(_text(problem, "snapshot_id")),
    "volume_not_found": lambda problem: VolumeNotFound(_text(problem, "volume_id")),
    "volume_snapshot_not_found": lambda problem: VolumeSnapshotNotFound(_text(problem, "snapshot_id")),
    "volume_busy": lambda problem: VolumeBusy(problem.message, **problem.details),
    "volume_in_use": lambda problem: VolumeInUse(
        _text(problem, "volume_id"), [str(name) for name in problem.details.get("programs", ())]
    ),
    "no_screenshot": lambda problem: NoScreenshot(_text(problem, "server_id")),
    "server_busy": lambda problem: ServerBusy(problem.message, **problem.details),
    "no_capacity": lambda problem: NoCapacity(problem.message, **problem.details),
    "guest_unreachable": lambda problem: GuestUnreachable(_text(problem, "server_id")),
    "not_offered_by_cloud": lambda problem: CloudNotOffered(_text(problem, "what")),
}
_BY_KIND: Mapping[str, Callable[[Problem], YunzhuoError]] = {
    "invalid_input": lambda problem: InvalidInput(problem.message, code=problem.code, fields=problem.details.get("fields")),
    "not_found": lambda problem: NotFound(problem.code, problem.message, **problem.details),
    "conflict": lambda problem: Conflict(problem.code, problem.message, **problem.details),
    "limit_reached": lambda problem: LimitReached(problem.code, problem.message, **problem.details),
    "not_offered": lambda problem: NotOffered(problem.code, problem.message, **problem.details),
}


def error_of(problem: Problem) -> YunzhuoError:
    """The error that the host's problem stands for; what is neither known nor a refusal is the cloud's failure."""
    make = _BY_CODE.get(problem.code) or _BY_KIND.get(problem.kind)
    return make(problem) if make else CloudUnavailable(problem.message, host_code=problem.code)


class Connection:
    """Connections to one host process, through its restarts; each is used by one thread at a time."""

    def __init__(self, socket_path: Path, *, timeout_seconds: float) -> None:
        self._socket_path = socket_path
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._idle: list[_UnixHttpConnection] = []

    def call(
        self,
        method: str,
        path: str,
        *,
        content: bytes | str = b"",
        params: Mapping[str, str] | None = None,
        extra_seconds: float = 0,
        within_seconds: float | None = None,
    ) -> bytes:
        """The body of a successful answer. Raises CloudUnavailable, and what the host refuses with.

        ``extra_seconds`` is for calls that are themselves told to wait, ``within_seconds`` for those that must be short.
        """
        limit = min(within_seconds or self._timeout_seconds, self._timeout_seconds) + extra_seconds
        address = f"{path}?{urlencode(params)}" if params else path
        body = content.encode() if isinstance(content, str) else content
        connection = self._take()
        try:
            status, answer = connection.ask(method, address, body, limit)
        except TimeoutError as error:
            connection.close()
            raise CloudUnavailable(f"The host process did not answer within {limit:g} s.") from error
        except (OSError, HTTPException) as error:
            connection.close()
            raise CloudUnavailable(_HOST_AWAY, why=str(error)) from error
        self._give_back(connection)
        if status in _SUCCESS:
            return answer
        raise _refusal(status, answer)

    def close(self) -> None:
        """Give back what is open; a later call opens it again."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> "_UnixHttpConnection":
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return _UnixHttpConnection(self._socket_path)
            if connection.is_fresh():
                return connection
            connection.close()

    def _give_back(self, connection: "_UnixHttpConnection") -> None:
        with self._lock:
            if len(self._idle) < _IDLE_LIMIT:
                self._idle.append(connection)
                return
        connection.close()


class _UnixHttpConnection(HTTPConnection):
    """HTTP/1.1 over a unix socket, whose path may be longer than a socket's address can be."""

    def __init__(self, socket_path: Path) -> None:
        super().__init__("host", timeout=_CONNECT_SECONDS)
        self._socket_path = socket_path

    def connect(self) -> None:
        # An address holds 107 bytes (unix(7)); through its open folder the socket's name is short, however deep that is.
        folder = os.open(self._socket_path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            # A socket with Python's time limit would not wait for a place in the host's queue: EAGAIN at once (connect(2)).
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _CONNECT_LIMIT)
            self.sock.connect(f"/proc/self/fd/{folder}/{self._socket_path.name}")
        except BaseException:
            self.close()
            raise
        finally:
            os.close(folder)

    def ask(self, method: str, address: str, body: bytes, timeout_seconds: float) -> tuple[int, bytes]:
        """Status and body of the answer."""
        if self.sock is None:
            self.connect()
        self.sock.settimeout(timeout_seconds)
        self.request(method, address, body=body)
        answer = self.getresponse()
        return answer.status, answer.read()

    def is_fresh(self) -> bool:
        """Whether the host has not hung up since; what is readable before a question was asked is the end."""
        if self.sock is None:
            return False
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)


def of_server(server_id: str, rest: str = "") -> str:
    """The address of a server."""
    return f"/servers/{to_segment(server_id)}{rest}"


def _refusal(status: int, answer: bytes) -> YunzhuoError:
    try:
        return error_of(Problem.model_validate_json(answer))
    except ValidationError:
        return CloudUnavailable(f"The host process answered {status}.")


def _text(problem: Problem, name: str) -> str:
    value: Any = problem.details.get(name, "")
    return str(value)
