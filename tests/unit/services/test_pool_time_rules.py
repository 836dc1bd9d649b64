"""Figures of how long desktops take, and the day as a pool's clocks count it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.rules import pool_times
from yunzhuo.services.rules.lifecycle import Step
from yunzhuo.services.rules.pool_times import Spread, WaitPhase

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ZONES = ["UTC", "Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Pacific/Kiritimati"]


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=200))
def test_half_is_not_above_the_middle_and_95_percent_not_above_the_high(values: list[float]) -> None:
    found = pool_times.spread(values)
    assert found is not None
    for figure, part in ((found.median, 0.5), (found.high, 0.95)):
        assert figure in values
        assert sum(value <= figure for value in values) >= part * len(values)
        assert sum(value < figure for value in values) < part * len(values)
    assert found.count == len(values)


def test_of_nothing_there_is_no_figure() -> None:
    assert pool_times.spread([]) is None
    assert pool_times.share_within([], 5) is None
    assert pool_times.share_within([1.0], None) is None
    assert pool_times.share_within([1.0, 5.0, 5.1, 9.0], 5) == 0.5
    assert pool_times.spread([3.0]) == Spread(3.0, 3.0, 1)


def test_phases_are_what_lies_between_the_steps() -> None:
    ended = {Step.RESERVE: AT, Step.SERVER: after(5), Step.RUNNING: after(9), Step.READY: after(20)}
    found = pool_times.phases(AT, after(3), ended)
    assert found == {WaitPhase.QUEUE: 3, WaitPhase.BUILD: 2, WaitPhase.BOOT: 4, WaitPhase.READY: 11}
    assert pool_times.phases(AT, None, {Step.SERVER: after(5), Step.READY: after(9)}) == {
        WaitPhase.QUEUE: 0,
        WaitPhase.BUILD: 5,
    }


def test_nobody_waits_for_what_stood_ready() -> None:
    assert pool_times.waited(after(9), AT) == 0
    assert pool_times.waited(AT, after(9)) == 9


@given(st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001 # their zone is given
def test_everybody_who_samples_within_five_minutes_means_the_same_moment(now: datetime) -> None:
    slot = pool_times.slot_of(now)
    assert slot <= now < slot + timedelta(minutes=5)
    assert (slot.minute % 5, slot.second, slot.microsecond) == (0, 0, 0)
    assert pool_times.slot_of(slot) == slot


@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 # their zone is given
    st.sampled_from(ZONES),
)
def test_a_day_is_from_midnight_to_midnight(now: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    begin, end = pool_times.day_of(now, zone)
    assert begin <= now < end
    assert begin.astimezone(zone).date() == now.astimezone(zone).date()
    assert {each.astimezone(zone).time().isoformat() for each in (begin, end)} == {"00:00:00"}


@pytest.mark.parametrize(("month", "day", "hours"), [(3, 29, 23), (10, 25, 25), (6, 1, 24)])
def test_days_on_which_the_clocks_change_are_shorter_and_longer(month: int, day: int, hours: int) -> None:
    begin, end = pool_times.day_of(datetime(2026, month, day, 12, 0, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
    assert end - begin == timedelta(hours=hours)
