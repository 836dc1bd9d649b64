"""Reading a growing table: everything once, also what is seen later than what was written later."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.events import EventView
from yunzhuo.web.event_tail import GAP_SECONDS, Tail


def events(*ids: int) -> list[EventView]:
    return [EventView(each, "o", "u", "desktop.changed", "d", {}, datetime(2026, 1, 1, tzinfo=UTC)) for each in ids]


def ids(found: list[EventView]) -> list[int]:
    return [event.id for event in found]


def test_everything_is_answered_once() -> None:
    tail = Tail(7)
    assert ids(tail.fresh(events(8, 9), 0)) == [8, 9]
    assert tail.position == 9
    assert tail.fresh([], 1) == []
    assert ids(tail.fresh(events(10), 2)) == [10]


def test_a_gap_is_waited_for_without_holding_back_what_came() -> None:
    tail = Tail(0)
    assert ids(tail.fresh(events(1, 3), 0)) == [1, 3]
    assert tail.position == 1
    assert tail.fresh(events(3), 1) == []
    assert ids(tail.fresh(events(2, 3, 4), 2)) == [2, 4]
    assert tail.position == 4


def test_a_gap_that_stays_is_given_up() -> None:
    tail = Tail(0)
    tail.fresh(events(2, 5), 0)
    tail.fresh(events(2, 5), GAP_SECONDS - 0.1)
    assert tail.position == 0
    assert tail.fresh(events(2, 5), GAP_SECONDS) == []
    assert tail.position == 5


@given(st.permutations(range(1, 13)), st.lists(st.integers(1, 4), min_size=12, max_size=12))
def test_in_whatever_order_rows_come_to_light_each_is_answered_once(order: list[int], sizes: list[int]) -> None:
    tail, visible, seen = Tail(0), set[int](), list[int]()
    waiting = list(order)
    for size in sizes:
        visible |= {waiting.pop() for _ in range(min(size, len(waiting)))}
        seen += ids(tail.fresh(events(*sorted(each for each in visible if each > tail.position)), 0))
    assert sorted(seen) == sorted(visible)
    assert len(seen) == len(set(seen))
