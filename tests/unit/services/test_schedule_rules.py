"""When schedules are due: with daylight saving, after a scheduler that was away, and what is done then."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.rules.lifecycle import STATE_DURING, Action, State
from yunzhuo.services.rules.schedules import (
    Deed,
    RunStatus,
    change_for,
    checked_rule,
    decide,
    is_late,
    next_after,
    status_after,
    waits_for,
    warns,
)

ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "UTC"]).map(ZoneInfo)
MOMENTS = st.integers(0, 15 * 366 * 86400).map(lambda seconds: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
RULES = st.sampled_from(
    ["* * * * *", "*/15 7-18 * * 1-5", "30 2 * * *", "0 7 * * 1-5", "15 0 1 * *", "0 22 L * *", "59 23 31 12 *", "0 */3 * * *"]
)
BERLIN = ZoneInfo("Europe/Berlin")


@given(RULES, ZONES, MOMENTS)
def test_the_next_time_is_later_and_nothing_lies_between(rule: str, zone: ZoneInfo, moment: datetime) -> None:
    found = next_after(rule, zone, moment)
    assert found is not None
    assert found > moment
    between = moment + (found - moment) / 2
    assert next_after(rule, zone, between) == found


@given(st.integers(0, 23), st.integers(0, 59), ZONES, st.dates(date(2020, 1, 1), date(2035, 1, 1)))
def test_what_is_daily_is_once_on_every_day(hour: int, minute: int, zone: ZoneInfo, day: date) -> None:
    """Also on the days on which the clocks change."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    moment, found = midnight.astimezone(UTC) - timedelta(seconds=1), []
    for _ in range(3):
        following = next_after(f"{minute} {hour} * * *", zone, moment)
        assert following is not None
        found.append(following.astimezone(zone).date())
        moment = following
    assert found == [day, day + timedelta(days=1), day + timedelta(days=2)]


def test_clocks_that_change() -> None:
    before = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert next_after("30 2 * * *", BERLIN, before) == datetime(2026, 3, 29, 1, tzinfo=UTC), "right after what was left out"
    october = datetime(2026, 10, 24, 22, 30, tzinfo=UTC)
    first = next_after("30 2 * * *", BERLIN, october)
    assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert next_after("30 2 * * *", BERLIN, first) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC), "not twice that night"
    assert next_after("0 7 * * *", BERLIN, before) == datetime(2026, 3, 29, 5, tzinfo=UTC)


@given(RULES, ZONES, MOMENTS, st.timedeltas(timedelta(0), timedelta(days=3)), st.timedeltas(timedelta(0), timedelta(days=2)))
def test_late_rather_than_never_but_once(
    rule: str, zone: ZoneInfo, begin: datetime, away: timedelta, catch_up: timedelta
) -> None:
    due_at = next_after(rule, zone, begin)
    assert due_at is not None
    now = due_at + away
    decision = decide(rule, zone, due_at, now, catch_up)
    assert decision.next_at is not None
    assert decision.next_at > now
    assert next_after(rule, zone, now) == decision.next_at
    if decision.run_at is None:
        assert decision.missed_at == due_at, "what is not done is told"
    else:
        assert now - catch_up <= decision.run_at <= now
        assert next_after(rule, zone, decision.run_at) == decision.next_at, "the last one that passed is the one that is done"
        assert (decision.missed_at is None) == (decision.run_at == due_at)


def test_what_is_on_time_is_done_for_its_moment() -> None:
    due_at = datetime(2026, 3, 2, 6, tzinfo=UTC)
    decision = decide("0 7 * * *", BERLIN, due_at, due_at + timedelta(seconds=2), timedelta(hours=1))
    assert (decision.run_at, decision.missed_at) == (due_at, None)
    assert decision.next_at == due_at + timedelta(days=1)


def test_what_is_late_by_as_much_as_is_caught_up_is_done() -> None:
    due_at, hour = datetime(2026, 3, 2, 6, tzinfo=UTC), timedelta(hours=1)
    second = timedelta(seconds=1)
    just = decide("0 7 * * *", BERLIN, due_at, due_at + hour, hour)
    assert (just.run_at, just.missed_at, just.next_at) == (due_at, None, due_at + timedelta(days=1))
    over = decide("0 7 * * *", BERLIN, due_at, due_at + hour + second, hour)
    assert (over.run_at, over.missed_at, over.next_at) == (None, due_at, due_at + timedelta(days=1))
    # A later moment that is just not too late is the one that is done, to the second.
    hourly = decide("0 * * * *", BERLIN, due_at, due_at + 5 * hour, 2 * hour)
    assert (hourly.run_at, hourly.missed_at, hourly.next_at) == (due_at + 5 * hour, due_at, due_at + 6 * hour)
    edge = decide("0 7 * * *", BERLIN, due_at, due_at + timedelta(days=1) + hour, hour)
    assert (edge.run_at, edge.missed_at) == (due_at + timedelta(days=1), due_at)


def test_what_is_never_due_again() -> None:
    assert next_after("0 0 29 2 *", BERLIN, datetime(2026, 3, 1, tzinfo=UTC)) == datetime(2028, 2, 28, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("deed", "waited_for"),
    [
        (Deed.START, {State.STOPPING, State.SUSPENDING}),
        (Deed.STOP, {State.STARTING, State.RESUMING, State.REBOOTING}),
        (Deed.SUSPEND, {State.STARTING, State.RESUMING, State.REBOOTING}),
    ],
)
def test_what_is_waited_for(deed: Deed, waited_for: set[State]) -> None:
    assert {state for state in State if waits_for(deed, state)} == waited_for


@given(st.text(max_size=120))
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    try:
        rule = checked_rule(text)
    except InvalidInput:
        return
    assert checked_rule(rule) == rule


@pytest.mark.parametrize("text", ["", "* * * *", "61 * * * *", "0 0 31 2 *", "* * * * * *", "@daily", "0 7 * * 一", "0 " * 90])
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_rule(text)
    assert refused.value.message == "The rule is not valid."
    assert refused.value.fields == {"rule": "Like “0 7 * * 1-5”: minute, hour, day, month, weekday."}


def test_a_rule_in_form() -> None:
    assert checked_rule(" 0  7\t* * 1-5\n") == "0 7 * * 1-5"
    longest = ",".join(str(minute) for minute in range(10, 41)) + " * * * *"
    assert len(longest) == 100
    assert checked_rule(longest) == longest
    with pytest.raises(InvalidInput):
        checked_rule(longest.replace("10,", "100,", 1).replace("100", "010"))


@given(st.sampled_from(Deed), st.sampled_from(State), st.booleans(), st.booleans())
def test_only_what_rests_is_changed(deed: Deed, state: State, is_used: bool, leaves_connected: bool) -> None:
    change = change_for(deed, state, is_used=is_used, leaves_connected=leaves_connected)
    if deed is Deed.START:
        assert change == {State.STOPPED: Action.START, State.SUSPENDED: Action.RESUME}.get(state)
    elif state is State.AVAILABLE and not (is_used and leaves_connected):
        assert change == Action(deed)
    else:
        assert change is None


@given(st.sampled_from(Deed), st.sampled_from(State), st.booleans())
def test_whoever_loses_what_is_open_is_warned(deed: Deed, state: State, leaves_connected: bool) -> None:
    ends = change_for(deed, state, is_used=True, leaves_connected=leaves_connected) not in (None, Action.START, Action.RESUME)
    assert warns(deed, leaves_connected=leaves_connected) or not ends
    assert warns(deed, leaves_connected=leaves_connected) is (deed is not Deed.START and not leaves_connected)


@given(st.sampled_from(Deed), st.sampled_from(State))
def test_what_is_waited_for_is_neither_there_nor_can_be_changed(deed: Deed, state: State) -> None:
    if waits_for(deed, state):
        assert state in STATE_DURING.values()
        assert change_for(deed, state, is_used=False, leaves_connected=False) is None
        assert state is not STATE_DURING[Action(deed)]


def test_how_a_run_ends() -> None:
    assert status_after(0, 0) is status_after(3, 0) is RunStatus.SUCCEEDED
    assert status_after(1, 1) is RunStatus.PARTLY
    assert status_after(0, 1) is RunStatus.FAILED


def test_what_is_late() -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    assert not is_late(None, now)
    assert not is_late(now - timedelta(seconds=60), now)
    assert is_late(now - timedelta(seconds=61), now)
