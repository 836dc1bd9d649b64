"""Desktops that nobody uses: their people are told, then they are switched off; working guests and spares never are."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.installation import Installation, installation
from tests.support.pools import make_pool, settle

from yunzhuo.phoenix.cloud.resources import ConsoleProtocol
from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.services.access import Actor
from yunzhuo.services.first_start import gateway_key_file
from yunzhuo.services.rules.idle import IdleDeed, Terms
from yunzhuo.services.rules.lifecycle import State
from yunzhuo.services.rules.pools import Kind
from yunzhuo.services.rules.schedules import Deed as ScheduleDeed
from yunzhuo.services.rules.schedules import SubjectKind
from yunzhuo.services.schedules import ScheduleWish
from yunzhuo.services.screens import Standing

pytestmark = pytest.mark.slow


@pytest.fixture
def yunzhuo(tmp_path: Path) -> Iterator[Installation]:
    mail = {"host": "127.0.0.1", "port": 9, "security": "none", "sender": "yunzhuo@school.local"}
    with installation(tmp_path / "home", mail=mail) as installed:
        yield installed


def minutes(yunzhuo: Installation, count: int, *, screen: str | None = None) -> None:
    """Time goes by, minute by minute, as the scheduler sees it; the gateway of an open screen reports that nobody types."""
    for _ in range(count):
        yunzhuo.pass_time(60)
        if screen is not None:
            gateway_id, session_id, opened = screen.split(" ")
            idle_seconds = yunzhuo.clock.now().timestamp() - float(opened)
            yunzhuo.services.screens.report(gateway_id, [Standing(session_id, 0, 0, idle_seconds, None, 0)])
        yunzhuo.services.idle_keeper.round()
    yunzhuo.run()


def connect(yunzhuo: Installation, person: Actor, desktop_id: str) -> str:
    """Somebody opens the screen; answers what its gateway knows of it."""
    services = yunzhuo.services
    opened = services.consoles.open(person, desktop_id, ConsoleProtocol.VNC)
    gateway = services.gateways.gateway_id(gateway_key_file(yunzhuo.settings).read_text().strip())
    session = services.consoles.redeem(gateway, opened.ticket, client_address="192.0.2.9")
    return f"{gateway} {session.session_id} {yunzhuo.clock.now().timestamp()}"


def state(yunzhuo: Installation, person: Actor, desktop_id: str) -> State:
    return yunzhuo.services.desktops.get(person, desktop_id).state


def server(yunzhuo: Installation, desktop_id: str) -> str:
    found = yunzhuo.cloud.servers.find(desktop_id)
    assert found is not None
    return found.id


def test_whom_nobody_is_connected_to_is_told_and_switched_off(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    yunzhuo.services.idle.put(boss, boss.organization_id, Terms(disconnected_minutes=30, notice_minutes=10))
    desktop_id = yunzhuo.available(lin)
    minutes(yunzhuo, 29)
    assert yunzhuo.services.desktops.get(lin, desktop_id).idle_until is None
    minutes(yunzhuo, 2)
    until = yunzhuo.services.desktops.get(lin, desktop_id).idle_until
    assert until is not None
    assert timedelta(minutes=8) <= until - yunzhuo.clock.now() <= timedelta(minutes=10)
    assert "desktop_idle" in yunzhuo.everything_stored()  # the letter
    # Whoever opens it has it as long as they look at it; then all begins anew.
    screen = connect(yunzhuo, lin, desktop_id)
    minutes(yunzhuo, 20, screen=screen)
    assert state(yunzhuo, lin, desktop_id) is State.AVAILABLE
    assert yunzhuo.services.desktops.get(lin, desktop_id).idle_until is None
    gateway_id, session_id, _ = screen.split(" ")
    yunzhuo.services.consoles.end_session(gateway_id, session_id, bytes_in=0, bytes_out=0, reason="closed")
    minutes(yunzhuo, 38)
    assert state(yunzhuo, lin, desktop_id) is State.AVAILABLE
    minutes(yunzhuo, 4)
    assert state(yunzhuo, lin, desktop_id) is State.STOPPED
    assert yunzhuo.services.desktops.get(lin, desktop_id).idle_until is None


def test_whoever_gives_no_input_is_told_on_the_screen_which_is_closed(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    yunzhuo.services.idle.put(boss, boss.organization_id, Terms(no_input_minutes=20, notice_minutes=5))
    desktop_id = yunzhuo.available(lin)
    screen = connect(yunzhuo, lin, desktop_id)
    minutes(yunzhuo, 22, screen=screen)
    (told,) = yunzhuo.weather.messages(server(yunzhuo, desktop_id))
    assert "Nobody uses this screen" in told
    gateway_id, session_id, _ = screen.split(" ")
    assert yunzhuo.services.screens.withdrawn(gateway_id) == {}
    minutes(yunzhuo, 5, screen=screen)
    assert yunzhuo.services.screens.withdrawn(gateway_id) == {session_id: "idle"}
    assert state(yunzhuo, lin, desktop_id) is State.AVAILABLE


def test_a_long_computation_keeps_a_desktop(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    rules = Terms(disconnected_minutes=10, disconnected_deed=IdleDeed.SUSPEND, notice_minutes=5, busy_percent=20)
    yunzhuo.services.idle.put(boss, boss.organization_id, rules)
    desktop_id = yunzhuo.available(lin)
    yunzhuo.weather.disturb.load(server(yunzhuo, desktop_id), 80)
    minutes(yunzhuo, 60)
    assert state(yunzhuo, lin, desktop_id) is State.AVAILABLE
    yunzhuo.weather.disturb.load(server(yunzhuo, desktop_id), 1)
    minutes(yunzhuo, 20)
    assert state(yunzhuo, lin, desktop_id) is State.SUSPENDED


def test_spares_stay_and_the_hours_and_a_pools_own_rules_count(
    yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor
) -> None:
    services = yunzhuo.services
    services.idle.put(boss, boss.organization_id, Terms(disconnected_minutes=10, notice_minutes=1))
    # It is Monday, 8 o'clock.
    pool_id = make_pool(yunzhuo, boss, members=[lin], kind=Kind.DEDICATED, capacity=4, spares=1, hours=["mon 08:00-10:00 2"])
    services.idle.put(boss, pool_id, Terms(disconnected_minutes=600, closed_minutes=5, notice_minutes=1))
    settle(yunzhuo)
    desktop_id = services.claims.claim(lin, pool_id).desktop.id
    other_id = yunzhuo.available(mei)
    settle(yunzhuo)
    minutes(yunzhuo, 60)
    assert (state(yunzhuo, lin, desktop_id), state(yunzhuo, mei, other_id)) == (State.AVAILABLE, State.STOPPED)
    minutes(yunzhuo, 70)
    assert state(yunzhuo, lin, desktop_id) is State.STOPPED
    settle(yunzhuo)
    assert services.pools.get(boss, pool_id).counts.ready == 1
    services.idle.drop(boss, pool_id)
    assert [each.is_set for each in services.idle.list(boss)] == [True, False]
    with pytest.raises(NotFound):
        services.idle.put(boss, other_id, Terms())


def test_a_desktop_of_nobody_is_switched_off(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    yunzhuo.services.idle.put(boss, boss.organization_id, Terms(unassigned_minutes=15))
    desktop_id = yunzhuo.available(lin)
    minutes(yunzhuo, 60)
    assert state(yunzhuo, boss, desktop_id) is State.AVAILABLE
    yunzhuo.services.people.disable(boss, lin.user_id)
    minutes(yunzhuo, 14)
    assert state(yunzhuo, boss, desktop_id) is State.AVAILABLE
    minutes(yunzhuo, 3)
    assert state(yunzhuo, boss, desktop_id) is State.STOPPED


def test_a_start_is_begun_so_early_that_all_are_ready_and_a_stop_for_everybody_is_told(
    yunzhuo: Installation, boss: Actor, lin: Actor
) -> None:
    services = yunzhuo.services
    pool_id = make_pool(yunzhuo, boss, members=[lin], kind=Kind.DEDICATED, capacity=3, spares=0)
    desktop_id = services.claims.claim(lin, pool_id).desktop.id
    settle(yunzhuo)
    bell = (yunzhuo.clock.now() + timedelta(minutes=20)).replace(second=0, microsecond=0)
    rule = f"{bell.minute} {bell.hour} * * *"
    wish = ScheduleWish("Off", rule, ScheduleDeed.STOP, SubjectKind.POOL, pool_id, leaves_connected=False)
    off = services.schedules.create(boss, wish)
    connect(yunzhuo, lin, desktop_id)
    for early, count in ((6, 0), (4, 1), (3, 1)):
        yunzhuo.clock.set(bell - timedelta(minutes=early))
        services.schedule_warner.round()
        assert len(yunzhuo.weather.messages(server(yunzhuo, desktop_id))) == count
    assert "switched off or suspended at 2026-03-02" in yunzhuo.weather.messages(server(yunzhuo, desktop_id))[0]
    yunzhuo.clock.set(bell)
    services.schedule_keeper.round()
    settle(yunzhuo)
    assert state(yunzhuo, lin, desktop_id) is State.STOPPED
    services.schedules.delete(boss, off.id)
    bell += timedelta(hours=1)
    rule = f"{bell.minute} {bell.hour} * * *"
    on = services.schedules.create(boss, ScheduleWish("On", rule, ScheduleDeed.START, SubjectKind.POOL, pool_id))
    # No start was seen yet: a minute is taken for one.
    for early, begun in ((70, 0), (55, 1)):
        yunzhuo.clock.set(bell - timedelta(seconds=early))
        services.schedule_keeper.round()
        assert len(services.schedules.runs(boss, on.id)) == begun
    settle(yunzhuo)
    assert yunzhuo.clock.now() < bell
    assert state(yunzhuo, lin, desktop_id) is State.AVAILABLE
    (run,) = services.schedules.runs(boss, on.id)
    assert (run.due_at, run.late_seconds, run.begun) == (bell, 0, 1)
    assert services.schedules.get(boss, on.id).next_at == bell + timedelta(days=1)
