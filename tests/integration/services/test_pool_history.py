"""What a pool did today, and how long people wait: from what operations and screens record."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.installation import Installation, installation
from tests.support.pools import make_pool, settle

from yunzhuo.phoenix.cloud.resources import ConsoleProtocol
from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.services.access import Actor
from yunzhuo.services.first_start import gateway_key_file
from yunzhuo.services.rules.pool_times import WaitPhase
from yunzhuo.web.portal.pool_pictures import day_picture

pytestmark = pytest.mark.slow


@pytest.fixture
def yunzhuo(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path / "home") as installed:
        yield installed


def test_a_day_is_sampled_once_for_each_five_minutes_and_forgotten(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    yunzhuo.clock.set(datetime(2026, 3, 2, 15, 58, tzinfo=UTC))  # two minutes before midnight in Shanghai
    pool_id = make_pool(yunzhuo, boss, members=[lin], capacity=4, spares=2, time_zone="Asia/Shanghai")
    history = yunzhuo.services.pool_history
    history.sample()
    settle(yunzhuo)
    yunzhuo.clock.set(datetime(2026, 3, 2, 16, 1, tzinfo=UTC))
    history.sample()
    yunzhuo.services.claims.claim(lin, pool_id)
    history.sample()  # the same five minutes
    yunzhuo.pass_time(300)
    history.sample()
    day = history.today(boss, pool_id)
    assert (day.begins_at, day.ends_at - day.begins_at) == (datetime(2026, 3, 2, 16, 0, tzinfo=UTC), timedelta(days=1))
    assert [(each.in_use, each.ready, each.coming) for each in day.samples] == [(0, 2, 0), (1, 1, 0)]
    assert day.samples[1].at == datetime(2026, 3, 2, 16, 5, tzinfo=UTC)
    yunzhuo.pass_time(timedelta(days=3, minutes=-1).total_seconds())
    assert history.forget_old() == 2  # and not those of the last three days
    stranger = replace(boss, organization_id="elsewhere")
    for look in (history.today, history.times):
        with pytest.raises(NotFound):
            look(stranger, pool_id)


def test_a_curve_has_steps_gaps_words_and_a_row_for_each_hour(yunzhuo: Installation, boss: Actor) -> None:
    pool_id = make_pool(yunzhuo, boss, capacity=4, spares=2)
    history = yunzhuo.services.pool_history
    for minutes, settled in ((1, False), (5, True), (55, False)):  # nobody looked for a while
        if settled:
            settle(yunzhuo)
        yunzhuo.pass_time(60 * minutes)
        history.sample()
    picture = day_picture(history.today(boss, pool_id))
    assert (picture.top, picture.capacity_y) == (4, 0.0)
    assert [(each.label, each.in_use, each.ready, each.coming) for each in picture.rows] == [
        ("08:00", 0, 0, 0),
        ("09:00", 0, 2, 0),
    ]
    by_name = {each.name: each.path for each in picture.areas}
    assert by_name["ready"].count("M") == 2
    assert "80.0" in by_name["ready"]  # two of four are half of the height
    assert [each.label for each in picture.marks] == ["06:00", "12:00", "18:00"]
    assert [each.percent for each in picture.marks] == [25.0, 50.0, 75.0]


def test_times_are_told_by_phase_and_against_the_goal(yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor) -> None:
    pool_id = make_pool(yunzhuo, boss, members=[lin, mei], capacity=3, spares=1)
    nothing = yunzhuo.services.pool_history.times(boss, pool_id)
    assert set(nothing.phases.values()) == {None}
    assert (nothing.making, nothing.waiting, nothing.within_goal) == (None, None, None)
    yunzhuo.services.pool_keeper.round()
    yunzhuo.pass_time(7)  # nobody works
    settle(yunzhuo)
    ready = yunzhuo.services.claims.claim(lin, pool_id).desktop.id
    yunzhuo.services.claims.claim(mei, pool_id)  # built for her
    yunzhuo.pass_time(20)
    settle(yunzhuo)
    gateway_id = yunzhuo.services.gateways.gateway_id(gateway_key_file(yunzhuo.settings).read_text().strip())
    ticket = yunzhuo.services.consoles.open(lin, ready, ConsoleProtocol.VNC).ticket
    yunzhuo.pass_time(2)
    yunzhuo.services.consoles.redeem(gateway_id, ticket, client_address="192.0.2.7")
    yunzhuo.services.pools.change(boss, pool_id, lambda wish: replace(wish, goal_seconds=5))
    told = yunzhuo.services.pool_history.times(boss, pool_id)
    build, picture = told.phases[WaitPhase.BUILD], told.phases[WaitPhase.PICTURE]
    assert build is not None
    assert picture is not None
    assert build.high >= 7
    assert (picture.median, picture.count) == (2, 1)
    assert told.making is not None
    assert told.making.high >= 7
    assert told.waiting is not None
    assert (told.waiting.median, told.waiting.count) == (0, 2)  # one stood ready
    assert told.waiting.high >= 20
    assert (told.goal_seconds, told.within_goal) == (5, 0.5)
