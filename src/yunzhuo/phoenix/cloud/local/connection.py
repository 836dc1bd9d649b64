"""HTTP over the host's unix socket, and its problems as the errors of the cloud interface."""

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
from pydantic import ValidationError

from yunzhuo.phoenix.cloud.errors import (
    CloudNotOffered,
    CloudUnavailable,
    FlavorNotFound,
    GuestUnreachable,
    ImageNotFound,
    NoCapacity,
    ServerBusy,
    ServerNotFound,
    SnapshotNotFound,
)
from yunzhuo.phoenix.cloud.local.wire import Problem, to_segment
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, LimitReached, NotFound, NotOffered, YunzhuoError

_CONNECT_SECONDS = 2.0
_HOST_AWAY = "The process `yunzhuo host` does not run (or does not answer yet)."

_BY_CODE: Mapping[str, Callable[[Problem], YunzhuoError]] = {
    "server_not_found": lambda problem: ServerNotFound(_text(problem, "server_id")),
    "image_not_found": lambda problem: ImageNotFound(_text(problem, "image_id")),
    "flavor_not_found": lambda problem: FlavorNotFound(_text(problem, "flavor_id")),
    "snapshot_not_found": lambda problem: SnapshotNotFound(_text(problem, "snapshot_id")),
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
    """A pool of connections to one host process, through its restarts."""

    def __init__(self, socket: Path, *, timeout_seconds: float) -> None:
        self._socket = socket
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._folder: int | None = None

    def call(
        self,
        method: str,
        path: str,
        *,
        content: bytes | str | None = None,
        params: Mapping[str, str] | None = None,
        extra_seconds: float = 0,
    ) -> bytes:
        """The body of a successful answer. Raises CloudUnavailable, and what the host refuses with.

        ``extra_seconds`` is for calls that are themselves told to wait.
        """
        limit = httpx.Timeout(self._timeout_seconds + extra_seconds, connect=_CONNECT_SECONDS)
        try:
            client = self._connected()
            answer = client.request(method, path, content=content, params=params, timeout=limit)
        except httpx.TimeoutException as error:
            raise CloudUnavailable(f"The host process did not answer within {self._timeout_seconds:g} s.") from error
        except (httpx.TransportError, OSError) as error:
            # The state folder may have been made anew since: look it up again next time.
            self.close()
            raise CloudUnavailable(_HOST_AWAY, why=str(error)) from error
        if answer.is_success:
            return answer.content
        raise _refusal(answer)

    def close(self) -> None:
        """Give back what is open; a later call opens it again."""
        with self._lock:
            client, self._client = self._client, None
            folder, self._folder = self._folder, None
        if client is not None:
            client.close()
        if folder is not None:
            os.close(folder)

    def _connected(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                # A socket's address holds 107 bytes (unix(7)); through its open folder it is short, however deep that is.
                self._folder = os.open(self._socket.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                name = f"/proc/self/fd/{self._folder}/{self._socket.name}"
                self._client = httpx.Client(transport=httpx.HTTPTransport(uds=name), base_url="http://host", trust_env=False)
            return self._client


def of_server(server_id: str, rest: str = "") -> str:
    """The address of a server."""
    return f"/servers/{to_segment(server_id)}{rest}"


def _refusal(answer: httpx.Response) -> YunzhuoError:
    try:
        return error_of(Problem.model_validate_json(answer.content))
    except ValidationError:
        return CloudUnavailable(f"The host process answered {answer.status_code}.")


def _text(problem: Problem, name: str) -> str:
    value: Any = problem.details.get(name, "")
    return str(value)
