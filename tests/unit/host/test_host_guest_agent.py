"""The guest agent's protocol, against an agent that answers as told."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from yunzhuo.host import sockets
from yunzhuo.host.guest_agent import AgentRefused, AgentSilent, GuestAgent

Answers = Callable[[dict[str, Any]], bytes | None]


class FakeAgent:
    """Speaks as qemu-ga does; ``answers`` decides what it says to a command, None meaning nothing at all."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.heard: list[str] = []
        self.syncs = 0
        self.first_words = b""
        self._open: list[asyncio.Event] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.append(ended := asyncio.Event())
        writer.write(self.first_words)
        try:
            await self._answer_all(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()
            ended.set()

    async def hung_up(self) -> None:
        """Return when every connection has ended."""
        await asyncio.gather(*(ended.wait() for ended in self._open))

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            message = json.loads(line.rpartition(b"\xff")[2])
            if message["execute"] == "guest-sync-delimited":
                self.syncs += 1
                writer.write(b"\xff" + json.dumps({"return": message["arguments"]["id"]}).encode() + b"\n")
                continue
            self.heard.append(message["execute"])
            if (answer := self.answers(message)) is not None:
                writer.write(answer)


def answer(value: Any) -> bytes:
    return json.dumps({"return": value}).encode() + b"\n"


@asynccontextmanager
async def agent_that(answers: Answers, folder: Path) -> AsyncIterator[tuple[GuestAgent, FakeAgent]]:
    fake = FakeAgent(answers)
    server = await asyncio.start_unix_server(fake.serve, sock=sockets.listen(folder / "agent.sock"))
    agent = GuestAgent(folder / "agent.sock")
    try:
        yield agent, fake
    finally:
        agent.close()
        await fake.hung_up()
        server.close()
        await server.wait_closed()


async def test_it_gets_in_step_once_and_then_asks(tmp_path: Path) -> None:
    async with agent_that(lambda _: answer({}), tmp_path) as (agent, fake):
        await agent.execute("guest-ping")
        await agent.execute("guest-ping")
        assert (fake.syncs, fake.heard) == (1, ["guest-ping", "guest-ping"])


async def test_the_answer_to_an_earlier_process_is_not_taken_for_ours(tmp_path: Path) -> None:
    async with agent_that(lambda _: answer({"exited": False}), tmp_path) as (agent, fake):
        # What a machine that was suspended in the middle of that still has to say when it goes on.
        fake.first_words = b"".join(b"\xff" + answer(number) for number in range(1, 100)) + answer({"pid": 7})
        assert await agent.ended(1) is None


async def test_an_answer_to_another_question_is_none(tmp_path: Path) -> None:
    replies = iter([answer({"pid": 7}), answer({"exited": False})])
    async with agent_that(lambda _: next(replies), tmp_path) as (agent, fake):
        with pytest.raises(AgentSilent):
            await agent.ended(1)
        assert await agent.ended(1) is None
        assert fake.syncs == 2, "it gets in step anew"


async def test_what_an_earlier_connection_left_is_skipped(tmp_path: Path) -> None:
    async with agent_that(lambda _: answer("right"), tmp_path) as (agent, fake):
        fake.first_words = b'{"return": "of somebody else"}\n{half a line\n["no object"]\n'
        assert await agent.execute("guest-get-osinfo") == "right"


async def test_silence_is_told_and_a_late_answer_is_not_taken_for_another(tmp_path: Path) -> None:
    answers: list[bytes | None] = [None, answer("late") + answer("second")]
    async with agent_that(lambda _: answers.pop(0), tmp_path) as (agent, fake):
        with pytest.raises(AgentSilent):
            await agent.execute("first", timeout_seconds=0.05)
        fake.answers = lambda _: answer("second")
        assert await agent.execute("second") == "second"
        assert fake.syncs == 2


async def test_nobody_there_is_silence(tmp_path: Path) -> None:
    with pytest.raises(AgentSilent):
        await GuestAgent(tmp_path / "nobody.sock").execute("guest-ping")


async def test_a_refusal_carries_its_words(tmp_path: Path) -> None:
    refusal = json.dumps({"error": {"class": "GenericError", "desc": "not today"}}).encode() + b"\n"
    async with agent_that(lambda _: refusal, tmp_path) as (agent, _):
        with pytest.raises(AgentRefused, match="not today"):
            await agent.execute("guest-exec")


async def test_a_program_is_run_to_its_end(tmp_path: Path) -> None:
    states = [{"exited": False}, {"exited": False}, {"exited": True, "exitcode": 3, "out-data": "b3V0", "err-data": "ZXJy"}]
    seen: list[dict[str, Any]] = []

    def answers(message: dict[str, Any]) -> bytes:
        seen.append(message)
        return answer({"pid": 42} if message["execute"] == "guest-exec" else states.pop(0))

    async with agent_that(answers, tmp_path) as (agent, _):
        ended = await agent.run(["/bin/echo", "a b"], stdin=b"in")
        assert (ended.exit_code, ended.stdout, ended.stderr) == (3, b"out", b"err")
    assert seen[0]["arguments"] == {
        "path": "/bin/echo",
        "arg": ["a b"],
        "capture-output": True,
        "input-data": base64.b64encode(b"in").decode(),
    }
    assert {message["arguments"]["pid"] for message in seen[1:]} == {42}


async def test_a_program_that_goes_on_is_a_timeout(tmp_path: Path) -> None:
    def answers(message: dict[str, Any]) -> bytes:
        return answer({"pid": 42} if message["execute"] == "guest-exec" else {"exited": False})

    async with agent_that(answers, tmp_path) as (agent, _):
        with pytest.raises(TimeoutError):
            await agent.run(["sleep", "60"], timeout_seconds=0.1)
        assert await agent.start(["true"]) == 42


async def test_a_program_ended_by_a_signal_has_the_shells_code(tmp_path: Path) -> None:
    async with agent_that(lambda _: answer({"exited": True, "signal": 9}), tmp_path) as (agent, _):
        ended = await agent.ended(42)
        assert ended is not None
        assert ended.exit_code == 137


async def test_calls_of_many_do_not_mix(tmp_path: Path) -> None:
    async with agent_that(lambda message: answer(message["arguments"]["n"]), tmp_path) as (agent, _):
        asked: list[Awaitable[Any]] = [agent.execute("echo", {"n": n}) for n in range(20)]
        assert await asyncio.gather(*asked) == list(range(20))


async def test_after_a_broken_connection_the_next_call_makes_a_new_one(tmp_path: Path) -> None:
    async with agent_that(lambda _: b"{broken\n", tmp_path) as (agent, fake):
        with pytest.raises(AgentSilent):
            await agent.execute("guest-ping")
        fake.answers = lambda _: answer("well")
        assert await agent.execute("guest-ping") == "well"
