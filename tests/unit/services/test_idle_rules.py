"""Who is idle: never a spare, never anybody who was not told in time, never a guest that works."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.rules import admission, idle
from yunzhuo.services.rules.admission import Limits
from yunzhuo.services.rules.idle import Cause, Facts, Idle, IdleDeed, Move, Terms, Warned

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MOMENTS = st.integers(0, 300).map(lambda minutes: NOON - timedelta(minutes=minutes))
MINUTES = st.none() | st.integers(1, 200)
TERMS = st.builds(
    Terms,
    disconnected_minutes=MINUTES,
    closed_minutes=MINUTES,
    disconnected_deed=st.sampled_from([IdleDeed.STOP, IdleDeed.SUSPEND]),
    no_input_minutes=MINUTES,
    no_input_deed=st.sampled_from(IdleDeed),
    unassigned_minutes=MINUTES,
    notice_minutes=st.integers(1, 120),
    busy_percent=st.none() | st.integers(5, 100),
)
FACTS = st.builds(
    Facts,
    is_spare=st.booleans(),
    usable_since=MOMENTS,
    disconnected_since=st.none() | MOMENTS,
    last_input_at=MOMENTS,
    unassigned_since=st.none() | MOMENTS,
    busy_at=st.none() | MOMENTS,
    is_open=st.booleans(),
)


@st.composite
def warnings(draw: st.DrawFn) -> Warned | None:
    at = draw(MOMENTS)
    return draw(st.none() | st.builds(Warned, st.sampled_from(Cause), st.just(at), MOMENTS.map(lambda ends: max(ends, at))))


@given(FACTS, TERMS, warnings())
def test_a_spare_is_never_culled(facts: Facts, terms: Terms, warned: Warned | None) -> None:
    made = idle.move(NOON, replace(facts, is_spare=True), terms, warned)
    assert made in (None, (Move.CALL_OFF, None))


@given(FACTS, TERMS, warnings())
def test_nothing_is_done_to_whoever_was_not_told_or_came_back(facts: Facts, terms: Terms, warned: Warned | None) -> None:
    made = idle.move(NOON, facts, terms, warned)
    if made is None or made[0] is not Move.ACT or made[1] is None:
        return
    found = made[1]
    assert found.due_at <= NOON
    if found.cause is Cause.UNASSIGNED:
        assert facts.unassigned_since is not None
        return
    assert warned is not None
    assert (warned.cause, warned.ends_at <= NOON) == (found.cause, True)
    # Between what was told and now nobody came, gave input, or was seen working.
    seen = [facts.usable_since, facts.busy_at, facts.disconnected_since or facts.last_input_at]
    assert all(each <= warned.at for each in seen if each is not None)
    assert (found.cause is Cause.DISCONNECTED) is (facts.disconnected_since is not None)


@given(FACTS, TERMS)
def test_a_guest_that_works_now_is_left_alone(facts: Facts, terms: Terms) -> None:
    for cause in (Cause.DISCONNECTED, Cause.NO_INPUT):
        warned = Warned(cause, NOON - timedelta(minutes=60), NOON)
        only = replace(terms, unassigned_minutes=None)
        assert idle.move(NOON, replace(facts, busy_at=NOON), only, warned) == (Move.CALL_OFF, None)


@given(FACTS, TERMS)
def test_what_nobody_uses_is_told_and_then_done(facts: Facts, terms: Terms) -> None:
    """Minute by minute, as long as nothing happens: told once, done once the notice is over, at the time that was told."""
    found = idle.idle(facts, terms)
    warned, told, now = None, 0, NOON
    for minute in range(700):
        now = NOON + timedelta(minutes=minute)
        match idle.move(now, facts, terms, warned):
            case Move.WARN, each:
                assert each is not None
                told, warned = told + 1, Warned(each.cause, now, now + timedelta(minutes=terms.notice_minutes))
            case Move.ACT, each:
                assert each is not None
                assert found == each
                assert now == max(NOON, found.due_at) if each.cause is Cause.UNASSIGNED else warned and now == warned.ends_at
                assert told == (0 if each.cause is Cause.UNASSIGNED else 1)
                break
            case made:
                assert made is None
    else:
        assert found is None


@given(FACTS, TERMS)
def test_each_thing_has_its_own_rule_and_the_first_one_holds(facts: Facts, terms: Terms) -> None:
    latest = max(facts.usable_since, facts.busy_at or facts.usable_since)
    hours = terms.disconnected_minutes if facts.is_open else terms.closed_minutes
    away = min([each for each in (terms.disconnected_minutes, hours) if each is not None], default=None)
    candidates = [
        (Cause.DISCONNECTED, terms.disconnected_deed, facts.disconnected_since, latest, away),
        (
            *(Cause.NO_INPUT, terms.no_input_deed, facts.last_input_at if facts.disconnected_since is None else None),
            *(latest, terms.no_input_minutes),
        ),
        (Cause.UNASSIGNED, IdleDeed.STOP, facts.unassigned_since, facts.usable_since, terms.unassigned_minutes),
    ]
    wanted = [
        Idle(cause, deed, max(since, earliest), max(since, earliest) + timedelta(minutes=minutes))
        for cause, deed, since, earliest, minutes in candidates
        if since is not None and minutes is not None
    ]
    found = idle.idle(replace(facts, is_spare=False), terms)
    assert found == min(wanted, key=lambda each: (each.due_at, each.cause), default=None)


@given(FACTS, TERMS)
def test_outside_of_the_hours_it_is_sooner_and_never_later(facts: Facts, terms: Terms) -> None:
    closed, opened = (idle.disconnected_minutes(terms, is_open=is_open) for is_open in (False, True))
    assert opened == terms.disconnected_minutes
    if opened is not None:
        assert closed is not None
        assert closed <= opened


@given(st.none() | st.floats(0, 100), TERMS)
def test_a_load_that_nobody_knows_keeps_nothing(percent: float | None, terms: Terms) -> None:
    is_over = percent is not None and terms.busy_percent is not None and percent >= terms.busy_percent
    assert idle.is_busy(percent, terms) is is_over
    assert idle.is_busy(terms.busy_percent, terms) is (terms.busy_percent is not None)


def test_two_readings_are_a_load() -> None:
    assert idle.cpu_percent(10, 25, 10, 3) == 50
    assert idle.cpu_percent(10, 1000, 10, 1) == 100
    assert idle.cpu_percent(10, 5, 10, 1) is None  # it was started anew
    assert idle.cpu_percent(10, 15, 0, 1) is None
    assert idle.cpu_percent(10, 10.25, 0.5, 1) == 50
    assert idle.cpu_percent(10, 10, 10, 1) == 0
    assert idle.cpu_percent(10, 15, 10, 0) is None


@given(TERMS)
def test_rules_have_a_form(terms: Terms) -> None:
    assert terms.checked() == terms
    assert terms.says_something is any(
        (terms.disconnected_minutes, terms.closed_minutes, terms.no_input_minutes, terms.unassigned_minutes)
    )


def test_all_that_is_wrong_is_told_at_once() -> None:
    wrong = Terms(0, 0, IdleDeed.END_SCREEN, 9**9, IdleDeed.STOP, -1, 0, 101)
    with pytest.raises(InvalidInput) as raised:
        wrong.checked()
    minutes = ("disconnected_minutes", "closed_minutes", "no_input_minutes", "unassigned_minutes")
    assert raised.value.message == "The rules are not valid."
    assert raised.value.fields == {
        **dict.fromkeys(minutes, "From 1 to 10080."),
        "notice_minutes": "From 1 to 120.",
        "busy_percent": "From 5 to 100.",
        "disconnected_deed": "There is no screen to close where nobody is connected.",
    }
    longest = Terms(10080, 10080, IdleDeed.STOP, 10080, IdleDeed.STOP, 10080, 120, 100)
    assert longest.checked() == longest


@given(
    st.integers(0, 500), st.none() | st.integers(1, 60), st.none() | st.integers(1, 9), st.integers(0, 20), st.floats(0, 120)
)
def test_all_can_be_started_within_the_lead(count: int, cloud: int | None, host: int | None, hosts: int, each: float) -> None:
    lead = admission.lead(count, Limits(cloud, host, None, None), hosts, each).total_seconds()
    at_once = min(cloud or 10**9, host * max(hosts, 1) if host else 10**9)
    needed = -(-count // at_once) * each
    assert lead >= min(needed, admission.LONGEST_LEAD.total_seconds())
    assert lead <= min(needed + 1, admission.LONGEST_LEAD.total_seconds())
