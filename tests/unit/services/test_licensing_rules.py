"""What a license means at a moment."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.rules.licensing import (
    CLOCK_TOLERANCE,
    REACHES,
    Phase,
    Reach,
    Term,
    Why,
    fits,
    next_witness,
    phase,
    warned_days,
    warned_percent,
    why_not_take,
)

BEGIN = datetime(2026, 9, 1, tzinfo=UTC)
END = BEGIN + timedelta(days=365)
TERM = Term(serial=5, not_before=BEGIN, expires_at=END, grace_ends_at=END + timedelta(days=14))
SECOND = timedelta(seconds=1)
TIMES = st.integers(-300, 800).map(lambda days: BEGIN + timedelta(days=days))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (BEGIN - SECOND, Phase.NOT_YET),
        (BEGIN, Phase.ACTIVE),
        (END - SECOND, Phase.ACTIVE),
        (END, Phase.GRACE),
        (TERM.grace_ends_at - SECOND, Phase.GRACE),
        (TERM.grace_ends_at, Phase.ENDED),
    ],
)
def test_phases_follow_each_other(now: datetime, expected: Phase) -> None:
    assert phase(TERM, is_needed=False, now=now, latest_seen=now) is expected
    assert phase(TERM, is_needed=True, now=now, latest_seen=None) is expected


def test_without_a_license_an_installation_is_whole_unless_its_build_needs_one() -> None:
    assert REACHES[phase(None, is_needed=False, now=BEGIN, latest_seen=END)] is Reach.ALL
    assert REACHES[phase(None, is_needed=True, now=BEGIN, latest_seen=None)] is Reach.CLOSE


@given(TIMES, st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=500)))
def test_a_clock_put_back_never_gives_more(latest: datetime, back: timedelta) -> None:
    """No more is allowed than at the latest time, beyond what is taken for setting a clock right."""
    widths = list(reversed(Reach))
    put_back = phase(TERM, is_needed=True, now=latest - back, latest_seen=latest)
    at_most = phase(TERM, is_needed=True, now=latest - min(back, CLOCK_TOLERANCE), latest_seen=latest)
    assert widths.index(REACHES[put_back]) <= widths.index(REACHES[at_most])


def test_a_withdrawn_license_ends_at_once() -> None:
    revoked = Term(6, BEGIN, END, END, is_withdrawn=True)
    assert REACHES[phase(revoked, is_needed=False, now=BEGIN, latest_seen=None)] is Reach.CLOSE


@given(st.integers(1, 9), st.integers(0, 9), TIMES, st.booleans(), st.booleans())
def test_a_worse_license_never_replaces_a_good_one(
    new: int, highest: int, now: datetime, is_ours: bool, is_edited: bool
) -> None:
    later = Term(new, BEGIN, END, TERM.grace_ends_at)
    why = why_not_take(later, highest, is_ours=is_ours, is_edited=is_edited, now=now)
    if not is_ours:
        assert why is Why.OTHER_INSTALLATION
    elif new < highest:
        assert why is Why.OLDER
    elif is_edited and new == highest:
        assert why is Why.EDITED
    elif now < BEGIN:
        assert why is Why.NOT_YET
    else:
        assert why is (Why.ENDED if now >= later.grace_ends_at else None)


@given(TIMES, TIMES, TIMES)
def test_only_a_newer_license_puts_the_witness_back(seen: datetime, now: datetime, issued: datetime) -> None:
    assert next_witness(seen, now=now, issued_at=issued, is_newer=False) == max(seen, now)
    assert next_witness(seen, now=now, issued_at=issued, is_newer=True) == max(issued, now)
    assert next_witness(None, now=now, issued_at=issued, is_newer=False) >= issued


@pytest.mark.parametrize(("left", "warned"), [(31, None), (30, 30), (8, 30), (7, 7), (2, 7), (1, 1), (0, 1)])
def test_people_are_warned_before_the_last_day(left: int, warned: int | None) -> None:
    assert warned_days(left) == warned


@pytest.mark.parametrize(
    ("used", "most", "percent"),
    [
        (0, None, None),
        (79, 100, None),
        (80, 100, 80),
        (89, 100, 80),
        (90, 100, 90),
        (99, 100, 90),
        (100, 100, 100),
        (7, 5, 100),
    ],
)
def test_people_are_warned_near_the_end(used: int, most: int | None, percent: int | None) -> None:
    assert warned_percent(used, most) == percent


@given(st.lists(st.integers(-5, 20), max_size=30), st.integers(0, 100))
def test_taking_what_fits_never_goes_over_the_limit(wishes: list[int], most: int) -> None:
    used = 0
    for more in wishes:
        if fits(used, more, most):
            used = max(used + more, 0)
            assert used <= most
        else:
            assert used + more > most
    assert fits(most + 10, -1, most)
    assert fits(10**9, 10**9, None)


def test_a_clock_that_is_only_set_right() -> None:
    def seen(latest: datetime) -> Phase:
        return phase(TERM, is_needed=True, now=BEGIN, latest_seen=latest)

    assert seen(BEGIN + CLOCK_TOLERANCE) is Phase.ACTIVE
    assert seen(BEGIN + CLOCK_TOLERANCE + SECOND) is Phase.CLOCK_BACK
    assert phase(None, is_needed=True, now=BEGIN, latest_seen=None) is Phase.MISSING
    assert phase(None, is_needed=False, now=BEGIN, latest_seen=None) is Phase.UNLICENSED
    revoked = Term(6, BEGIN, END, END, is_withdrawn=True)
    assert phase(revoked, is_needed=False, now=BEGIN, latest_seen=END) is Phase.WITHDRAWN
    assert not TERM.is_withdrawn


def test_the_last_one_fits() -> None:
    assert [fits(2, more, 3) for more in (-1, 0, 1, 2)] == [True, True, True, False]
    assert [fits(4, more, 3) for more in (-1, 0, 1)] == [True, True, False]
    assert fits(4, 1, None)


def test_a_license_whose_grace_is_over_this_very_moment_is_not_taken() -> None:
    def why(now: datetime) -> Why | None:
        return why_not_take(TERM, 5, is_ours=True, is_edited=False, now=now)

    assert [why(BEGIN - SECOND), why(BEGIN)] == [Why.NOT_YET, None]
    assert [why(TERM.grace_ends_at - SECOND), why(TERM.grace_ends_at)] == [None, Why.ENDED]
