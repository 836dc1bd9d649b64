"""What is over a limit waits in a queue that people see, and is let in by turns."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.installation import Installation, installation

from yunzhuo.phoenix.common.errors import Conflict
from yunzhuo.services.access import Actor
from yunzhuo.services.desktops import Accepted
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, State
from yunzhuo.services.rules.remedies import Remedy


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Installation]:
    """An installation that builds two at once and starts one."""
    narrow = {"builds_per_cloud": 2, "starts_per_cloud": 1, "starts_per_second": 0}
    with installation(tmp_path / "home", admission=narrow, limits={"desktops_per_user": 50}) as installed:
        yield installed


def status(yunzhuo: Installation, actor: Actor, accepted: Accepted) -> OperationStatus:
    return yunzhuo.services.desktops.operation(actor, accepted.operation.id).status


@pytest.mark.slow
def test_what_is_over_the_limit_waits_and_says_where_it_stands(narrow: Installation) -> None:
    teacher, student = narrow.person("teacher"), narrow.person("student")
    lesson = []
    for _ in range(6):
        lesson.append(narrow.request(teacher))
        narrow.pass_time(0.001)
    mine = narrow.request(student)
    desktops = narrow.services.desktops
    assert [status(narrow, teacher, each) for each in lesson] == [OperationStatus.QUEUED] * 2 + [OperationStatus.WAITING] * 4
    place = desktops.get(student, mine.desktop.id).operation.queue
    assert place is not None
    assert (place.position, place.length, place.expected_seconds) == (1, 5, None)
    last = desktops.get(teacher, lesson[-1].desktop.id).operation.queue
    assert last is not None
    assert last.position == 5
    narrow.run(seconds=0.5)  # the first two end, and let the next ones in
    assert status(narrow, student, mine) is not OperationStatus.WAITING
    later = desktops.get(teacher, lesson[-1].desktop.id).operation.queue
    assert later is not None
    assert later.position < last.position
    assert later.expected_seconds is not None
    assert later.expected_seconds > 0
    narrow.run()
    assert {desktop.state for desktop in desktops.list(teacher).items} == {State.AVAILABLE}
    assert len(narrow.cloud.servers.list()) == 7


@pytest.mark.slow
def test_no_more_go_on_at_once_than_the_limit_says(narrow: Installation) -> None:
    teacher = narrow.person("teacher")
    for _ in range(8):
        narrow.request(teacher)
    at_once = 0
    for _ in range(400):
        narrow.work()
        going_on = narrow.services.operations.list(teacher).items
        at_once = max(at_once, sum(r.operation.status in ("queued", "running") for r in going_on))
        narrow.pass_time(0.05)
        if all(record.operation.status is OperationStatus.SUCCEEDED for record in going_on):
            break
    else:
        pytest.fail("not all were built")
    assert at_once == 2


def test_no_time_before_a_worker_begins_counts_toward_the_deadline(narrow: Installation) -> None:
    teacher = narrow.person("teacher")
    accepted = [narrow.request(teacher) for _ in range(3)]
    narrow.pass_time(narrow.settings.operations.create_deadline_seconds + 60)
    narrow.run()  # the first two were let in long ago; the third is let in now
    assert [status(narrow, teacher, each) for each in accepted] == [OperationStatus.SUCCEEDED] * 3


def test_a_newer_wish_takes_the_place_of_one_that_waits(narrow: Installation, lin: Actor) -> None:
    one, other = narrow.available(lin), narrow.available(lin)
    desktops = narrow.services.desktops
    for desktop_id in (one, other):
        desktops.act(lin, desktop_id, Action.STOP)
    narrow.run()
    desktops.act(lin, one, Action.START)
    waiting = desktops.act(lin, other, Action.START)
    assert status(narrow, lin, waiting) is OperationStatus.WAITING
    kept = narrow.services.snapshots.create(lin, other, "before")
    assert status(narrow, lin, waiting) is OperationStatus.CANCELLED
    narrow.run()
    assert status(narrow, lin, kept) is OperationStatus.SUCCEEDED
    after = desktops.get(lin, other)
    assert (after.state, after.wanted) == (State.STOPPED, "stopped"), "as if the start had never been wished for"
    started = desktops.act(lin, one, Action.STOP)
    with pytest.raises(Conflict):
        desktops.act(lin, one, Action.REBOOT)
    assert status(narrow, lin, started) is OperationStatus.QUEUED


def test_paced_starts_begin_so_many_in_a_second(tmp_path: Path) -> None:
    pace = {"starts_per_second": 2, "builds_per_cloud": 0}
    with installation(tmp_path / "home", admission=pace) as yunzhuo:
        lin = yunzhuo.person("lin")
        made = [yunzhuo.request(lin).desktop.id for _ in range(5)]
        yunzhuo.run()
        for desktop_id in made:
            yunzhuo.services.desktops.act(lin, desktop_id, Action.STOP)
        yunzhuo.run()
        started = [yunzhuo.services.desktops.act(lin, desktop_id, Action.START) for desktop_id in made]
        waiting = []
        for _ in range(3):
            waiting.append(sum(status(yunzhuo, lin, each) is OperationStatus.WAITING for each in started))
            yunzhuo.pass_time(1.01)
            yunzhuo.services.admission.round()
        assert waiting == [3, 1, 0]


def test_a_wish_that_waits_is_dropped_without_a_trace(narrow: Installation, lin: Actor) -> None:
    accepted = [narrow.request(lin) for _ in range(3)]
    waiting = accepted[-1]
    view = narrow.services.desktops.get(lin, waiting.desktop.id)
    assert view.operation.remedies == {Remedy.CANCEL}
    cancelled = narrow.services.operations.cancel(lin, waiting.operation.id)
    assert cancelled.status is OperationStatus.CANCELLED
    narrow.run()
    assert len(narrow.services.desktops.list(lin).items) == 2
    assert len(narrow.cloud.servers.list()) == 2
    with pytest.raises(Conflict):
        narrow.services.operations.cancel(lin, waiting.operation.id)


@pytest.fixture
def lin(narrow: Installation) -> Actor:
    return narrow.person("lin")
