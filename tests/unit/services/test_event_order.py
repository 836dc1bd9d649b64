"""From which event on nothing is missed."""

from datetime import UTC, datetime, timedelta

from yunzhuo.services.rules.event_order import GAP, settled

NOW = datetime(2026, 3, 2, tzinfo=UTC)
OLD = NOW - GAP


def test_without_a_gap_it_is_the_newest() -> None:
    assert settled([], NOW) == 0
    assert settled([(4, NOW), (3, NOW)], NOW) == 4


def test_a_number_that_may_still_come_is_not_passed() -> None:
    assert settled([(12, NOW), (11, NOW), (9, NOW), (8, NOW)], NOW) == 9
    assert settled([(12, NOW), (11, NOW), (9, NOW), (7, NOW)], NOW) == 7


def test_one_that_never_came_is_given_up() -> None:
    assert settled([(12, NOW), (11, OLD), (9, OLD - timedelta(seconds=1))], NOW) == 12


def test_how_long_one_is_waited_for() -> None:
    almost = OLD + timedelta(microseconds=1)
    assert settled([(12, almost), (10, OLD)], NOW) == 10
    assert settled([(12, OLD), (10, OLD)], NOW) == 12
    assert settled([(12, almost), (11, almost), (9, almost), (8, almost), (6, OLD)], NOW) == 6, "the earliest that may come"
    assert settled([(7, OLD)], NOW) == 7
