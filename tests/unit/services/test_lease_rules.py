"""When desktops end: nobody is surprised, nobody gets more than the terms say, and nothing that can be kept is lost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.rules.leases import (
    NOTICE,
    Terms,
    bin_until,
    end_after_bin,
    end_of,
    extended_end,
    extensions_left,
    goes_to_bin,
    has_ended,
    is_ending,
    warning_due,
)
from yunzhuo.services.rules.lifecycle import Action, Facts, Observed, OperationStatus, Wanted
from yunzhuo.services.rules.pools import Kind

BEGIN = datetime(2026, 3, 2, 8, tzinfo=UTC)
HOURS = st.lists(st.integers(1, 24 * 60), min_size=1, max_size=5, unique=True)
TERMS = st.builds(
    Terms,
    days=st.integers(1, 400),
    extend_days=st.integers(1, 60),
    extend_times=st.integers(0, 5),
    warn_hours=HOURS,
    bin_days=st.integers(0, 30),
).map(lambda terms: terms.checked())
STEPS = st.lists(st.timedeltas(timedelta(minutes=1), timedelta(days=20)), min_size=1, max_size=60)


@given(TERMS, STEPS)
def test_nobody_is_surprised(terms: Terms, steps: list[timedelta]) -> None:
    """Whenever somebody looks, and however long nobody did: warned first, an hour before at least, each stage once."""
    now, ends_at = BEGIN, end_of(BEGIN, terms)
    assert ends_at is not None
    warned_hours, warned_at, stages = None, None, list[int]()
    for step in steps:
        now += step
        stage = warning_due(now, ends_at, terms, warned_hours)
        if stage is not None:
            assert ends_at - timedelta(hours=stage) <= now
            stages.append(stage)
            warned_hours, warned_at = stage, warned_at or now
            assert warning_due(now, ends_at, terms, warned_hours) is None, "once"
        if has_ended(now, ends_at, warned_at):
            assert warned_at is not None
            assert now - warned_at >= NOTICE
            assert warned_hours == min(terms.warn_hours)
            break
        assert now < ends_at or warned_at is None or now - warned_at < NOTICE
        if now >= ends_at:
            assert warned_at is not None, "what is over was at least warned of"
    assert stages == sorted(stages, reverse=True)
    assert set(stages) <= set(terms.warn_hours)


@given(TERMS, st.timedeltas(timedelta(days=-30), timedelta(days=30)))
def test_an_end_is_put_off_by_what_the_terms_say(terms: Terms, ahead: timedelta) -> None:
    ends_at = BEGIN + ahead
    later = extended_end(BEGIN, ends_at, terms)
    assert later - max(BEGIN, ends_at) == timedelta(days=terms.extend_days)
    assert [extensions_left(terms, done) for done in range(terms.extend_times + 2)] == [*range(terms.extend_times, -1, -1), 0]


@given(TERMS, st.timedeltas(timedelta(0), timedelta(days=100)))
def test_ending_begins_with_the_first_warning(terms: Terms, before: timedelta) -> None:
    now = BEGIN - before
    assert is_ending(now, BEGIN, terms) is (warning_due(now, BEGIN, terms, None) is not None)
    assert not is_ending(now, None, terms)


@given(TERMS, st.booleans())
def test_what_ended_by_itself_always_waits_in_the_bin(terms: Terms, ended: bool) -> None:
    kept = bin_until(BEGIN, terms, ended=ended) - BEGIN
    assert kept >= timedelta(days=terms.bin_days)
    assert not ended or kept >= timedelta(days=1)


@given(st.timedeltas(timedelta(days=-30), timedelta(days=30)))
def test_there_is_time_after_the_bin(ahead: timedelta) -> None:
    after = end_after_bin(BEGIN, BEGIN + ahead)
    assert after is not None
    assert after == max(BEGIN + ahead, BEGIN + timedelta(days=1))
    assert end_after_bin(BEGIN, None) is None


def test_what_goes_into_the_bin() -> None:
    for wanted, observed, action, status in product(Wanted, [None, *Observed], Action, OperationStatus):
        facts = Facts(wanted, observed, True, action, status)
        goes = goes_to_bin(facts, None, 7)
        if goes:
            assert not goes_to_bin(facts, None, 0)
            assert not goes_to_bin(facts, Kind.FLOATING, 7)
            assert not goes_to_bin(replace(facts, is_binned=True), None, 7), "from there it is for good"
            assert goes_to_bin(facts, Kind.DEDICATED, 7)
        was_made = action is not Action.CREATE or status is OperationStatus.SUCCEEDED
        has_machine = observed not in (None, Observed.MISSING)
        assert goes is (was_made and has_machine and action not in (Action.DELETE, Action.FORCE_DELETE))


def test_terms_without_an_end() -> None:
    assert end_of(BEGIN, Terms()) is None


def test_terms_in_form() -> None:
    assert Terms(warn_hours=(1, 24, 24, 168)).checked().warn_hours == (168, 24, 1)
    with pytest.raises(InvalidInput) as told:
        Terms(days=0, extend_days=0, extend_times=-1, warn_hours=(), bin_days=91).checked()
    assert set(told.value.fields) == {"days", "extend_days", "extend_times", "warn_hours", "bin_days"}


@pytest.mark.parametrize(
    ("hours_left", "warned_hours", "stage"),
    [
        (25, None, None),
        (24, None, 24),
        (23, None, 24),
        (23, 24, None),
        (1, 24, 1),
        (1, None, 1),
        (0, None, 1),
        (-9, None, 1),
        (-9, 1, None),
    ],
)
def test_which_warning_is_due(hours_left: int, warned_hours: int | None, stage: int | None) -> None:
    terms = Terms(days=10, warn_hours=(24, 1))
    assert warning_due(BEGIN, BEGIN + timedelta(hours=hours_left), terms, warned_hours) == stage


def test_when_it_has_ended() -> None:
    moment = timedelta(microseconds=1)
    assert has_ended(BEGIN, BEGIN, BEGIN - NOTICE)
    assert not has_ended(BEGIN, BEGIN + moment, BEGIN - NOTICE)
    assert not has_ended(BEGIN, BEGIN, BEGIN - NOTICE + moment)
    assert not has_ended(BEGIN, BEGIN, None)
    assert end_of(BEGIN, Terms(days=3)) == BEGIN + timedelta(days=3)


def test_how_long_it_waits_in_the_bin() -> None:
    for days, ended, waits in ((0, False, 0), (0, True, 1), (1, True, 1), (7, True, 7), (7, False, 7)):
        assert bin_until(BEGIN, Terms(bin_days=days), ended=ended) == BEGIN + timedelta(days=waits)
    facts = Facts(Wanted.RUNNING, Observed.RUNNING, True, Action.CREATE, OperationStatus.SUCCEEDED)
    assert [goes_to_bin(facts, None, days) for days in (-1, 0, 1, 2)] == [False, False, True, True]


WHY: dict[str, tuple[str, list[Any], list[Any]]] = {
    "days": ("From 1 to 3650.", [0, -1, 3651], [1, 3650, None]),
    "extend_days": ("From 1 to 3650.", [0, 3651], [1, 3650]),
    "extend_times": ("From 0 to 100.", [-1, 101], [0, 100]),
    "bin_days": ("From 0 to 90.", [-1, 91], [0, 90]),
    "warn_hours": (
        "1 to 5 numbers from 1 to 1440.",
        [(), (0,), (1441,), (1, 2, 3, 4, 5, 6), (0, 5)],
        [(1,), (1440,), (1, 2, 3, 4, 5), (1, 1, 2, 2, 3, 4, 5)],
    ),
}


@pytest.mark.parametrize("name", WHY)
def test_the_bounds_of_terms(name: str) -> None:
    why, refused, taken = WHY[name]
    for value in taken:
        replace(Terms(), **{name: value}).checked()
    for value in refused:
        with pytest.raises(InvalidInput) as told:
            replace(Terms(), **{name: value}).checked()
        assert told.value.message == "The terms are not valid."
        assert told.value.fields == {name: why}
