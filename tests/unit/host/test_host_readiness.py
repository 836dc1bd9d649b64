"""A machine is ready when its desktop is up and it is itself, after every boot anew."""

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from yunzhuo.host import sockets
from yunzhuo.host.guest_agent import GuestAgent
from yunzhuo.host.readiness import Readiness
from yunzhuo.host.server_secrets import Identity, ServerSecrets

SECRETS = ServerSecrets(
    machine_id="42", ssh_key_private="private\n", ssh_key_public="public\n", vnc_password="v", spice_password="s"
)


class FakeGuest:
    """A guest with an agent and a port. ``identify_exits`` holds how its identify ends, one for each try.

    Its agent refuses to run the first ``refusals`` programs.
    """

    def __init__(self, port: socket.socket, waiting: socket.socket) -> None:
        self.port = port
        self.waiting = waiting
        self.identify_exits = [0]
        self.says_identified = True
        self.has_desktop = False
        self.answer = "identified 42"
        self.identities: list[str] = []
        self.hung_up = asyncio.Event()
        self.hung_up.set()
        self.refusals = 0
        self._programs: dict[int, int] = {}

    async def await_identity(self) -> str:
        """What the program that waits in a golden does, once; the answer is what it was told."""
        loop, told = asyncio.get_running_loop(), b""
        while not told.endswith(b"end\n"):
            told += await loop.sock_recv(self.waiting, 4096)
        await loop.sock_sendall(self.waiting, b"identified 42\n")
        return told.decode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.hung_up.clear()
        while line := await reader.readline():
            message = json.loads(line.rpartition(b"\xff")[2])
            lead = b"\xff" if message["execute"] == "guest-sync-delimited" else b""
            if message["execute"] == "guest-exec" and self.refusals:
                self.refusals -= 1
                answer: dict[str, object] = {"error": {"class": "GenericError", "desc": "not yet"}}
            else:
                answer = {"return": self._answer(message["execute"], message.get("arguments", {}))}
            writer.write(lead + json.dumps(answer).encode() + b"\n")
        writer.close()
        await writer.wait_closed()
        self.hung_up.set()

    def say(self, line: str) -> None:
        self.port.sendall(f"{line}\n".encode())

    def _answer(self, command: str, arguments: dict[str, Any]) -> object:
        if command == "guest-sync-delimited":
            return arguments["id"]
        if command == "guest-exec-status":
            return {"exited": True, "exitcode": self._programs[arguments["pid"]]}
        pid = len(self._programs) + 1
        self._programs[pid] = self._run(arguments)
        return {"pid": pid}

    def _run(self, arguments: dict[str, Any]) -> int:
        if arguments["path"] == "/bin/sh":
            return 0 if self.has_desktop else 1
        if arguments["path"] != "/etc/desktop/identify":
            return 0
        self.identities.append(base64.b64decode(arguments["input-data"]).decode())
        exit_code = self.identify_exits.pop(0) if len(self.identify_exits) > 1 else self.identify_exits[0]
        if exit_code == 0 and self.says_identified:
            self.say(self.answer)
        return exit_code


@asynccontextmanager
async def guest(folder: Path) -> AsyncIterator[tuple[Readiness, FakeGuest]]:
    ours, theirs = socket.socketpair()
    our_identity, waiting = socket.socketpair()
    for port in (ours, our_identity, waiting):
        port.setblocking(False)
    fake = FakeGuest(theirs, waiting)
    server = await asyncio.start_unix_server(fake.serve, sock=sockets.listen(folder / "agent.sock"))
    agent = GuestAgent(folder / "agent.sock")
    identity = Identity(SECRETS, lambda: "pc-1", lambda: "zh_CN")
    readiness = Readiness("abc", agent, ours, identity, identity_port=our_identity)
    try:
        yield readiness, fake
    finally:
        await readiness.close()
        agent.close()
        theirs.close()
        waiting.close()
        await fake.hung_up.wait()
        server.close()
        await server.wait_closed()


async def becomes_ready(readiness: Readiness, seconds: float = 5) -> None:
    await asyncio.wait_for(readiness.wait_until_ready(), seconds)


async def test_a_clone_is_ready_when_it_is_itself(tmp_path: Path) -> None:
    async with guest(tmp_path) as (readiness, fake):
        readiness.begin(begins_session=True, desktop_is_up=True)
        assert not readiness.is_ready
        await becomes_ready(readiness, 0.5)
        assert len(fake.identities) == 1


async def test_a_booted_machine_also_needs_its_desktop(tmp_path: Path) -> None:
    async with guest(tmp_path) as (readiness, fake):
        readiness.begin(begins_session=True)
        await asyncio.sleep(0.1)
        assert not readiness.is_ready
        fake.say("xorg")
        fake.say("ready")
        await becomes_ready(readiness, 0.5)


async def test_another_machines_word_does_not_count(tmp_path: Path) -> None:
    async with guest(tmp_path) as (readiness, fake):
        fake.says_identified = False
        fake.identify_exits = [1]
        readiness.begin(begins_session=True, desktop_is_up=True)
        fake.say("identified 41")
        fake.say("identified")
        await asyncio.sleep(0.1)
        assert not readiness.is_ready


@pytest.mark.slow
async def test_a_word_that_got_lost_is_asked_for(tmp_path: Path) -> None:
    async with guest(tmp_path) as (readiness, fake):
        fake.says_identified = False
        fake.has_desktop = True
        readiness.begin(begins_session=True)
        await becomes_ready(readiness, 10)


async def test_a_failed_identify_is_tried_again(tmp_path: Path) -> None:
    async with guest(tmp_path) as (readiness, fake):
        fake.identify_exits = [1, 0]
        readiness.begin(begins_session=True, desktop_is_up=True)
        await becomes_ready(readiness, 10)
        assert len(fake.identities) == 2


async def test_an_agent_that_refuses_at_first_is_asked_again(tmp_path: Path) -> None:
    async with guest(tmp_path) as (readiness, fake):
        fake.refusals = 1
        readiness.begin(begins_session=True, desktop_is_up=True)
        await becomes_ready(readiness, 10)
        assert len(fake.identities) == 1


async def test_an_image_without_a_word_of_its_desktop_is_ready_through_reboots(tmp_path: Path) -> None:
    async with guest(tmp_path) as (readiness, fake):
        readiness.begin(begins_session=True, is_silent=True)
        assert readiness.is_ready
        readiness.begin_again()
        await asyncio.sleep(0.05)
        assert readiness.is_ready
        assert fake.identities == []


async def test_a_reboot_makes_it_unready_until_all_is_true_again(tmp_path: Path) -> None:
    async with guest(tmp_path) as (readiness, fake):
        readiness.begin(begins_session=True, desktop_is_up=True)
        await becomes_ready(readiness)
        readiness.begin_again()
        assert not readiness.is_ready
        await asyncio.sleep(0.1)
        assert not readiness.is_ready, "identified again, and no desktop yet"
        fake.say("ready")
        await becomes_ready(readiness, 0.5)
        assert len(fake.identities) == 2


async def test_a_session_that_begins_again_in_another_language_is_waited_for(tmp_path: Path) -> None:
    async with guest(tmp_path) as (readiness, fake):
        fake.answer = "identified 42 starting"
        readiness.begin(begins_session=True, desktop_is_up=True)
        await asyncio.sleep(0.1)
        assert "language zh_CN" in fake.identities[0].splitlines()
        assert not readiness.is_ready
        fake.say("ready")
        await becomes_ready(readiness, 0.5)


async def test_a_session_that_somebody_may_work_in_hears_no_language(tmp_path: Path) -> None:
    async with guest(tmp_path) as (readiness, fake):
        readiness.begin(begins_session=False, desktop_is_up=True)
        await becomes_ready(readiness)
        readiness.begin_again(desktop_is_up=True)
        await becomes_ready(readiness)
        readiness.begin_again()
        fake.say("ready")
        await becomes_ready(readiness)
    assert ["language" in told for told in fake.identities] == [False, False, True]


async def test_a_clone_that_is_awaited_needs_no_agent(tmp_path: Path) -> None:
    async with guest(tmp_path) as (readiness, fake):
        readiness.begin(begins_session=True, desktop_is_up=True, is_awaited=True)
        told = await fake.await_identity()
        assert {"hostname pc-1", "machine-id 42", "ssh-key-private private"} <= set(told.splitlines())
        await becomes_ready(readiness, 0.5)
        assert fake.identities == []


@pytest.mark.slow
async def test_a_clone_that_was_to_be_awaited_and_is_not_gets_ready_through_the_agent(tmp_path: Path) -> None:
    async with guest(tmp_path) as (readiness, fake):
        readiness.begin(begins_session=True, desktop_is_up=True, is_awaited=True)
        await becomes_ready(readiness, 10)
        assert len(fake.identities) == 1


async def test_a_golden_is_asked_whether_it_awaits(tmp_path: Path) -> None:
    async with guest(tmp_path) as (readiness, fake):
        readiness.begin(begins_session=True, desktop_is_up=True)
        await becomes_ready(readiness)
        waiting = asyncio.create_task(fake.await_identity())
        assert await readiness.is_awaited(times=1, seconds=2)
        assert "end" in await waiting
    (tmp_path / "other").mkdir()
    async with guest(tmp_path / "other") as (readiness, fake):
        readiness.begin(begins_session=True, desktop_is_up=True)
        await becomes_ready(readiness)
        assert not await readiness.is_awaited(times=1, seconds=0.1)
