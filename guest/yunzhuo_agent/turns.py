"""Turn after turn: say how the desktop is and what came of the last question, and be told the next one."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import time
from collections.abc import Callable
from http.client import HTTPException, HTTPSConnection
from typing import Any

from yunzhuo_agent import VERSION
from yunzhuo_agent.door import Door, DoorUnknown

PATH = "/agent/v1/turn"
_MOST_REPLY_BYTES = 8 * 1024 * 1024
_CONNECT_SECONDS = 15.0
_WAIT_SECONDS = 20.0
# Until a person can work, whoever waits for that should not have to wait for us.
_WAIT_UNREADY_SECONDS = 1.0
_LEAST_SECONDS = 0.05
_IDLE_SECONDS = 0.5
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_OK, _UNAUTHORIZED, _BAD_REQUEST = 200, 401, 400


class Unheard(Exception):
    """This turn came to nothing; the next may."""


class Rejected(Unheard):
    """The key does not count, or not any more."""


class Misunderstood(Unheard):
    """The other side cannot read what was said."""


class Line:
    """The connection to one door, kept from turn to turn."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._tls = door.tls()
        self._connection: HTTPSConnection | None = None

    def turn(self, said: dict[str, Any]) -> dict[str, Any] | None:
        """The next question, or None. Raises Unheard. Nothing is said before the other side has proved itself."""
        body = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
        try:
            status, reply = self._post(body, said["wait_seconds"])
        except (OSError, HTTPException) as error:
            self.close()
            raise Unheard(f"{type(error).__name__}: {error}") from error
        if status == _UNAUTHORIZED:
            raise Rejected("the key does not count")
        if status == _BAD_REQUEST:
            self.close()
            raise Misunderstood("what was said is not understood")
        if status != _OK:
            self.close()
            raise Unheard(f"answered {status}")
        try:
            question = json.loads(reply)["question"]
        except (ValueError, KeyError, TypeError) as error:
            self.close()
            raise Unheard("what was answered cannot be read") from error
        return question if isinstance(question, dict) else None

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, body: bytes, wait_seconds: float) -> tuple[int, bytes]:
        connection = self._connection
        if connection is None:
            address = (self._door.host, self._door.port)
            connection = self._connection = HTTPSConnection(*address, timeout=_CONNECT_SECONDS, context=self._tls)
            connection.connect()
        if connection.sock is not None:
            connection.sock.settimeout(wait_seconds + _CONNECT_SECONDS)
            with contextlib.suppress(OSError):
                connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        headers = {"Authorization": f"Bearer {self._door.key}", "Content-Type": "application/json"}
        connection.request("POST", PATH, body, headers)
        answer = connection.getresponse()
        reply = answer.read(_MOST_REPLY_BYTES)
        if not answer.isclosed() or answer.will_close:
            self.close()
        return answer.status, reply


class Turns:
    """The agent's whole life. ``find_door`` is asked again whenever the key does not count, ``look`` before each turn."""

    def __init__(
        self,
        find_door: Callable[[], Door],
        look: Callable[[], dict[str, Any]],
        answer: Callable[[dict[str, Any]], dict[str, Any]],
        boot: str,
        log: Callable[[str], None],
    ) -> None:
        self._find_door = find_door
        self._look = look
        self._answer = answer
        self._boot = boot
        self._log = log
        self._line: Line | None = None
        self._answered: dict[str, Any] | None = None
        self._pause_seconds = _FIRST_PAUSE_SECONDS

    def run(self) -> None:
        """For ever."""
        while True:
            time.sleep(self.once())

    def once(self) -> float:
        """One turn, and what it asks for; answers how long to wait for the next."""
        began = time.monotonic()
        try:
            question = self._turn()
        except (Unheard, DoorUnknown) as error:
            self._log(str(error))
            if isinstance(error, (Rejected, DoorUnknown)):
                self.close()
            if isinstance(error, Misunderstood):
                self._say_less()
            pause, self._pause_seconds = self._pause_seconds, min(self._pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
            return pause * random.uniform(0.5, 1.5)  # nosec B311 # so that not all come at once
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._answered = None if question is None else self._answer(question)
        took = time.monotonic() - began
        return max((_IDLE_SECONDS if question is None else _LEAST_SECONDS) - took, 0)

    def close(self) -> None:
        """Hang up; the next turn calls again."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _turn(self) -> dict[str, Any] | None:
        if self._line is None:
            self._line = Line(self._find_door())
        status = self._look()
        wait_seconds = _WAIT_SECONDS if status["is_ready"] else _WAIT_UNREADY_SECONDS
        said = {"boot": self._boot, "agent": VERSION, "wait_seconds": wait_seconds, "status": status, "answer": self._answered}
        return self._line.turn(said)

    def _say_less(self) -> None:
        """An answer that cannot be taken (too large, say) becomes one that says so; if that is not taken either, none."""
        failed = (
            {"id": self._answered["id"], "code": "failed", "said": "the answer cannot be taken"} if self._answered else None
        )
        self._answered = None if self._answered == failed else failed
