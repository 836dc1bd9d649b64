"""What the cloud tells by itself makes us look sooner; whether it is true, lost, doubled or false only changes when we look."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.installation import Installation, installation

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.cloud.resources import Server
from yunzhuo.phoenix.common.errors import Unavailable
from yunzhuo.services.access import Actor
from yunzhuo.services.rules.lifecycle import State
from yunzhuo.services.steps import perform

_TOLD_POLL_SECONDS = 15.0


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Installation]:
    """An installation that has heard its cloud tell of changes. Servers take long to build."""
    with installation(tmp_path / "home", cloud={"driver": "memory", "told_poll_seconds": _TOLD_POLL_SECONDS}) as installed:
        installed.weather.change_options(tells_of_changes=True)
        listen(installed)
        installed.available(installed.person("first"))
        listen(installed)
        installed.pass_time(10)
        assert installed.services.notice_book.is_told()
        installed.weather.change_options(build_seconds=40)
        yield installed


@pytest.fixture
def lin(told: Installation) -> Actor:
    return told.person("lin")


def listen(yunzhuo: Installation) -> None:
    yunzhuo.services.notice_keeper.round(0)


def building(yunzhuo: Installation, actor: Actor) -> tuple[str, str]:
    """A desktop whose operation waits for its server; the ids of both."""
    desktop_id = yunzhuo.request(actor).desktop.id
    for _ in range(4):
        yunzhuo.work()
    server = yunzhuo.cloud.servers.find(desktop_id)
    assert server is not None
    listen(yunzhuo)
    yunzhuo.pass_time(6)
    listen(yunzhuo)
    yunzhuo.work()
    assert not yunzhuo.services.engine.due(), "it is looked at again in five seconds"
    return desktop_id, server.id


def at_rest(yunzhuo: Installation, actor: Actor) -> tuple[str, Server]:
    """A desktop that was available for a while, and its server."""
    desktop_id = yunzhuo.available(actor)
    server = yunzhuo.cloud.servers.find(desktop_id)
    assert server is not None
    listen(yunzhuo)
    yunzhuo.pass_time(5)
    return desktop_id, server


def state(yunzhuo: Installation, actor: Actor, desktop_id: str) -> State:
    return yunzhuo.services.desktops.get(actor, desktop_id).state


def test_what_was_just_asked_for_is_not_looked_at_before_it_can_be_there(told: Installation, lin: Actor) -> None:
    before = told.weather.calls.last_id()
    desktop_id = told.request(lin).desktop.id
    told.work()
    told.work()
    assert told.cloud.servers.find(desktop_id) is not None
    assert told.weather.calls.count("servers.get", after_id=before) == 0
    told.pass_time(1)
    told.work()
    assert told.weather.calls.count("servers.get", after_id=before) == 1


def test_an_operation_that_waits_is_looked_at_when_its_server_changes(told: Installation, lin: Actor) -> None:
    desktop_id, server_id = building(told, lin)
    told.pass_time(0.6)
    told.weather.disturb.finish(server_id)
    assert not told.services.engine.due()
    listen(told)
    assert len(told.services.engine.due()) == 1
    told.run(0.5)
    assert state(told, lin, desktop_id) is State.AVAILABLE


def test_a_hint_that_is_lost_costs_time_and_nothing_else(told: Installation, lin: Actor) -> None:
    desktop_id, server_id = building(told, lin)
    told.weather.faults.set(Fault(operation="notices.listen", kind=FaultKind.FORGET))
    told.weather.disturb.finish(server_id)
    listen(told)
    assert not told.services.engine.due()
    told.run(11)
    assert state(told, lin, desktop_id) is State.AVAILABLE


def test_false_hints_change_nothing(told: Installation, lin: Actor) -> None:
    desktop_id, _ = building(told, lin)
    told.weather.faults.set(Fault(operation="notices.listen", kind=FaultKind.LIE))
    before = told.weather.calls.last_id()
    for _ in range(20):
        told.pass_time(0.1)
        listen(told)
        told.work()
    assert state(told, lin, desktop_id) is State.BUILDING
    assert told.weather.calls.count("servers.get", after_id=before) <= 6, "at most two looks a second"
    assert told.weather.calls.count("servers.list", after_id=before) == 0


def test_a_desktop_at_rest_is_looked_at_alone(told: Installation, lin: Actor) -> None:
    desktop_id, server = at_rest(told, lin)
    before = told.weather.calls.last_id()
    told.weather.disturb.kill(server.id)
    listen(told)
    assert state(told, lin, desktop_id) is State.STOPPED
    assert [call.operation for call in told.weather.calls.list("servers.*", after_id=before)] == ["servers.get"]
    listen(told)
    assert told.weather.calls.count("servers.get", after_id=before) == 1


def test_a_server_that_is_gone_is_not_called_missing_at_a_hint(told: Installation, lin: Actor) -> None:
    desktop_id, server = at_rest(told, lin)
    told.services.notice_keeper.compare()
    told.pass_time(5)
    told.weather.disturb.delete(server.id)
    listen(told)
    assert state(told, lin, desktop_id) is State.AVAILABLE
    for _ in range(2):
        assert state(told, lin, desktop_id) is State.AVAILABLE
        told.services.notice_keeper.compare()
        told.pass_time(1)
    assert state(told, lin, desktop_id) is State.ERROR


def test_many_at_rest_are_looked_at_by_one_list(told: Installation, lin: Actor) -> None:
    told.weather.change_options(build_seconds=0.1)
    for number in range(11):
        told.available(told.person(f"pupil{number}"))
    listen(told)
    told.pass_time(5)
    before = told.weather.calls.last_id()
    for server in told.cloud.servers.list():
        told.weather.disturb.kill(server.id)
    listen(told)
    calls = [call.operation for call in told.weather.calls.list("servers.*", after_id=before)]
    assert calls.count("servers.list") == 2, "the test's own, and one look at all"
    assert "servers.get" not in calls


def test_who_is_at_the_server_when_a_hint_comes_looks_once_more(told: Installation, lin: Actor) -> None:
    desktop_id, server_id = building(told, lin)
    told.pass_time(6)
    engine, (operation_id,) = told.services.engine, told.services.engine.due()
    claim = engine.claim(operation_id)
    assert claim is not None
    seen = perform(claim.step, told.cloud, claim.subject)  # as it was
    told.weather.disturb.finish(server_id)
    listen(told)
    engine.record_outcome(claim, seen)
    told.pass_time(0.2)
    assert not engine.due()
    listen(told)
    assert engine.due() == [operation_id]
    told.run(0.5)
    assert state(told, lin, desktop_id) is State.AVAILABLE


def test_what_is_being_retried_keeps_its_pace(told: Installation, lin: Actor) -> None:
    desktop_id, server_id = building(told, lin)
    told.weather.faults.set(Fault(operation="servers.get", kind=FaultKind.FAIL_BEFORE))
    for _ in range(4):
        told.pass_time(6)
        told.work()
    told.weather.disturb.finish(server_id)
    listen(told)
    assert not told.services.engine.due()
    assert state(told, lin, desktop_id) is State.BUILDING


def test_the_list_is_asked_for_less_often_while_the_cloud_tells(told: Installation, lin: Actor) -> None:
    told.available(lin)
    listen(told)
    before = told.weather.calls.last_id()
    for _ in range(30):
        told.pass_time(1)
        listen(told)
        told.services.notice_keeper.compare()
    assert told.weather.calls.count("servers.list", after_id=before) == 2
    told.weather.faults.set(Fault(operation="notices.listen", kind=FaultKind.FAIL_BEFORE))
    with pytest.raises(Unavailable):
        listen(told)
    told.pass_time(2)
    before = told.weather.calls.last_id()
    for _ in range(3):
        told.pass_time(1)
        told.services.notice_keeper.compare()
    assert told.weather.calls.count("servers.list", after_id=before) == 3, "nobody listens: the list it is"


def test_what_a_cloud_that_tells_nothing_of_us_says_is_no_reason_to_wait(tmp_path: Path) -> None:
    with installation(tmp_path / "home") as yunzhuo:
        yunzhuo.weather.change_options(tells_of_changes=True)
        listen(yunzhuo)
        assert not yunzhuo.services.notice_book.is_told()
        assert yunzhuo.services.notice_book.figures()["notices_listening"] == 1
        yunzhuo.services.notice_keeper.leave()
        assert yunzhuo.services.notice_book.figures() == {}


@pytest.mark.slow
def test_a_create_asks_a_sixth_and_ends_no_later(tmp_path: Path) -> None:
    asked, took = {}, {}
    for is_told in (False, True):
        with installation(tmp_path / str(is_told)) as yunzhuo:
            yunzhuo.weather.change_options(tells_of_changes=True, build_seconds=0.1, ready_seconds=0)
            if is_told:
                listen(yunzhuo)
                yunzhuo.available(yunzhuo.person("first"))
                listen(yunzhuo)
                yunzhuo.pass_time(10)
            yunzhuo.weather.change_options(build_seconds=6)
            actor, before, began = yunzhuo.person("lin"), yunzhuo.weather.calls.last_id(), yunzhuo.clock.now()
            desktop_id = yunzhuo.request(actor).desktop.id
            while state(yunzhuo, actor, desktop_id) is not State.AVAILABLE:
                yunzhuo.work()
                yunzhuo.pass_time(0.05)
                if is_told:
                    listen(yunzhuo)
            asked[is_told] = yunzhuo.weather.calls.count("servers.get", after_id=before)
            took[is_told] = (yunzhuo.clock.now() - began).total_seconds()
    assert took[True] <= 6.2
    assert took[True] < took[False]
    assert 6 * asked[True] <= asked[False] + 6
