"""Cancelling at every step, trying again, undoing: nothing is left behind and nothing is done twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.installation import Installation, installation

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.common.errors import Conflict, NotFound
from yunzhuo.services.access import Actor
from yunzhuo.services.operation_desk import OperationWish
from yunzhuo.services.operations import Claim
from yunzhuo.services.rules.lifecycle import ACTIVE, Action, OperationStatus, State
from yunzhuo.services.rules.remedies import Remedy
from yunzhuo.services.steps import perform

# Long stories, each on an installation of its own.
pytestmark = pytest.mark.slow


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Installation]:
    """An installation that gives up soon."""
    with installation(tmp_path / "soon", operations={"max_attempts": 2, "default_deadline_seconds": 5}) as installed:
        yield installed


def claimed(yunzhuo: Installation, operation_id: str) -> Claim:
    claim = yunzhuo.services.engine.claim(operation_id)
    assert claim is not None
    return claim


def to_step(yunzhuo: Installation, actor: Actor, operation_id: str, position: int) -> None:
    """Work until the operation is at a step."""
    while yunzhuo.services.desktops.operation(actor, operation_id).position < position:
        yunzhuo.work()
        yunzhuo.pass_time(0.02)


@pytest.mark.parametrize("position", [1, 2, 3])
def test_a_cancelled_create_leaves_nothing_at_any_step(yunzhuo: Installation, lin: Actor, position: int) -> None:
    accepted = yunzhuo.request(lin)
    to_step(yunzhuo, lin, accepted.operation.id, position)
    yunzhuo.services.operations.cancel(lin, accepted.operation.id)
    yunzhuo.run()
    assert yunzhuo.cloud.servers.list() == ()
    assert yunzhuo.services.desktops.list(lin).items == []
    assert yunzhuo.services.desktops.operation(lin, accepted.operation.id).status is OperationStatus.CANCELLED


def test_a_cancel_during_a_call_to_the_cloud_is_seen_after_it(yunzhuo: Installation, lin: Actor) -> None:
    accepted = yunzhuo.request(lin)
    claim = claimed(yunzhuo, accepted.operation.id)
    undoing = yunzhuo.services.operations.cancel(lin, accepted.operation.id)
    assert (undoing.action, undoing.status in ACTIVE) == (Action.DELETE, True)
    yunzhuo.run(seconds=2)
    assert yunzhuo.is_active(lin, undoing.id), "it waits for the call"
    yunzhuo.services.engine.record_outcome(claim, perform(claim.step, yunzhuo.cloud, claim.subject))
    yunzhuo.run()
    assert yunzhuo.cloud.servers.list() == ()


PAIRS = [
    (Action.STOP, State.AVAILABLE),
    (Action.SUSPEND, State.AVAILABLE),
    (Action.START, State.STOPPED),
    (Action.RESUME, State.SUSPENDED),
]


@pytest.mark.parametrize("has_begun", [False, True, None])
@pytest.mark.parametrize(("action", "before"), PAIRS)
def test_a_cancelled_change_of_power_is_taken_back(
    yunzhuo: Installation, lin: Actor, action: Action, before: State, has_begun: bool | None
) -> None:
    """Not begun, begun and waiting for the cloud, or (None) begun by a worker that died before its call."""
    desktop_id = yunzhuo.available(lin)
    desktops = yunzhuo.services.desktops
    if before is not State.AVAILABLE:
        desktops.act(lin, desktop_id, Action.STOP if before is State.STOPPED else Action.SUSPEND)
        yunzhuo.run()
    accepted = desktops.act(lin, desktop_id, action)
    if has_begun:
        to_step(yunzhuo, lin, accepted.operation.id, 1)
    elif has_begun is None:
        claimed(yunzhuo, accepted.operation.id)
    ended = yunzhuo.services.operations.cancel(lin, accepted.operation.id)
    assert (ended.id == accepted.operation.id) is (has_begun is False)
    yunzhuo.run(seconds=120)
    after = desktops.get(lin, desktop_id)
    assert (after.state, after.failure) == (before, None)
    assert desktops.operation(lin, accepted.operation.id).status is OperationStatus.CANCELLED


def test_what_cannot_be_taken_back_is_let_go_of(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    accepted = yunzhuo.services.desktops.rebuild(lin, desktop_id)
    to_step(yunzhuo, lin, accepted.operation.id, 1)
    ended = yunzhuo.services.operations.cancel(lin, accepted.operation.id)
    assert (ended.id, ended.status) == (accepted.operation.id, OperationStatus.CANCELLED)
    yunzhuo.pass_time(5)
    for _ in range(2):
        yunzhuo.services.reconciler.round()
        yunzhuo.pass_time(5)
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE


def test_a_deletion_cannot_be_cancelled(yunzhuo: Installation, lin: Actor) -> None:
    deletion = yunzhuo.services.desktops.act(lin, yunzhuo.available(lin), Action.DELETE).operation
    with pytest.raises(Conflict) as refusal:
        yunzhuo.services.operations.cancel(lin, deletion.id)
    assert refusal.value.code == "nothing_to_cancel"
    yunzhuo.run()
    assert yunzhuo.cloud.servers.list() == ()


def test_a_cancelled_snapshot_gives_its_place_back(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    kept = yunzhuo.services.snapshots.create(lin, desktop_id, "before")
    yunzhuo.services.operations.cancel(lin, kept.operation.id)
    assert yunzhuo.services.snapshots.list(lin, desktop_id).items == []
    again = yunzhuo.services.operations.retry(lin, kept.operation.id)
    yunzhuo.run()
    assert yunzhuo.services.desktops.operation(lin, again.id).status is OperationStatus.SUCCEEDED
    assert [each.name for each in yunzhuo.services.snapshots.list(lin, desktop_id).items] == ["before"]


@pytest.mark.parametrize("action", ["start", "resize", "rebuild", "snapshot"])
def test_what_failed_is_tried_again_with_its_particulars(impatient: Installation, action: str) -> None:
    yunzhuo = impatient
    lin = yunzhuo.person("lin")
    desktop_id, services = yunzhuo.available(lin), yunzhuo.services
    if action == "start":
        services.desktops.act(lin, desktop_id, Action.STOP)
        yunzhuo.run()
    tries = yunzhuo.settings.operations.max_attempts
    yunzhuo.weather.faults.set(Fault(operation=f"servers.{action}", kind=FaultKind.FAIL_BEFORE, count=tries))
    medium = services.catalog.flavors(lin)[1]
    asked = {
        "start": lambda: services.desktops.act(lin, desktop_id, Action.START),
        "resize": lambda: services.desktops.resize(lin, desktop_id, medium.id),
        "rebuild": lambda: services.desktops.rebuild(lin, desktop_id),
        "snapshot": lambda: services.snapshots.create(lin, desktop_id, "before"),
    }[action]()
    yunzhuo.run(seconds=20)
    failed = services.desktops.operation(lin, asked.operation.id)
    assert failed.status is OperationStatus.FAILED
    assert {Remedy.RETRY, Remedy.DELETE} <= failed.remedies
    again = services.operations.retry(lin, failed.id)
    with pytest.raises(Conflict):
        services.operations.retry(lin, failed.id)
    yunzhuo.run()
    assert services.desktops.operation(lin, again.id).status is OperationStatus.SUCCEEDED
    assert services.desktops.get(lin, desktop_id).state is State.AVAILABLE


def test_a_failed_stop_can_be_undone(impatient: Installation) -> None:
    yunzhuo = impatient
    lin = yunzhuo.person("lin")
    desktop_id, services = yunzhuo.available(lin), yunzhuo.services
    yunzhuo.weather.change_options(stop_seconds=1000)
    stopping = services.desktops.act(lin, desktop_id, Action.STOP).operation
    yunzhuo.run(seconds=30)
    (server,) = yunzhuo.cloud.servers.list()
    yunzhuo.weather.disturb.finish(server.id)
    services.reconciler.round()
    failed = services.desktops.operation(lin, stopping.id)
    assert failed.error is not None
    assert failed.error.code == "operation_timed_out"
    assert Remedy.UNDO in failed.remedies
    services.operations.undo(lin, stopping.id)
    yunzhuo.run()
    assert services.desktops.get(lin, desktop_id).state is State.AVAILABLE


def test_administrators_are_told_what_the_cloud_said(yunzhuo: Installation, lin: Actor, boss: Actor, mei: Actor) -> None:
    yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.REFUSE, count=1))
    accepted, operations = yunzhuo.request(lin), yunzhuo.services.operations
    yunzhuo.run()
    told = operations.record(boss, accepted.operation.id)
    assert told.trace is not None
    assert told.trace.error_detail
    assert set(told.trace.cloud_request_ids) == {1}
    assert told.trace.cloud_request_ids[1] in told.trace.error_detail
    assert (told.owner_email, told.user_email) == ("lin@school.local", "lin@school.local")
    assert operations.record(lin, accepted.operation.id).trace is None
    with pytest.raises(NotFound):
        operations.record(mei, accepted.operation.id)
    with pytest.raises(NotFound):
        operations.cancel(mei, accepted.operation.id)
    assert operations.list(mei).items == []
    failed = operations.list(boss, OperationWish(status=OperationStatus.FAILED, search="lin@"))
    assert [record.operation.id for record in failed.items] == [accepted.operation.id]
    dealt = operations.deal_with_many(boss, [accepted.operation.id, "no-such"], Remedy.RETRY)
    assert dealt[0].operation is not None
    assert dealt[1].refusal is not None
    assert dealt[1].refusal.code == "operation_not_found"
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, accepted.desktop.id).state is State.AVAILABLE


def test_a_list_of_operations_goes_on_where_it_stopped(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    for action in (Action.STOP, Action.START, Action.REBOOT):
        yunzhuo.services.desktops.act(lin, desktop_id, action)
        yunzhuo.run()
    seen, cursor = [], None
    while True:
        page = yunzhuo.services.operations.list(lin, limit=3, cursor=cursor)
        seen += [record.operation.action for record in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [Action.REBOOT, Action.START, Action.STOP, Action.CREATE]
