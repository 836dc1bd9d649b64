"""A process that passes for the QEMU of a server's folder, with the monitor and the guest's agent answering as a test says."""

import asyncio
import base64
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from yunzhuo.host import sockets
from yunzhuo.host.argv import DISK_DRIVE, NAME_PREFIX
from yunzhuo.host.launch import AGENT_SOCKET, MONITOR_SOCKET, READY_SOCKET
from yunzhuo.host.processes import ProcessIdentity, identify

_GREETING = {"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}
# It ends with an exit code when told by SIGUSR1, as a QEMU does that refuses a state.
_LIVES = "import os, signal, time; signal.signal(signal.SIGUSR1, lambda *_: os._exit(1)); print(flush=True); time.sleep(600)"
Arguments = Mapping[str, Any]


class Refusal(Exception):
    """What QEMU or the agent answers instead of doing what it was asked."""


class HungUp(Exception):
    """The monitor ends the connection and says nothing."""


class PretendedQemu:
    """``answers`` are by command: a value, or what computes one of the arguments. Other commands are done without a word.

    ``heard`` are the monitor's commands, oldest first; ``jobs`` the errors of its jobs by command. Make it inside the event
    loop; ``end`` it once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers: dict[str, Any] = {
            "query-name": {"name": f"{NAME_PREFIX}{folder.name}"},
            "query-status": {"status": "running"},
            "query-migrate": {"status": "none"},
            "query-block": [{"device": "floppy"}, {"device": DISK_DRIVE, "inserted": {"node-name": "node", "image": {}}}],
            "query-named-block-nodes": [],
            "qom-list": [],
            "query-jobs": lambda _: self._concluded,
            "add-fd": {"fdset-id": 1},
        }
        self.agent: dict[str, Any] = {"guest-exec": {"pid": 1}}
        self.jobs: dict[str, str] = {}
        self.migrates_to = "completed"
        self.heard: list[str] = []
        self._concluded: list[dict[str, str]] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._servers: list[asyncio.Server] = []
        name = f"{NAME_PREFIX}{folder.name}"
        command = [sys.executable, "-I", "-S", "-c", _LIVES, name]
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        with self.process.stdout as said:
            said.readline()
        identity = identify(self.process.pid)
        assert identity is not None
        self.identity: ProcessIdentity = identity

    async def listen(self) -> None:
        """Be there to be spoken with."""
        for name, serve in ((MONITOR_SOCKET, self._monitor), (AGENT_SOCKET, self._agent), (READY_SOCKET, self._silent)):
            self._servers.append(await asyncio.start_unix_server(serve, sock=sockets.listen(self.folder / name)))

    def program_ends(self, code: int, out: bytes = b"", err: bytes = b"") -> None:
        """How each program ends that the guest's agent is asked to run."""
        data = {"out-data": base64.b64encode(out).decode(), "err-data": base64.b64encode(err).decode()}
        self.agent["guest-exec-status"] = {"exited": True, "exitcode": code, **data}

    def tell(self, event: str, data: object) -> None:
        """Say an event to whoever listens."""
        for writer in self._writers:
            _write(writer, {"event": event, "data": data, "timestamp": {"seconds": 0, "microseconds": 0}})

    def die(self, number: signal.Signals) -> None:
        """End the process; SIGUSR1 lets it exit with a code of its own."""
        self.process.send_signal(number)

    async def end(self) -> None:
        """Leave nothing."""
        for server in self._servers:
            server.close()
        for writer in self._writers:
            writer.close()
        with suppress(ProcessLookupError):
            self.process.kill()
        await asyncio.to_thread(self.process.wait)

    async def _monitor(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        _write(writer, _GREETING)
        with suppress(HungUp, ConnectionError):
            async for message in _messages(reader):
                self._answer(writer, message)
        writer.close()

    def _answer(self, writer: asyncio.StreamWriter, message: Mapping[str, Any]) -> None:
        command, arguments = message["execute"], message.get("arguments", {})
        # The first command, which ends the greeting, has no id.
        number = {"id": message["id"]} if "id" in message else {}
        self.heard.append(command)
        try:
            _write(writer, {"return": _asked(self.answers, command, arguments)} | number)
        except Refusal as refusal:
            _write(writer, {"error": {"class": "GenericError", "desc": str(refusal)}} | number)
            return
        if command in ("migrate", "migrate-incoming"):
            self.tell("MIGRATION", {"status": "active"})
            self.tell("MIGRATION", {"status": self.migrates_to})
        elif command.startswith("snapshot-"):
            error = {"error": self.jobs[command]} if command in self.jobs else {}
            self._concluded = [{"id": "another"}, {"id": arguments["job-id"], **error}]
            self.tell("JOB_STATUS_CHANGE", {"id": "another", "status": "concluded"})
            self.tell("JOB_STATUS_CHANGE", {"id": arguments["job-id"], "status": "concluded"})

    async def _agent(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(HungUp, ConnectionError):
            while line := await reader.readline():
                message = json.loads(line.rpartition(b"\xff")[2])
                if message["execute"] == "guest-sync-delimited":
                    writer.write(b"\xff")
                    _write(writer, {"return": message["arguments"]["id"]})
                    continue
                try:
                    _write(writer, {"return": _asked(self.agent, message["execute"], message.get("arguments", {}))})
                except Refusal as refusal:
                    _write(writer, {"error": {"class": "GenericError", "desc": str(refusal)}})
        writer.close()

    async def _silent(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()


def refuses(why: str) -> Callable[[Arguments], object]:
    """An answer that is a refusal."""

    def answer(_arguments: Arguments) -> object:
        raise Refusal(why)

    return answer


def hangs_up(_arguments: Arguments) -> object:
    """An answer that is none."""
    raise HungUp


def _asked(answers: Mapping[str, Any], command: str, arguments: Arguments) -> object:
    answer = answers.get(command, {})
    return answer(arguments) if callable(answer) else answer


async def _messages(reader: asyncio.StreamReader) -> AsyncIterator[dict[str, Any]]:
    """What a client says: one object after another, with nothing between them."""
    said = ""
    while more := await reader.read(1 << 16):
        # A blank goes along with a descriptor that is handed over.
        said = (said + more.decode()).lstrip()
        while said:
            try:
                message, end = json.JSONDecoder().raw_decode(said)
            except json.JSONDecodeError:
                break
            said = said[end:].lstrip()
            yield message


def _write(writer: asyncio.StreamWriter, message: object) -> None:
    writer.write(json.dumps(message).encode() + b"\n")
