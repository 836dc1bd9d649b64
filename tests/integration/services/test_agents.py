"""Which agent's key counts when: made with the desktop, replaced by a restore, gone with it; and what is written down."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.desktop_agent import door_of
from tests.support.installation import Installation, installation

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.common.errors import Conflict, NotFound, NotOffered, NotSignedIn
from yunzhuo.phoenix.security.agent_keys import AgentKey
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.agent_book import AgentView
from yunzhuo.services.agents import Heard
from yunzhuo.services.rules.agent_words import Status
from yunzhuo.services.rules.idle import IdleDeed, Terms
from yunzhuo.services.rules.lifecycle import Action, State

pytestmark = pytest.mark.slow

_URL = "https://agents.school.local:8084"


@pytest.fixture
def school(tmp_path: Path) -> Iterator[Installation]:
    # Nobody listens at that port: what needs an agent finds none.
    with installation(tmp_path / "home", agents={"public_url": _URL, "local_port": 1}) as yunzhuo:
        yield yunzhuo


@pytest.fixture
def lin(school: Installation) -> Actor:
    return school.person("lin")


def key_in(school: Installation, desktop_id: str) -> AgentKey:
    """What the desktop's server was told, as its agent shows it."""
    server = school.cloud.servers.find(desktop_id)
    assert server is not None
    told = json.loads(door_of(school.weather.user_data(server.id) or ""))
    assert told["url"] == _URL
    assert told["authority"].startswith("-----BEGIN CERTIFICATE-----")
    return school.services.agents.known(told["key"])


def heard(school: Installation, desktop_id: str, boot: str, **status: object) -> Heard:
    words = {"is_ready": True, "load": 0.5, "memory_mib": 1024, "memory_used_mib": 400, "signed_in_since": None, **status}
    return Heard(desktop_id, boot, "0.1.0", Status.model_validate(words), school.clock.now())


def test_a_restore_replaces_the_key(school: Installation, lin: Actor) -> None:
    desktop_id, agents = school.available(lin), school.services.agents
    first = key_in(school, desktop_id)
    assert first.desktop_id == desktop_id
    agents.admit(first)
    agents.arrived(heard(school, desktop_id, "boot-1"))
    school.services.desktops.rebuild(lin, desktop_id)
    school.run()
    second = key_in(school, desktop_id)
    assert second != first
    agents.admit(second)
    with pytest.raises(NotSignedIn):
        agents.admit(first)
    server = school.cloud.servers.find(desktop_id)
    assert server is not None
    place = agents.place_of(server.id)
    assert (place.issues, place.left_boot) == (frozenset({second.issue}), "boot-1")


def test_a_restore_that_never_comes_about_leaves_the_key(school: Installation, lin: Actor) -> None:
    desktop_id, agents = school.available(lin), school.services.agents
    first = key_in(school, desktop_id)
    school.weather.faults.set(Fault(operation="servers.rebuild", kind=FaultKind.FAIL_BEFORE, count=None))
    school.services.desktops.rebuild(lin, desktop_id)
    school.run(600)
    assert school.services.desktops.get(lin, desktop_id).failure is not None
    assert key_in(school, desktop_id) == first
    agents.admit(first)


def test_a_step_that_is_taken_twice_gives_the_same_key(school: Installation, lin: Actor) -> None:
    school.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.FAIL_AFTER))
    desktop_id = school.available(lin)
    school.services.agents.admit(key_in(school, desktop_id))


def test_other_changes_leave_the_key_and_end_the_boot(school: Installation, lin: Actor) -> None:
    desktop_id, agents = school.available(lin), school.services.agents
    first = key_in(school, desktop_id)
    agents.arrived(heard(school, desktop_id, "boot-1"))
    assert _agent(school, lin, desktop_id).is_ready
    school.services.desktops.act(lin, desktop_id, Action.REBOOT)
    school.run()
    assert key_in(school, desktop_id) == first
    agents.admit(first)
    agents.heard([heard(school, desktop_id, "boot-1")])
    assert not _agent(school, lin, desktop_id).is_ready, "a word from before the reboot"
    agents.heard([heard(school, desktop_id, "boot-2")])
    assert _agent(school, lin, desktop_id).is_ready


def test_the_key_of_a_desktop_that_is_gone_counts_no_more(school: Installation, lin: Actor) -> None:
    desktop_id, agents = school.available(lin), school.services.agents
    key = key_in(school, desktop_id)
    school.services.desktops.act(lin, desktop_id, Action.DELETE, for_good=True)
    school.run()
    with pytest.raises(NotSignedIn):
        agents.admit(key)
    agents.arrived(heard(school, desktop_id, "boot-1"))
    with pytest.raises(NotFound):
        agents.place_of("no such server")


def test_keys_are_stored_nowhere_and_arrivals_are_on_record(school: Installation, lin: Actor) -> None:
    desktop_id, agents = school.available(lin), school.services.agents
    key = key_in(school, desktop_id)
    server = school.cloud.servers.find(desktop_id)
    assert server is not None
    text = json.loads(door_of(school.weather.user_data(server.id) or ""))["key"]
    for boot in ("boot-1", "boot-1", "boot-2"):
        agents.arrived(heard(school, desktop_id, boot))
    for _ in range(2):
        with pytest.raises(NotSignedIn):
            agents.admit(AgentKey(desktop_id, desktop_id))
    with school.connection() as connection:
        rows = connection.exec_driver_sql("SELECT outcome FROM audit_entries WHERE verb = 'agent:arrive' ORDER BY id").all()
    assert [row[0] for row in rows] == ["done", "done", "refused"]
    agents.admit(key)
    assert text not in school.everything_stored()
    assert text.rpartition(".")[2] not in school.everything_stored()


def test_what_it_says_is_seen(school: Installation, lin: Actor) -> None:
    desktop_id = school.available(lin)
    assert school.services.desktops.get(lin, desktop_id).agent is None
    since = int(school.clock.now().timestamp())
    school.services.agents.arrived(heard(school, desktop_id, "boot-1", signed_in_since=since))
    seen = _agent(school, lin, desktop_id)
    assert (seen.load, seen.memory_used_mib, seen.memory_mib) == (0.5, 400, 1024)
    assert seen.signed_in_since == school.clock.now().replace(microsecond=0)
    assert seen.heard_at == school.clock.now()


def test_a_guest_that_works_is_not_idle(school: Installation, lin: Actor) -> None:
    boss, desktop_id = school.person("boss", Role.ADMINISTRATOR), school.available(lin)
    rules = Terms(disconnected_minutes=10, disconnected_deed=IdleDeed.SUSPEND, notice_minutes=5, busy_percent=20)
    school.services.idle.put(boss, boss.organization_id, rules)

    def let_pass(minutes: int, load: float | None) -> State:
        for _ in range(minutes):
            school.pass_time(60)
            if load is not None:
                school.services.agents.arrived(heard(school, desktop_id, "boot-1", load=load))
            school.services.idle_keeper.round()
        school.run()
        return school.services.desktops.get(lin, desktop_id).state

    # The cloud says that next to nothing is used; what the agent says counts.
    assert let_pass(30, load=0.8) is State.AVAILABLE
    # What was said long ago counts no more.
    assert let_pass(20, load=None) is State.SUSPENDED


def test_without_an_address_nobody_gets_a_key(tmp_path: Path) -> None:
    with installation(tmp_path / "home") as yunzhuo:
        lin = yunzhuo.person("lin")
        server = yunzhuo.cloud.servers.find(yunzhuo.available(lin))
        assert server is not None
        assert yunzhuo.weather.user_data(server.id) is None
        yunzhuo.weather.change_options(has_guest_calls=False)
        with pytest.raises((NotOffered, Conflict)):
            yunzhuo.services.guests.get_clipboard(lin, server.desktop_id)


def _agent(school: Installation, lin: Actor, desktop_id: str) -> AgentView:
    found = school.services.desktops.get(lin, desktop_id).agent
    assert found is not None
    return found
