"""Bad days of operations: breaking clouds, dying workers, newer wishes."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.installation import Installation, installation

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.cloud.resources import ServerStatus
from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.scheduler.timers import GRACE, LATE_SECONDS, Waker
from yunzhuo.services.access import Actor
from yunzhuo.services.assembly import services
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, State, Step
from yunzhuo.services.steps import perform


def test_what_breaks_is_tried_again(yunzhuo: Installation, lin: Actor) -> None:
    yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.FAIL_BEFORE, count=3))
    desktop_id = yunzhuo.available(lin)
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE
    assert yunzhuo.weather.calls.count("servers.create") == 4


def test_an_answer_that_got_lost_makes_no_second_server(yunzhuo: Installation, lin: Actor) -> None:
    yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.FAIL_AFTER, count=2))
    desktop_id = yunzhuo.available(lin)
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE
    assert [server.desktop_id for server in yunzhuo.cloud.servers.list()] == [desktop_id]


def test_only_what_may_be_there_already_is_looked_for(yunzhuo: Installation, lin: Actor) -> None:
    yunzhuo.request(lin)
    yunzhuo.run()
    assert yunzhuo.weather.calls.count("servers.find") == 0, "nothing was ever asked for this desktop"
    yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.FAIL_AFTER, count=1))
    yunzhuo.request(lin)
    yunzhuo.run()
    assert yunzhuo.weather.calls.count("servers.find") == 1
    assert len(yunzhuo.cloud.servers.list()) == 2


def test_what_was_refused_fails_at_once_and_can_be_tried_again(yunzhuo: Installation, lin: Actor) -> None:
    yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.REFUSE, count=1))
    desktop_id = yunzhuo.available(lin)
    failed = yunzhuo.services.desktops.get(lin, desktop_id)
    assert failed.state is State.ERROR
    assert failed.failure is not None
    assert failed.failure.code == "no_capacity"
    assert yunzhuo.weather.calls.count("servers.create") == 1
    assert failed.actions == {Action.CREATE, Action.DELETE}
    yunzhuo.services.desktops.act(lin, desktop_id, Action.CREATE)
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE


def test_a_cloud_that_stays_away_fails_the_operation_in_plain_words(yunzhuo: Installation, lin: Actor) -> None:
    yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.FAIL_BEFORE, count=None))
    accepted = yunzhuo.request(lin)
    yunzhuo.run(seconds=200)
    operation = yunzhuo.services.desktops.operation(lin, accepted.operation.id)
    assert operation.status is OperationStatus.FAILED
    assert operation.error is not None
    assert operation.error.code == "cloud_unavailable"


@pytest.mark.slow
def test_a_guest_that_never_gets_ready_fails_at_its_deadline_and_can_be_deleted(tmp_path: Path) -> None:
    with installation(tmp_path / "home", operations={"create_deadline_seconds": 60}) as yunzhuo:
        lin = yunzhuo.person("lin")
        yunzhuo.weather.change_options(guests_get_ready=False)
        accepted = yunzhuo.request(lin)
        yunzhuo.run(seconds=90)
        desktop = yunzhuo.services.desktops.get(lin, accepted.desktop.id)
        assert desktop.state is State.ERROR
        assert desktop.failure is not None
        assert desktop.failure.code == "operation_timed_out"
        assert "did not get ready" in desktop.failure.message
        yunzhuo.services.desktops.act(lin, desktop.id, Action.DELETE)
        yunzhuo.run()
        assert yunzhuo.cloud.servers.list() == ()


def test_a_machine_that_ends_while_its_guest_starts_fails_at_once_however_often_the_cloud_is_looked_at(
    yunzhuo: Installation, lin: Actor
) -> None:
    yunzhuo.weather.change_options(guests_get_ready=False)
    accepted = yunzhuo.request(lin)
    yunzhuo.run(seconds=5)
    (server,) = yunzhuo.cloud.servers.list()
    yunzhuo.weather.disturb.kill(server.id)
    for _ in range(4):
        yunzhuo.services.reconciler.round()
        yunzhuo.run(seconds=1)
    failure = yunzhuo.services.desktops.get(lin, accepted.desktop.id).failure
    assert failure is not None
    assert failure.code == "server_ended"


def test_how_long_the_last_boots_took_says_how_often_the_next_is_asked_about(yunzhuo: Installation, lin: Actor) -> None:
    yunzhuo.weather.change_options(build_seconds=0, ready_seconds=12)

    def looks_and_seconds() -> tuple[int, float]:
        asked = yunzhuo.weather.calls.count("guest.ready")
        accepted = yunzhuo.request(lin)
        yunzhuo.run()
        steps = yunzhuo.services.desktops.operation(lin, accepted.operation.id).steps
        (ready,) = (step for step in steps if step.name == Step.READY)
        assert ready.started_at is not None
        assert ready.ended_at is not None
        return yunzhuo.weather.calls.count("guest.ready") - asked, (ready.ended_at - ready.started_at).total_seconds()

    first_looks, first_seconds = looks_and_seconds()
    assert first_looks > 30
    for _ in range(2):
        looks, seconds = looks_and_seconds()
        assert looks < 20
        assert 12 <= seconds < first_seconds + 0.5
    yunzhuo.weather.change_options(ready_seconds=1)
    assert looks_and_seconds()[1] < 3, "a boot that is much faster is noticed soon"


@pytest.mark.slow
def test_a_desktop_whose_port_stays_down_says_so_while_it_waits_and_when_it_ends(tmp_path: Path) -> None:
    with installation(tmp_path / "home", operations={"create_deadline_seconds": 60}) as yunzhuo:
        lin = yunzhuo.person("lin")
        yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.UNPLUG))
        accepted = yunzhuo.request(lin)
        yunzhuo.run(seconds=15)
        assert _last_detail(yunzhuo, lin, accepted.operation.id) == "The system inside is starting."
        assert yunzhuo.weather.calls.count("networks.ports") == 0
        yunzhuo.run(seconds=15)
        assert "network port is down" in _last_detail(yunzhuo, lin, accepted.operation.id)
        yunzhuo.weather.faults.set(Fault(operation="networks.ports", kind=FaultKind.FAIL_BEFORE))
        yunzhuo.run(seconds=60)
        failure = yunzhuo.services.desktops.get(lin, accepted.desktop.id).failure
        assert failure is not None
        assert failure.code == "port_down"
        assert "did not get ready in time" in failure.message
        assert "network port is down" in failure.message
        asked = yunzhuo.weather.calls.count("networks.ports")
        assert yunzhuo.services.desktops.get(lin, yunzhuo.available(lin)).state is State.AVAILABLE
        assert yunzhuo.weather.calls.count("networks.ports") == asked, "whoever gets ready in time costs no look"


def test_a_machine_that_breaks_on_every_host_is_made_anew_on_the_next_wish(yunzhuo: Installation, lin: Actor) -> None:
    yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.BREAK, reason="no boot disk", count=2))
    desktop = yunzhuo.services.desktops.get(lin, yunzhuo.available(lin))
    assert desktop.state is State.ERROR
    assert desktop.failure is not None
    assert "no boot disk" in desktop.failure.message
    (broken,) = yunzhuo.cloud.servers.list()
    yunzhuo.services.desktops.act(lin, desktop.id, Action.CREATE)
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, desktop.id).state is State.AVAILABLE
    (whole,) = yunzhuo.cloud.servers.list()
    assert whole.id != broken.id


def test_another_worker_takes_over_a_dead_ones_step(yunzhuo: Installation, lin: Actor) -> None:
    accepted = yunzhuo.request(lin)
    engine = yunzhuo.services.engine
    claim = engine.claim(accepted.operation.id)  # a worker that dies right after its claim
    assert claim is not None
    assert engine.due() == []
    yunzhuo.pass_time(yunzhuo.settings.operations.lease_seconds - 0.01)
    assert engine.due() == []
    yunzhuo.pass_time(0.02)
    with services(yunzhuo.settings, clock=yunzhuo.clock, cloud=yunzhuo.cloud) as others:
        assert others.engine.due() == [accepted.operation.id]
        others.engine.advance(accepted.operation.id)
        # The first was not dead after all, only slow: what it brings is not written over the other's.
        engine.record_failure(claim, "late", "This comes too late.")
        assert others.desktops.operation(lin, accepted.operation.id).status is OperationStatus.RUNNING
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, accepted.desktop.id).state is State.AVAILABLE


def test_a_job_goes_on_with_what_is_due_at_once_but_not_for_ever(yunzhuo: Installation, lin: Actor) -> None:
    yunzhuo.weather.change_options(build_seconds=0, ready_seconds=0)
    yunzhuo.services.personal_disks.create(lin)
    yunzhuo.run()
    accepted = yunzhuo.request(lin)
    yunzhuo.services.engine.advance(accepted.operation.id)
    operation = yunzhuo.services.desktops.operation(lin, accepted.operation.id)
    assert [step.name for step in operation.steps[operation.position :]] == [Step.CONNECT_DISK], "others have their turn"
    assert yunzhuo.services.engine.due() == [accepted.operation.id]
    yunzhuo.services.engine.advance(accepted.operation.id)
    assert not yunzhuo.is_active(lin, accepted.operation.id)


def test_a_worker_that_dies_between_two_steps_of_a_job_holds_nothing(yunzhuo: Installation, lin: Actor) -> None:
    accepted = yunzhuo.request(lin)
    engine = yunzhuo.services.engine
    claim = engine.claim(accepted.operation.id)
    assert claim is not None
    assert engine.record_outcome(claim, perform(claim.step, yunzhuo.cloud, claim.subject)), "the next one is due at once"
    assert engine.due() == [accepted.operation.id]
    with services(yunzhuo.settings, clock=yunzhuo.clock, cloud=yunzhuo.cloud) as others:
        others.engine.advance(accepted.operation.id)
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, accepted.desktop.id).state is State.AVAILABLE
    assert yunzhuo.weather.calls.count("servers.create") == 1


def test_the_same_message_twice_is_harmless(yunzhuo: Installation, lin: Actor) -> None:
    accepted = yunzhuo.request(lin)
    for _ in range(4):
        yunzhuo.services.engine.advance(accepted.operation.id)
    assert len(yunzhuo.cloud.servers.list()) == 1
    yunzhuo.services.engine.advance("00000000-0000-0000-0000-000000000000")


def test_delete_supersedes_a_create_that_is_inside_its_call(yunzhuo: Installation, lin: Actor) -> None:
    accepted = yunzhuo.request(lin)
    engine = yunzhuo.services.engine
    claim = engine.claim(accepted.operation.id)
    assert claim is not None
    deletion = yunzhuo.services.desktops.act(lin, accepted.desktop.id, Action.DELETE).operation
    yunzhuo.run(seconds=5)
    assert yunzhuo.is_active(lin, deletion.id), "it waits for the call that may still make a server"
    engine.record_outcome(claim, perform(claim.step, yunzhuo.cloud, claim.subject))
    assert len(yunzhuo.cloud.servers.list()) == 1
    yunzhuo.run()
    assert yunzhuo.cloud.servers.list() == ()
    assert yunzhuo.services.desktops.operation(lin, accepted.operation.id).status is OperationStatus.CANCELLED
    assert yunzhuo.services.desktops.operation(lin, deletion.id).status is OperationStatus.SUCCEEDED


def test_delete_waits_for_a_dead_workers_lease_and_finds_what_it_made(yunzhuo: Installation, lin: Actor) -> None:
    accepted = yunzhuo.request(lin)
    claim = yunzhuo.services.engine.claim(accepted.operation.id)
    assert claim is not None
    perform(claim.step, yunzhuo.cloud, claim.subject)  # the server is there, and the worker died before it said so
    yunzhuo.services.desktops.act(lin, accepted.desktop.id, Action.DELETE)
    yunzhuo.run()
    assert yunzhuo.cloud.servers.list() == ()
    with pytest.raises(NotFound):
        yunzhuo.services.desktops.get(lin, accepted.desktop.id)


def test_events_tell_every_change_in_order(yunzhuo: Installation, lin: Actor, mei: Actor) -> None:
    before = yunzhuo.services.events.latest_id()
    desktop_id = yunzhuo.available(lin)
    events = yunzhuo.services.events.after(before)
    states = [event.data["state"] for event in events if event.object_id == desktop_id]
    assert states[0] == "building"
    assert states[-1] == "available"
    assert [event.id for event in events] == sorted(event.id for event in events)
    assert yunzhuo.services.events.missed_by(mei, before) == []
    assert len(yunzhuo.services.events.missed_by(lin, before)) == len(events)


def test_the_reconciler_sees_what_happened_behind_our_back(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    (server,) = yunzhuo.cloud.servers.list()
    yunzhuo.weather.disturb.kill(server.id)
    yunzhuo.services.reconciler.round()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.STOPPED
    yunzhuo.cloud.servers.start(server.id)
    yunzhuo.pass_time(5)
    yunzhuo.services.reconciler.round()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE


def test_one_list_call_a_round(yunzhuo: Installation, lin: Actor) -> None:
    for _ in range(5):
        yunzhuo.request(lin)
    yunzhuo.run()
    before = yunzhuo.weather.calls.last_id()
    yunzhuo.services.reconciler.round()
    assert [call.operation for call in yunzhuo.weather.calls.list(after_id=before)] == ["servers.list"]


def test_missing_once_is_not_missing(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.weather.faults.set(Fault(operation="servers.list", kind=FaultKind.FORGET, count=1))
    yunzhuo.services.reconciler.round()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE
    yunzhuo.services.reconciler.round()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE
    (server,) = yunzhuo.cloud.servers.list()
    yunzhuo.weather.disturb.delete(server.id)
    yunzhuo.services.reconciler.round()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE
    yunzhuo.services.reconciler.round()
    gone = yunzhuo.services.desktops.get(lin, desktop_id)
    assert gone.state is State.ERROR
    assert gone.actions == {Action.DELETE}


def test_what_a_crash_left_behind_is_removed_and_strangers_are_not(yunzhuo: Installation, lin: Actor) -> None:
    from yunzhuo.phoenix.cloud.resources import ServerRequest

    desktop_id = yunzhuo.available(lin)
    (server,) = yunzhuo.cloud.servers.list()
    yunzhuo.services.desktops.act(lin, desktop_id, Action.DELETE)
    yunzhuo.run()
    for tag in (desktop_id, "11111111-2222-4333-8444-555555555555"):
        yunzhuo.cloud.servers.create(ServerRequest(tag, "ghost", "ghost", server.image_id, server.flavor_id))
    yunzhuo.services.reconciler.round()
    yunzhuo.services.reconciler.round()
    assert len(yunzhuo.cloud.servers.list()) == 2, "never at first sight"
    yunzhuo.pass_time(yunzhuo.settings.reconcile.leftover_seconds)
    yunzhuo.services.reconciler.round()
    yunzhuo.pass_time(1)
    (stranger,) = yunzhuo.cloud.servers.list()
    assert stranger.desktop_id == "11111111-2222-4333-8444-555555555555"
    assert stranger.status is ServerStatus.RUNNING


def test_a_message_that_gets_lost_costs_time_only(yunzhuo: Installation, lin: Actor) -> None:
    accepted = yunzhuo.request(lin)  # nobody reads the queue's folder in this test
    assert yunzhuo.services.engine.due(grace=timedelta(seconds=0.5)) == []
    yunzhuo.pass_time(0.6)
    assert yunzhuo.services.engine.due(grace=timedelta(seconds=0.5)) == [accepted.operation.id]


def test_a_cloud_that_forgets_a_server_for_a_moment_is_asked_again(yunzhuo: Installation, lin: Actor) -> None:
    yunzhuo.weather.faults.set(Fault(operation="servers.get", kind=FaultKind.FORGET, count=2))
    desktop_id = yunzhuo.available(lin)
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE


def test_a_server_that_stays_away_is_believed_to_be_gone(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.weather.disturb.delete(yunzhuo.cloud.servers.list()[0].id)
    accepted = yunzhuo.services.desktops.act(lin, desktop_id, Action.STOP)
    asked_before = yunzhuo.weather.calls.count("servers.stop")
    yunzhuo.run(seconds=30)
    operation = yunzhuo.services.desktops.operation(lin, accepted.operation.id)
    assert operation.error is not None
    assert operation.error.code == "server_not_found"
    assert 1 < yunzhuo.weather.calls.count("servers.stop") - asked_before < 8


def test_time_spent_waiting_for_a_worker_is_not_counted_against_the_deadline(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.request(lin).desktop.id
    yunzhuo.pass_time(3600)
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE
    yunzhuo.services.desktops.act(lin, desktop_id, Action.STOP)
    yunzhuo.pass_time(3600)
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.STOPPED


def test_what_is_overdue_is_woken_and_not_at_every_look(yunzhuo: Installation, lin: Actor) -> None:
    yunzhuo.request(lin)
    messages = yunzhuo.settings.home / "queue" / "messages"
    waker = Waker(yunzhuo.services.engine, yunzhuo.services.health)
    for file in messages.iterdir():
        file.unlink()  # as if it got lost
    for _ in range(3):
        waker.wake_due()
    assert list(messages.iterdir()) == [], "not overdue yet"
    yunzhuo.pass_time(GRACE.total_seconds() + 0.1)
    for _ in range(3):
        waker.wake_due()
    assert len(list(messages.iterdir())) == 1


def test_while_workers_do_not_keep_up_only_what_is_overdue_for_long_is_woken(yunzhuo: Installation, lin: Actor) -> None:
    yunzhuo.request(lin)
    messages = yunzhuo.settings.home / "queue" / "messages"
    assert yunzhuo.services.health.backlog() == len(list(messages.iterdir())) == 1
    yunzhuo.pass_time(GRACE.total_seconds() + 0.1)
    Waker(yunzhuo.services.engine, yunzhuo.services.health).wake_due()
    assert len(list(messages.iterdir())) == 1, "its message is there"
    yunzhuo.pass_time(LATE_SECONDS)
    waker = Waker(yunzhuo.services.engine, yunzhuo.services.health)
    for _ in range(3):
        waker.wake_due()
    assert len(list(messages.iterdir())) == 2, "late rather than never"


def _last_detail(yunzhuo: Installation, actor: Actor, operation_id: str) -> str:
    begun = [step for step in yunzhuo.services.desktops.operation(actor, operation_id).steps if step.detail]
    return begun[-1].detail or ""
