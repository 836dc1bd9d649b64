"""The desk between agents and questions: who may have a question, whose answer counts, how fast, how many, and who is away."""

import asyncio
from datetime import UTC, datetime

import pytest

from yunzhuo.services.agents import AgentPlace, Heard
from yunzhuo.services.rules.agent_words import Answer, Question, Status, Turn, Verb
from yunzhuo.web.agent_desk import SILENT_SECONDS, AgentAway, AgentDesk, DeskBounds, Told, TooFast, TooManyWait

NOW = datetime(2026, 3, 2, tzinfo=UTC)
STATUS = Status(is_ready=True)
PLACE = AgentPlace("d1", frozenset({"new"}), None, True)


class Room:
    """A desk, a clock, and one desktop's agent."""

    def __init__(self, bounds: DeskBounds | None = None) -> None:
        self.now = 0.0
        self.desk = AgentDesk(bounds, monotonic=lambda: self.now)

    def hear(self, answer: Answer | None = None, *, issue: str = "new", boot: str = "b1") -> bool:
        turn = Turn(boot="00000000", agent="1", wait_seconds=1, status=STATUS, answer=answer)
        return self.desk.hear(Heard("d1", boot, "1", STATUS, NOW), issue, turn)

    def wait(self, *, issue: str = "new", seconds: float = 5) -> "asyncio.Task[Question | None]":
        return asyncio.create_task(self.desk.next_question("d1", issue, seconds))

    def ask(self, name: str, seconds: float = 5, place: AgentPlace = PLACE) -> "asyncio.Task[Told]":
        return asyncio.create_task(self.desk.ask(place, Question(id=name, verb=Verb.STATUS), seconds))


async def test_a_question_waits_for_its_agent_and_gets_its_answer() -> None:
    room = Room()
    assert room.hear()
    assert not room.hear()
    told = room.ask("q1")
    await asyncio.sleep(0)
    question = await room.wait()
    assert question is not None
    assert question.id == "q1"
    room.hear(Answer(id="another"))
    assert not told.done()
    room.hear(Answer(id="q1", text="x"))
    room.hear(Answer(id="q1", text="y"))
    assert (await told).answer.text == "x", "the first answer counts"
    assert await room.wait(seconds=0) is None


async def test_a_question_that_was_lost_on_the_way_is_given_again() -> None:
    room = Room()
    room.hear()
    told = room.ask("q1")
    await asyncio.sleep(0)
    first, second = await room.wait(), await room.wait()
    assert first == second
    room.hear(Answer(id="q1"))
    await told


async def test_an_old_key_gets_no_question_and_its_answer_counts_for_nothing() -> None:
    room = Room()
    room.hear(issue="old")
    waiting = room.wait(issue="old")
    await asyncio.sleep(0)
    told = room.ask("q1")
    assert await waiting is None
    assert await room.wait(issue="old", seconds=0) is None
    room.hear(Answer(id="q1"), issue="old")
    await asyncio.sleep(0)
    assert not told.done()
    assert await room.wait() is not None
    room.hear(Answer(id="q1"), issue="old")
    await asyncio.sleep(0)
    assert not told.done()
    room.hear(Answer(id="q1"))
    await told


async def test_a_newer_request_ends_the_one_before() -> None:
    room = Room()
    room.hear()
    first = room.wait()
    await asyncio.sleep(0)
    second = room.wait()
    assert await first is None
    told = room.ask("q1")
    assert await second is not None
    room.hear(Answer(id="q1"))
    await told


async def test_one_question_at_a_time_and_so_many_waiting() -> None:
    room = Room(DeskBounds(waiting=2))
    room.hear()
    told = [room.ask("q1"), room.ask("q2"), room.ask("q3")]
    await asyncio.sleep(0)
    with pytest.raises(TooManyWait):
        await told[2]
    for name in ("q1", "q2"):
        question = await room.wait()
        assert question is not None
        assert question.id == name
        room.hear(Answer(id=name))
        await asyncio.sleep(0)
    await asyncio.gather(*told[:2])


async def test_nobody_is_waited_for_in_vain() -> None:
    room = Room()
    with pytest.raises(AgentAway):
        await room.ask("q1")
    room.hear()
    with pytest.raises(TimeoutError):
        await room.ask("q1", seconds=0.01)
    room.now = SILENT_SECONDS + 1
    with pytest.raises(AgentAway):
        await room.ask("q1")
    assert len(room.desk.heard()) == 1
    room.now = 1000
    assert room.desk.heard() == []


async def test_who_is_still_asked_something_is_not_forgotten() -> None:
    room = Room()
    room.hear()
    told = room.ask("q1")
    await asyncio.sleep(0)
    room.now = 1000
    assert len(room.desk.heard()) == 1
    room.hear()
    assert await room.wait() is not None
    room.hear(Answer(id="q1", text="x"))
    assert (await told).answer.text == "x"


async def test_too_fast_is_told_so_and_others_are_not() -> None:
    room = Room(DeskBounds(turns_per_second=10, burst=3))
    room.desk.pace("d1")
    room.hear()
    for _ in range(2):
        room.desk.pace("d1")
    with pytest.raises(TooFast):
        room.desk.pace("d1")
    room.desk.pace("d2")
    room.now = 0.1
    room.desk.pace("d1")
    with pytest.raises(TooFast):
        room.desk.pace("d1")


async def test_at_the_end_all_that_wait_are_answered() -> None:
    room = Room()
    room.hear()
    waiting = room.wait()
    await asyncio.sleep(0)
    room.desk.close()
    assert await waiting is None
    assert await room.wait() is None
