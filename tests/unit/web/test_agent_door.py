"""The door that agents call: whose key counts, what they are asked, and what of it is written down."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.asgi import Conversation
from tests.support.desktop_agent import door_of
from tests.support.installation import Installation, installation

from yunzhuo.services.rules.agent_words import MAX_TURN_BYTES
from yunzhuo.web.agent_desk import AgentDesk
from yunzhuo.web.agents import TURN_PATH, AgentDoor


class School:
    """An installation with one desktop, the door its agent calls, and what the agent shows there."""

    def __init__(self, yunzhuo: Installation) -> None:
        self.yunzhuo = yunzhuo
        self.desktop_id = yunzhuo.available(yunzhuo.person("lin"))
        server = yunzhuo.cloud.servers.find(self.desktop_id)
        assert server is not None
        self.key = json.loads(door_of(yunzhuo.weather.user_data(server.id) or ""))["key"]
        self.desk = AgentDesk()
        self.door = AgentDoor(self.desk, yunzhuo.services.agents)

    def call(self, body: bytes, key: str | None = None) -> Conversation:
        """One request of the agent."""
        talk = Conversation(self.door.app, "POST", TURN_PATH, {"Authorization": f"Bearer {key or self.key}"})
        talk.say([body])
        return talk

    def arrivals(self) -> int:
        """How many starts of agents are on record."""
        with self.yunzhuo.connection() as connection:
            query = "SELECT count(*) FROM audit_entries WHERE verb = 'agent:arrive' AND outcome = 'done'"
            return int(connection.exec_driver_sql(query).scalar_one())


def turn(boot: str = "00000001", wait_seconds: float = 0) -> bytes:
    return json.dumps(
        {"boot": boot, "agent": "0.1.0", "wait_seconds": wait_seconds, "status": {"is_ready": True}, "answer": None}
    ).encode()


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    with installation(tmp_path / "home", agents={"public_url": "https://agents.school.local:8084", "local_port": 1}) as yunzhuo:
        yield School(yunzhuo)


async def test_whoever_names_another_boot_with_each_turn_does_not_fill_the_record(school: School) -> None:
    for number in range(3):
        talk = school.call(turn(f"0000000{number}"))
        await talk.end()
        assert (talk.status, talk.headers["cache-control"]) == (200, "no-store")
    assert school.arrivals() == 1
    assert [heard.boot for heard in school.desk.heard()] == ["00000002"], "what it said last counts nevertheless"


async def test_an_agent_that_hangs_up_waits_no_more(school: School) -> None:
    talk = school.call(turn(wait_seconds=25))
    talk.leave()
    await talk.end(timeout_seconds=10)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [(b"{", 400, "invalid_input"), (b"x" * (MAX_TURN_BYTES + 1), 400, "too_large")],
)
async def test_what_is_no_turn_is_refused_and_the_line_closed(school: School, body: bytes, status: int, code: str) -> None:
    talk = school.call(body)
    await talk.end()
    assert (talk.status, json.loads(talk.body)["code"], talk.headers["connection"]) == (status, code, "close")
    assert school.desk.heard() == []


async def test_a_key_that_is_none_is_told_so_before_its_words_are_read(school: School) -> None:
    talk = school.call(turn(), key="another")
    await talk.end()
    assert talk.status == 401
    assert school.desk.heard() == []
