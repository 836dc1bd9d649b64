"""QEMU's guest agent: JSON lines over a port of the machine (docs/interop/qemu-ga.rst in QEMU's sources)."""

import asyncio
import base64
import itertools
import json
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yunzhuo.host import sockets

_LINE_LIMIT_BYTES = 64 * 1024 * 1024
_START_SECONDS = 5.0
# The answer brings all that the program has written, megabytes perhaps, through an emulated processor.
_STATUS_SECONDS = 60.0
_SLOWEST_BYTES_PER_SECOND = 50_000
_POLL_SECONDS = (0.01, 0.02, 0.05, 0.1)
# 0xFF never occurs in UTF-8, so it makes the agent's parser drop whatever an earlier connection left half-sent.
_RESET = b"\xff"
_SYNC_BITS = 50  # JSON's numbers are exact up to 53


class AgentSilent(Exception):
    """The agent did not answer in time, or its port is gone."""


class AgentRefused(Exception):
    """The agent answered that it cannot do it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command inside the guest ended."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class GuestAgent:
    """One machine's agent. Calls are made one after another, over one connection that is made again when it breaks."""

    def __init__(self, path: Path, *, connection: socket.socket | None = None, is_in_step: bool = False) -> None:
        """``is_in_step`` says that nothing was ever half-sent to this agent (a fresh clone's), which saves a round trip."""
        self._path = path
        self._connection = connection
        self._is_in_step = is_in_step
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._turn = asyncio.Lock()
        # By chance, as an answer to an earlier process (or from before a machine was suspended) may still come.
        self._sync_ids = itertools.count(secrets.randbits(_SYNC_BITS))

    async def execute(self, command: str, arguments: Mapping[str, object] | None = None, *, timeout_seconds: float = 5) -> Any:
        """The agent's answer. Raises AgentSilent, AgentRefused."""
        try:
            async with asyncio.timeout(timeout_seconds), self._turn:
                return await self._ask(command, arguments)
        except TimeoutError:
            self._is_in_step = False
            raise AgentSilent(command) from None
        except (OSError, EOFError, ValueError) as error:
            self._drop()
            raise AgentSilent(command) from error
        except asyncio.CancelledError:
            self._is_in_step = False
            raise

    async def start(self, argv: Sequence[str], *, stdin: bytes = b"", capture: bool = True) -> int:
        """Start a program in the guest; its pid there."""
        arguments: dict[str, object] = {"path": argv[0], "arg": list(argv[1:]), "capture-output": capture}
        if stdin:
            arguments["input-data"] = base64.b64encode(stdin).decode()
        patience = _START_SECONDS + len(stdin) / _SLOWEST_BYTES_PER_SECOND
        answer = await self.execute("guest-exec", arguments, timeout_seconds=patience)
        return int(answer["pid"])

    async def ended(self, pid: int) -> Ended | None:
        """How the program ``pid`` ended, or None while it runs. The agent tells it once."""
        status = await self.execute("guest-exec-status", {"pid": pid}, timeout_seconds=_STATUS_SECONDS)
        if "exited" not in status:
            self._is_in_step = False
            raise AgentSilent("guest-exec-status")
        if not status["exited"]:
            return None
        # A program ended by a signal has no exit code; shells write such an end as 128 + signal.
        code = status["exitcode"] if "exitcode" in status else 128 + status.get("signal", 0)
        return Ended(code, *(base64.b64decode(status.get(name, "")) for name in ("out-data", "err-data")))

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_seconds: float = 10) -> Ended:
        """Run a program to its end. Raises TimeoutError when it goes on for longer, AgentSilent, AgentRefused."""
        async with asyncio.timeout(timeout_seconds):
            pid = await self.start(argv, stdin=stdin)
            for pause in itertools.chain(_POLL_SECONDS, itertools.repeat(_POLL_SECONDS[-1])):
                if ended := await self.ended(pid):
                    return ended
                # The agent cannot tell by itself that a program ended.
                await asyncio.sleep(pause)
        raise AssertionError("unreachable")  # the loop above has no end

    def close(self) -> None:
        """Give back the connection."""
        self._drop()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _ask(self, command: str, arguments: Mapping[str, object] | None) -> Any:
        if self._writer is None:
            await self._connect()
        if not self._is_in_step:
            await self._get_in_step()
        self._send({"execute": command, "arguments": dict(arguments)} if arguments else {"execute": command})
        answer = await self._receive()
        if "error" in answer:
            raise AgentRefused(str(answer["error"].get("desc", command)))
        return answer["return"]

    async def _connect(self) -> None:
        connection, self._connection = self._connection or sockets.connect(self._path), None
        self._reader, self._writer = await asyncio.open_unix_connection(sock=connection, limit=_LINE_LIMIT_BYTES)

    async def _get_in_step(self) -> None:
        """Make sure that the next line received answers the next line sent."""
        sync_id = next(self._sync_ids)
        self._send({"execute": "guest-sync-delimited", "arguments": {"id": sync_id}}, before=_RESET)
        while True:
            try:
                answer = await self._receive()
            except json.JSONDecodeError:
                continue
            if answer.get("return") == sync_id:
                self._is_in_step = True
                return

    def _send(self, message: Mapping[str, object], *, before: bytes = b"") -> None:
        if self._writer is None:
            raise EOFError
        self._writer.write(before + json.dumps(message).encode() + b"\n")

    async def _receive(self) -> dict[str, Any]:
        if self._reader is None:
            raise EOFError
        line = await self._reader.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        answer = json.loads(line.rpartition(_RESET)[2])
        return answer if isinstance(answer, dict) else {}

    def _drop(self) -> None:
        self._is_in_step = False
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None
