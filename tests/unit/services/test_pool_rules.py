"""How many spares there should be: never too many, never too few while there is room, never out of somebody's hands."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.rules import pools
from yunzhuo.services.rules.pools import Counts, Plan, Window

NUMBER = st.integers(0, 12)
counts = st.builds(Counts, ready=NUMBER, coming=NUMBER, in_use=NUMBER, leaving=NUMBER, broken=NUMBER, lost=NUMBER)
windows = st.builds(
    Window,
    days=st.frozensets(st.integers(0, 6), min_size=1),
    from_minute=st.integers(0, 24 * 60),
    to_minute=st.integers(0, 24 * 60),
    spares=st.integers(0, 9999),
)
ZONES = ["UTC", "Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Pacific/Kiritimati"]
moments = st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 # their zone is given


@given(NUMBER, st.integers(0, 40), counts, st.integers(1, 20))
def test_what_is_built_fits_and_is_wanted(wanted: int, capacity: int, now: Counts, at_once: int) -> None:
    plan = pools.plan(wanted, capacity, now, at_once=at_once)
    assert 0 <= plan.build <= at_once
    if plan.build:
        assert now.there + plan.build <= capacity
        assert now.ready + now.coming + now.broken + plan.build <= wanted
        assert plan == Plan(build=plan.build)  # nothing is removed with the other hand


@given(NUMBER, st.integers(0, 40), counts, st.integers(1, 20))
def test_the_wanted_spares_are_never_culled(wanted: int, capacity: int, now: Counts, at_once: int) -> None:
    plan = pools.plan(wanted, capacity, now, at_once=at_once)
    assert 0 <= plan.remove_coming <= now.coming
    assert 0 <= plan.remove_ready <= now.ready
    left = now.ready + now.coming - plan.remove_ready - plan.remove_coming
    if plan.remove_ready or plan.remove_coming:
        # So many are left as are wanted, or as have room beside those in somebody's hands.
        assert left == max(0, min(wanted, capacity - now.in_use - now.leaving))
    if plan.remove_ready:  # what nobody could be given yet goes first
        assert plan.remove_coming == now.coming


@given(NUMBER, st.integers(0, 40), counts)
def test_rounds_come_to_rest_at_what_is_wanted(wanted: int, capacity: int, now: Counts) -> None:
    for _ in range(100):
        plan = pools.plan(wanted, capacity, now, at_once=3)
        if plan == Plan():
            break
        # Everything that was begun ends well.
        ready = now.ready - plan.remove_ready + now.coming - plan.remove_coming + plan.build
        now = Counts(ready=ready, in_use=now.in_use, broken=now.broken, lost=now.lost)
    else:
        raise AssertionError("rounds go on for ever")
    if now.there == now.ready + now.coming + now.in_use <= capacity:
        assert now.ready + now.coming == min(wanted, capacity - now.in_use)


@given(st.lists(windows, max_size=5))
def test_hours_are_read_as_they_are_written(wanted: list[Window]) -> None:
    assert list(pools.windows_of(map(pools.line_of, wanted))) == wanted


@given(moments, st.sampled_from(ZONES), NUMBER, st.lists(windows, max_size=4))
def test_the_most_of_those_that_hold_counts(now: datetime, zone: str, otherwise: int, given_: list[Window]) -> None:
    told = pools.spares_wanted(now, ZoneInfo(zone), otherwise, given_)
    local = now.astimezone(ZoneInfo(zone))
    holding = [window.spares for window in given_ if window.holds(local)]
    assert told == (max(holding) if holding else otherwise)


@given(moments, st.sampled_from(ZONES), st.lists(windows, max_size=4))
def test_a_pool_is_open_while_something_is_to_stand_ready(now: datetime, zone: str, given_: list[Window]) -> None:
    is_open = pools.is_open(now, ZoneInfo(zone), given_)
    assert is_open is (not given_ or pools.spares_wanted(now, ZoneInfo(zone), 0, given_) > 0)


@given(counts, counts)
def test_what_two_images_have_together(one: Counts, other: Counts) -> None:
    both = one + other
    assert {name: getattr(both, name) for name in Counts.__slots__} == {
        name: getattr(one, name) + getattr(other, name) for name in Counts.__slots__
    }
    assert both.there == one.there + other.there


@given(moments, windows)
def test_a_window_and_the_rest_of_its_days_never_hold_together(now: datetime, window: Window) -> None:
    week = [now + timedelta(minutes=minute) for minute in range(0, 7 * 24 * 60, 7)]
    holding = sum(window.holds(moment) for moment in week)
    length = (window.to_minute - window.from_minute) % (24 * 60) or (24 * 60 if window.to_minute <= window.from_minute else 0)
    if window.to_minute - window.from_minute == 24 * 60:
        length = 24 * 60
    if 0 < window.from_minute < 24 * 60:
        assert abs(holding * 7 - length * len(window.days)) <= 7 * 2 * len(window.days)


@pytest.mark.parametrize(
    ("moment", "spares"),
    [
        (datetime(2026, 3, 27, 6, 30, tzinfo=UTC), 5),  # Friday 07:30 in Berlin, winter time
        (datetime(2026, 3, 27, 6, 29, tzinfo=UTC), 1),
        (datetime(2026, 3, 30, 5, 30, tzinfo=UTC), 5),  # Monday 07:30, summer time began in between
        (datetime(2026, 3, 30, 5, 29, tzinfo=UTC), 1),
        (datetime(2026, 3, 28, 9, 0, tzinfo=UTC), 1),  # Saturday
        (datetime(2026, 3, 30, 16, 0, tzinfo=UTC), 1),  # the end does not belong to it
    ],
)
def test_hours_follow_the_clocks_of_the_place(moment: datetime, spares: int) -> None:
    hours = pools.windows_of(["Mon-Fri 07:30-18:00 5"])
    assert pools.spares_wanted(moment, ZoneInfo("Europe/Berlin"), 1, hours) == spares


def test_a_night_belongs_to_the_day_it_begins_on() -> None:
    (night,) = pools.windows_of(["fri 22:00-02:00 3"])
    assert night.holds(datetime(2026, 3, 27, 23, 0, tzinfo=UTC))
    assert night.holds(datetime(2026, 3, 28, 1, 59, tzinfo=UTC))
    assert not night.holds(datetime(2026, 3, 28, 2, 0, tzinfo=UTC))
    assert not night.holds(datetime(2026, 3, 27, 1, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    "line",
    [
        *("mon", "mon 07:30", "mon 07:30-18:00", "mon 7:30-18:00 5", "mon 07:30-24:01 5", "mon 07:60-18:00 5"),
        *("foo 07:30-18:00 5", "mon- 07:30-18:00 5", "mon-foo 07:30-18:00 5", "mon, 07:30-18:00 5", "mon 07:30-18:00 -5"),
    ],
)
def test_what_is_no_window_is_named(line: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        pools.windows_of(["daily 00:00-24:00 1", line])
    assert line in refused.value.fields["hours"] or refused.value.fields["hours"].endswith("is no time of day.")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("mon 7:30-18:00 5", "“mon 7:30-18:00 5” is not like “mon-fri 07:30-18:00 5”."),
        ("foo 07:30-18:00 5", "In “foo 07:30-18:00 5”, days are mon, tue, wed, thu, fri, sat, sun, or daily."),
        ("mon 07:60-18:00 5", "In “mon 07:60-18:00 5”, 07:60 is no time of day."),
        ("mon 07:30-24:01 5", "In “mon 07:30-24:01 5”, 24:01 is no time of day."),
        ("mon " + "x" * 90, f"“mon {'x' * 56}” is not like “mon-fri 07:30-18:00 5”."),
    ],
)
def test_what_is_wrong_with_a_line(line: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        pools.windows_of([line])
    assert refused.value.message == "The hours are not valid."
    assert refused.value.fields == {"hours": told}


def test_how_many_lines_there_may_be() -> None:
    lines = ["", "  ", *["daily 00:00-24:00 1"] * 20]
    assert len(pools.windows_of(lines)) == 20
    with pytest.raises(InvalidInput) as refused:
        pools.windows_of([*lines, "daily 00:00-24:00 1"])
    assert refused.value.fields == {"hours": "At most 20 lines."}


@pytest.mark.parametrize(
    ("line", "written"),
    [
        (" MON-fri 07:30-18:00 5 ", "mon-fri 07:30-18:00 5"),
        ("sat,sun 10:00-14:00 001", "sat,sun 10:00-14:00 1"),
        ("mon,wed,fri 00:00-24:00 0", "mon,wed,fri 00:00-24:00 0"),
        ("fri-mon 22:00-06:05 12", "mon,fri,sat,sun 22:00-06:05 12"),
        ("mon-tue 08:00-09:00 1", "mon,tue 08:00-09:00 1"),
        ("tue-thu 08:00-09:00 1", "tue-thu 08:00-09:00 1"),
        ("wed-tue 08:00-09:59 1", "daily 08:00-09:59 1"),
        ("sun 23:59-00:00 1", "sun 23:59-00:00 1"),
    ],
)
def test_how_a_line_is_written(line: str, written: str) -> None:
    (window,) = pools.windows_of([line])
    assert pools.line_of(window) == written
    assert list(pools.windows_of([written])) == [window]


@given(st.integers(0, 10_000))
def test_pauses_grow_and_are_bounded(failures: int) -> None:
    assert pools.FIRST_PAUSE <= pools.pause_after(failures) <= pools.pause_after(failures + 1) <= pools.LONGEST_PAUSE


@given(moments, st.integers(1, 600), st.integers(0, 1200))
def test_only_what_was_left_long_enough_is_given_back(now: datetime, minutes: int, ago: int) -> None:
    last_used = now - timedelta(minutes=ago)
    assert pools.is_given_back(now, last_used, minutes) is (ago >= minutes)
    assert not pools.is_given_back(now, last_used, None)


@given(st.integers(0, 40), counts)
def test_one_more_for_somebody_fits(capacity: int, now: Counts) -> None:
    assert pools.may_build_for_somebody(capacity, now) is (now.there + 1 <= capacity)


def test_the_first_pauses() -> None:
    seconds = [pools.pause_after(failures).total_seconds() for failures in (-1, 0, 1, 2, 3, 4, 5, 6, 10**6)]
    assert seconds == [15, 15, 30, 60, 120, 240, 480, 600, 600]


def test_a_plan_in_numbers() -> None:
    assert pools.plan(3, 8, Counts(), at_once=20) == Plan(build=3)
    assert pools.plan(3, 8, Counts(), at_once=2) == Plan(build=2)
    assert pools.plan(3, 8, Counts(ready=1, coming=1), at_once=20) == Plan(build=1)
    assert pools.plan(3, 8, Counts(in_use=7), at_once=20) == Plan(build=1)
    assert pools.plan(3, 8, Counts(broken=2, lost=1), at_once=20) == Plan(build=1), "what is broken keeps its place"
    assert pools.plan(3, 8, Counts(ready=3, coming=2), at_once=20) == Plan(remove_coming=2)
    assert pools.plan(1, 8, Counts(ready=3, coming=2), at_once=20) == Plan(remove_coming=2, remove_ready=2)
    assert pools.plan(3, 8, Counts(ready=3, in_use=6), at_once=20) == Plan(remove_ready=1), "less room than is wanted"
    assert pools.plan(3, 8, Counts(ready=2, in_use=5, leaving=1), at_once=20) == Plan()
    assert pools.plan(0, 0, Counts(ready=1, in_use=3), at_once=1) == Plan(remove_ready=1)
    assert Counts(1, 2, 4, 8, 16, 32).there == 63
