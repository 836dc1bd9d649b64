"""Schedules: due work in the database, taken once by any number of schedulers, late rather than never."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.installation import Installation
from tests.support.pools import make_pool, settle

from yunzhuo.phoenix.cloud.resources import ConsoleProtocol
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, NotFound
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.access import installation as itself
from yunzhuo.services.assembly import services
from yunzhuo.services.first_start import gateway_key_file
from yunzhuo.services.rules.lifecycle import State
from yunzhuo.services.rules.pools import Kind
from yunzhuo.services.rules.schedules import Deed, RunStatus, SubjectKind
from yunzhuo.services.schedules import ScheduleWish
from yunzhuo.services.timer_beats import Beat

pytestmark = pytest.mark.slow


def evening(subject_id: str, **changes: object) -> ScheduleWish:
    """Off at ten at night, in Berlin."""
    wish: dict[str, object] = {
        "name": "Evening",
        "rule": "0 22 * * *",
        "action": Deed.STOP,
        "subject_kind": SubjectKind.POOL,
        "subject_id": subject_id,
        "time_zone": "Europe/Berlin",
    }
    return ScheduleWish(**{**wish, **changes})  # type: ignore[arg-type]  # the fields are the wish's own


@pytest.fixture
def pool_id(yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor) -> str:
    """A pool of which two people have a desktop, and one stands ready."""
    made = make_pool(yunzhuo, boss, members=[lin, mei], kind=Kind.DEDICATED, capacity=5, spares=1)
    settle(yunzhuo)
    for person in (lin, mei):
        yunzhuo.services.claims.claim(person, made)
    settle(yunzhuo)
    return made


def states(yunzhuo: Installation, people: Sequence[Actor]) -> list[State]:
    return [yunzhuo.services.desktops.list(each).items[0].state for each in people]


def until(yunzhuo: Installation, moment: datetime) -> None:
    """It becomes this time, and whoever is due is served."""
    yunzhuo.clock.set(moment)
    yunzhuo.services.schedule_keeper.round()
    settle(yunzhuo, rounds=2)


def test_desktops_are_stopped_and_started_and_spares_left_alone(
    yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor, pool_id: str
) -> None:
    stop = yunzhuo.services.schedules.create(boss, evening(pool_id))
    assert stop.next_at == datetime(2026, 3, 2, 21, tzinfo=UTC), "ten at night in Berlin's winter"
    start = evening(pool_id, name="Morning", rule="0 7 * * 1-5", action=Deed.START)
    yunzhuo.services.schedules.create(boss, start)
    until(yunzhuo, datetime(2026, 3, 2, 20, 59, 59, tzinfo=UTC))
    assert states(yunzhuo, [lin, mei]) == [State.AVAILABLE] * 2
    until(yunzhuo, datetime(2026, 3, 2, 21, 0, 1, tzinfo=UTC))
    assert states(yunzhuo, [lin, mei]) == [State.STOPPED] * 2
    assert yunzhuo.services.pools.get(boss, pool_id).counts.ready == 1
    (run,) = yunzhuo.services.schedules.runs(boss, stop.id)
    assert (run.status, run.begun, run.untouched, run.refused) == (RunStatus.SUCCEEDED, 2, 0, 0)
    assert run.late_seconds == 1
    until(yunzhuo, datetime(2026, 3, 3, 6, 0, 1, tzinfo=UTC))
    assert states(yunzhuo, [lin, mei]) == [State.AVAILABLE] * 2
    assert yunzhuo.services.schedules.get(boss, stop.id).next_at == datetime(2026, 3, 3, 21, tzinfo=UTC)


def test_who_is_connected_is_left_alone_unless_said(
    yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor, pool_id: str
) -> None:
    gateway = yunzhuo.services.gateways.gateway_id(gateway_key_file(yunzhuo.settings).read_text().strip())
    desktop = yunzhuo.services.desktops.list(lin).items[0]
    ticket = yunzhuo.services.consoles.open(lin, desktop.id, ConsoleProtocol.VNC).ticket
    yunzhuo.services.consoles.redeem(gateway, ticket, client_address="192.0.2.7")
    gentle = yunzhuo.services.schedules.create(boss, evening(pool_id))
    until(yunzhuo, datetime(2026, 3, 2, 21, tzinfo=UTC))
    assert states(yunzhuo, [lin, mei]) == [State.AVAILABLE, State.STOPPED]
    assert yunzhuo.services.schedules.runs(boss, gentle.id)[0].untouched == 1
    strict = yunzhuo.services.schedules.create(boss, evening(pool_id, name="Strict", leaves_connected=False))
    yunzhuo.services.schedules.run(boss, strict.id)
    until(yunzhuo, yunzhuo.clock.now())
    assert states(yunzhuo, [lin, mei]) == [State.STOPPED] * 2


def test_late_rather_than_never_in_the_order_in_which_it_was_due(
    yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor, pool_id: str
) -> None:
    stop = yunzhuo.services.schedules.create(boss, evening(pool_id))
    start = yunzhuo.services.schedules.create(
        boss, evening(pool_id, name="Morning", rule="0 7 * * *", action=Deed.START, catch_up_minutes=60)
    )
    # No scheduler from the afternoon until half past seven: the stop is done late, then the start.
    until(yunzhuo, datetime(2026, 3, 3, 6, 30, tzinfo=UTC))
    until(yunzhuo, datetime(2026, 3, 3, 6, 31, tzinfo=UTC))
    stopped, started = (yunzhuo.services.schedules.runs(boss, each.id)[0] for each in (stop, start))
    assert (stopped.status, stopped.late_seconds) == (RunStatus.SUCCEEDED, 9.5 * 3600)
    assert (started.status, started.late_seconds) == (RunStatus.SUCCEEDED, 30 * 60)
    # Away for two days and a half: what is too late is told, and not done.
    until(yunzhuo, datetime(2026, 3, 5, 12, tzinfo=UTC))
    missed = yunzhuo.services.schedules.runs(boss, start.id)[0]
    assert (missed.status, missed.due_at) == (RunStatus.MISSED, datetime(2026, 3, 4, 6, tzinfo=UTC))
    assert yunzhuo.services.schedules.get(boss, start.id).next_at == datetime(2026, 3, 6, 6, tzinfo=UTC)


def test_a_start_waits_for_the_stop_before_it(yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor, pool_id: str) -> None:
    """Both due at once, of one pool: what was due later counts."""
    yunzhuo.services.schedules.create(boss, evening(pool_id))
    start = evening(pool_id, name="Morning", rule="0 7 * * *", action=Deed.START)
    yunzhuo.services.schedules.create(boss, start)
    until(yunzhuo, datetime(2026, 3, 3, 6, 30, tzinfo=UTC))
    for _ in range(3):
        until(yunzhuo, yunzhuo.clock.now() + timedelta(minutes=1))
    assert states(yunzhuo, [lin, mei]) == [State.AVAILABLE] * 2


def test_several_schedulers_do_it_once(yunzhuo: Installation, boss: Actor, lin: Actor, pool_id: str) -> None:
    made = yunzhuo.services.schedules.create(boss, evening(pool_id))
    yunzhuo.clock.set(datetime(2026, 3, 2, 21, tzinfo=UTC))
    with services(yunzhuo.settings, clock=yunzhuo.clock, cloud=yunzhuo.cloud) as others:
        both = [yunzhuo.services.schedule_keeper, others.schedule_keeper]
        threads = [threading.Thread(target=each.round) for each in both * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    (run,) = yunzhuo.services.schedules.runs(boss, made.id)
    assert (run.status, run.begun) == (RunStatus.SUCCEEDED, 2)


def test_another_scheduler_goes_on_where_one_died(
    yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor, pool_id: str
) -> None:
    made = yunzhuo.services.schedules.create(boss, evening(pool_id))
    run = yunzhuo.services.schedules.run(boss, made.id)
    first = min(yunzhuo.services.desktops.list(each).items[0].id for each in (lin, mei))
    lease = (yunzhuo.clock.now() + timedelta(seconds=30)).strftime("%Y-%m-%d %H:%M:%S.%f")
    with yunzhuo.connection() as connection:
        connection.exec_driver_sql(
            f"UPDATE schedule_runs SET lease_owner = 'dead', lease_expires_at = '{lease}',"
            f" last_desktop_id = '{first}', begun = 1 WHERE id = '{run.id}'"
        )
    yunzhuo.services.schedule_keeper.round()
    assert yunzhuo.services.schedules.runs(boss, made.id)[0].status is RunStatus.RUNNING, "it may be alive"
    with pytest.raises(Conflict, match="already"):
        yunzhuo.services.schedules.run(boss, made.id)
    until(yunzhuo, yunzhuo.clock.now() + timedelta(seconds=31))
    (ended,) = yunzhuo.services.schedules.runs(boss, made.id)
    assert (ended.status, ended.begun) == (RunStatus.SUCCEEDED, 2)
    assert sorted(states(yunzhuo, [lin, mei])) == [State.AVAILABLE, State.STOPPED], (
        "the first one was dealt with by the dead one"
    )


def test_what_is_paused_is_not_done_nor_later(yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor, pool_id: str) -> None:
    made = yunzhuo.services.schedules.create(boss, evening(pool_id))
    paused = yunzhuo.services.schedules.pause(boss, made.id)
    assert (paused.is_paused, paused.next_at) == (True, None)
    changed = yunzhuo.services.schedules.change(boss, made.id, lambda wish: evening(pool_id, rule="0 23 * * *"))
    assert changed.next_at is None
    until(yunzhuo, datetime(2026, 3, 3, 12, tzinfo=UTC))
    assert states(yunzhuo, [lin, mei]) == [State.AVAILABLE] * 2
    resumed = yunzhuo.services.schedules.resume(boss, made.id)
    assert resumed.next_at == datetime(2026, 3, 3, 22, tzinfo=UTC)
    until(yunzhuo, yunzhuo.clock.now())
    assert yunzhuo.services.schedules.runs(boss) == []


def test_a_group_and_what_is_gone(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    yunzhuo.available(lin)
    group = yunzhuo.services.groups.create(boss, "Class 1")
    yunzhuo.services.groups.put_member(boss, group.id, lin.user_id)
    wish = evening(group.id, subject_kind=SubjectKind.GROUP, action=Deed.SUSPEND)
    made = yunzhuo.services.schedules.create(boss, wish)
    assert made.subject_name == "Class 1"
    until(yunzhuo, datetime(2026, 3, 2, 21, tzinfo=UTC))
    assert states(yunzhuo, [lin]) == [State.SUSPENDED]
    yunzhuo.services.groups.delete(boss, group.id)
    until(yunzhuo, datetime(2026, 3, 3, 21, tzinfo=UTC))
    failed = yunzhuo.services.schedules.runs(boss, made.id)[0]
    assert failed.status is RunStatus.FAILED
    assert failed.problem is not None
    assert yunzhuo.services.schedules.get(boss, made.id).subject_name is None


def test_wishes_that_are_refused(yunzhuo: Installation, boss: Actor, lin: Actor, pool_id: str) -> None:
    create = yunzhuo.services.schedules.create
    with pytest.raises(InvalidInput) as told:
        create(boss, evening(pool_id, name="", rule="0 25 * * *", time_zone="Moon", catch_up_minutes=0))
    assert set(told.value.fields) == {"name", "rule", "time_zone", "catch_up_minutes"}
    with pytest.raises(InvalidInput) as told:
        create(boss, evening(lin.user_id))
    assert set(told.value.fields) == {"subject"}
    made = create(boss, evening(pool_id))
    with pytest.raises(Conflict, match="name"):
        create(boss, evening(pool_id))
    elsewhere = itself(yunzhuo.services.organizations.create(itself(boss.organization_id), "elsewhere").id)
    with pytest.raises(NotFound):
        yunzhuo.services.schedules.get(elsewhere, made.id)
    with pytest.raises(InvalidInput):
        create(elsewhere, evening(pool_id))
    yunzhuo.services.schedules.run(boss, made.id)
    yunzhuo.services.schedules.delete(boss, made.id)
    yunzhuo.services.schedule_keeper.round()
    assert yunzhuo.services.schedules.list(boss) == []


def test_lateness_is_told(yunzhuo: Installation, boss: Actor, pool_id: str) -> None:
    operator = yunzhuo.person("root", Role.OPERATOR)
    made = yunzhuo.services.schedules.create(boss, evening(pool_id))
    now = datetime(2026, 3, 2, 20, 59, 59, tzinfo=UTC)
    yunzhuo.clock.set(now)
    beat = Beat("pools", 1.0, now + timedelta(seconds=1), 0.1, None, None)
    failing = Beat("mail", 10.0, now + timedelta(seconds=1), 0.1, "mail_unavailable", now)
    yunzhuo.services.timers.report([beat, failing])
    assert [each.is_late for each in yunzhuo.services.timers.list(operator)] == [False, False]
    assert yunzhuo.services.overview.look(operator).late_timers == ["mail"]
    yunzhuo.clock.set(datetime(2026, 3, 2, 21, 1, 2, tzinfo=UTC))
    assert yunzhuo.services.overview.look(operator).late_timers == ["mail", "pools"]
    assert yunzhuo.services.overview.counts(operator)["timers_late"] == 2
    found = yunzhuo.services.overview.look(boss)
    assert (found.late_timers, found.late_schedules, found.is_well) == ([], ["Evening"], False)
    assert yunzhuo.services.schedules.get(boss, made.id).is_late
    with services(yunzhuo.settings, clock=yunzhuo.clock, cloud=yunzhuo.cloud) as others:
        others.timers.report([Beat("pools", 1.0, yunzhuo.clock.now(), 0.1, None, None)])
        (view,) = [each for each in yunzhuo.services.timers.list(operator) if each.name == "pools"]
        assert (view.schedulers, view.is_late) == (2, False), "one that keeps time is enough"
        others.timers.leave()
    yunzhuo.services.timers.leave()
    assert yunzhuo.services.timers.list(operator) == []
