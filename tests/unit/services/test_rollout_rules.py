"""A pool comes to another image: never more than its share at once, never fewer ready for it, never out of somebody's hands."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.rules import rollouts
from yunzhuo.services.rules.pools import Counts
from yunzhuo.services.rules.rollouts import Bounds, Moves, Pace

NUMBER = st.integers(0, 8)
CAPACITY = st.integers(1, 40)
counts = st.builds(Counts, ready=NUMBER, coming=NUMBER, in_use=NUMBER, leaving=NUMBER, broken=NUMBER, lost=NUMBER)
bounds = st.builds(
    Bounds, level=st.integers(1, 40), at_once=st.integers(1, 40), is_proven=st.booleans(), changing=st.integers(0, 4)
)


@given(NUMBER, CAPACITY, counts, counts, bounds, NUMBER, st.integers(1, 20))
def test_no_more_than_may_and_than_there_is_room_for(
    wanted: int, capacity: int, new: Counts, old: Counts, limits: Bounds, idle: int, at_once: int
) -> None:
    now = rollouts.moves(wanted, capacity, new, old, limits, idle=idle, at_once=at_once)
    assert min(vars_of(now)) >= 0
    begun = now.build_new + now.build_old
    assert begun == 0 or new.there + old.there + begun <= capacity
    assert begun <= at_once
    having = new.there - new.leaving + limits.changing
    assert now.build_new + now.rebuild == 0 or having + now.build_new + now.rebuild <= limits.level
    assert now.rebuild <= idle
    assert now.remove_new_coming <= new.coming
    assert now.remove_new_ready <= new.ready
    assert now.remove_old_coming <= old.coming
    assert now.remove_old_ready <= old.ready


@given(NUMBER, CAPACITY, counts, counts, bounds, NUMBER)
def test_the_share_is_what_is_taken_out_of_use(
    wanted: int, capacity: int, new: Counts, old: Counts, limits: Bounds, idle: int
) -> None:
    now = rollouts.moves(wanted, capacity, new, old, limits, idle=idle, at_once=40)
    share = limits.at_once if limits.is_proven else 1
    fitting = min(wanted, max(0, capacity - sum(each.in_use + each.leaving for each in (new, old))))
    ready = new.ready + old.ready
    left = ready - now.remove_old_ready - now.remove_new_ready
    # Fewer are ready than should be only where nothing can be built before something goes, and by the share at most.
    given_up = max(0, min(ready, fitting) - left)
    if new.there + old.there < capacity:
        assert given_up == 0
    under_way = new.coming + new.broken + limits.changing
    if given_up or now.rebuild:
        leaving = (new.leaving + old.leaving) if given_up else 0
        assert given_up + leaving + now.rebuild + under_way <= share


@given(NUMBER, CAPACITY, counts, counts, bounds)
def test_what_is_not_proven_replaces_nothing(wanted: int, capacity: int, new: Counts, old: Counts, limits: Bounds) -> None:
    untried = replace(limits, is_proven=False)
    now = rollouts.moves(wanted, capacity, new, old, untried, at_once=40)
    assert now.build_new + new.coming + new.broken <= max(1, new.coming + new.broken)
    # The old ones are kept, and built, as if the new one were not there.
    seats = max(0, capacity - sum(each.in_use + each.leaving for each in (new, old)))
    missing = min(wanted, seats) - new.ready - old.ready - old.coming - old.broken
    room = capacity - new.there - old.there - now.build_new
    assert now.build_old == max(0, min(missing, room, 40 - now.build_new))
    assert not rollouts.image_is_new_for_somebody(new, untried)
    assert not rollouts.is_done(new, old, untried, is_last=True)


@given(
    NUMBER, CAPACITY, NUMBER, NUMBER, st.booleans(), st.lists(st.integers(1, 99), max_size=3, unique=True), st.integers(1, 100)
)
def test_rounds_bring_everything_to_the_new_image_stage_by_stage(
    wanted: int, capacity: int, spares: int, people: int, dedicated: bool, percents: list[int], at_once_percent: int
) -> None:
    """Everything that is begun ends well, people leave their desktops alone, and somebody looks at each stage."""
    people = min(people, capacity)
    old, new = Counts(ready=min(spares, capacity - people), in_use=people), Counts()
    stages, stage, proven, changing = [*sorted(percents), 100], 0, False, 0
    for _ in range(600):
        level = rollouts.portion(capacity, stages[stage])
        limits = Bounds(level, rollouts.portion(capacity, at_once_percent), proven, changing)
        is_last = stages[stage] == 100
        if rollouts.is_done(new, old, limits, is_last=is_last):
            break
        if not is_last and rollouts.is_stage_reached(new, old, limits):
            stage += 1
            continue
        idle = old.in_use - changing if dedicated else 0
        begun = rollouts.moves(wanted, capacity, new, old, limits, idle=idle, at_once=3)
        having = new.there - new.leaving
        if not dedicated and begun == Moves() and old.in_use and not new.coming and not old.leaving:
            old = replace(old, in_use=old.in_use - 1, leaving=old.leaving + 1)  # somebody gives theirs back
            continue
        # One step of time: what was begun before is there, what was removed is gone.
        proven = proven or new.coming + changing > 0
        new = Counts(
            ready=new.ready + new.coming - begun.remove_new_ready - begun.remove_new_coming,
            coming=begun.build_new,
            in_use=new.in_use + changing,
            leaving=begun.remove_new_ready,
        )
        old = Counts(
            ready=old.ready + old.coming - begun.remove_old_ready - begun.remove_old_coming,
            coming=begun.build_old,
            in_use=old.in_use - changing,
            leaving=begun.remove_old_ready,
        )
        changing = begun.rebuild
        assert new.there - new.leaving + changing <= max(level, having)  # never more than the stage allows
        assert new.there + old.there <= capacity
    else:
        raise AssertionError(f"it goes on for ever: {new} {old}")
    assert old.ready == old.in_use == 0
    assert new.in_use == (people if dedicated else 0)


@given(counts, counts, bounds, st.booleans())
def test_a_newer_roll_out_waits_for_all_but_people(new: Counts, old: Counts, limits: Bounds, is_last: bool) -> None:
    is_left = rollouts.waits_for_people_only(new, old, limits, is_last=is_last)
    under_way = (old.ready, old.coming, new.broken, limits.changing)
    assert is_left is (is_last and limits.is_proven and under_way == (0, 0, 0, 0))
    done, proven = Counts(ready=new.ready, in_use=new.in_use), replace(limits, is_proven=True, changing=0)
    assert rollouts.waits_for_people_only(done, Counts(in_use=old.in_use), proven, is_last=True)


def test_one_is_tried_beside_the_others_first() -> None:
    old, limits = Counts(ready=4), Bounds(level=10, at_once=3, is_proven=False)
    assert rollouts.moves(4, 10, Counts(), old, limits, at_once=20) == Moves(build_new=1)
    assert rollouts.moves(4, 10, Counts(coming=1), old, limits, at_once=20) == Moves()
    proven = replace(limits, is_proven=True)
    now = rollouts.moves(4, 10, Counts(ready=1), old, proven, at_once=20)
    assert now == Moves(build_new=3, remove_old_ready=1)


def test_a_full_pool_makes_room_for_one_and_stays_without_it_while_that_fails() -> None:
    limits = Bounds(level=4, at_once=2, is_proven=False)
    assert rollouts.moves(4, 4, Counts(), Counts(ready=4), limits, at_once=20) == Moves(remove_old_ready=1)
    assert rollouts.moves(4, 4, Counts(), Counts(ready=3, leaving=1), limits, at_once=20) == Moves()
    assert rollouts.moves(4, 4, Counts(), Counts(ready=3), limits, at_once=20) == Moves(build_new=1)
    assert rollouts.moves(4, 4, Counts(broken=1), Counts(ready=3), limits, at_once=20) == Moves()


def test_where_everybody_has_theirs_the_first_one_is_somebodys() -> None:
    limits = Bounds(level=3, at_once=2, is_proven=False)
    assert rollouts.moves(0, 3, Counts(), Counts(in_use=3), limits, idle=3, at_once=20) == Moves(rebuild=1)
    # But where there is room, one is built to see first.
    assert rollouts.moves(0, 4, Counts(), Counts(in_use=3), limits, idle=3, at_once=20) == Moves(build_new=1)
    proven = replace(limits, is_proven=True)
    assert rollouts.moves(0, 4, Counts(ready=1), Counts(in_use=3), proven, idle=3, at_once=20) == Moves(
        remove_new_ready=1, rebuild=2
    )


def test_new_ones_in_trouble_are_replaced_by_old_ones() -> None:
    limits = Bounds(level=10, at_once=2, is_proven=True)
    now = rollouts.moves(4, 10, Counts(broken=2), Counts(ready=2), limits, at_once=20)
    assert now == Moves(build_old=2)
    assert not rollouts.image_is_new_for_somebody(Counts(broken=1), limits)
    assert rollouts.image_is_new_for_somebody(Counts(in_use=9), limits)
    assert not rollouts.image_is_new_for_somebody(Counts(in_use=10), limits)


@pytest.mark.parametrize(
    ("wrong", "fields"),
    [
        (Pace(stages=()), {"stages"}),
        (Pace(stages=(10, 50)), {"stages"}),
        (Pace(stages=(50, 10, 100)), {"stages"}),
        (Pace(stages=(0, 100)), {"stages"}),
        (Pace(stages=(10, 10, 100)), {"stages"}),
        (Pace(at_once_percent=0, most_failures=0, notice_hours=-1), {"at_once_percent", "most_failures", "notice_hours"}),
        (Pace(at_once_percent=101, most_failures=21, notice_hours=169), {"at_once_percent", "most_failures", "notice_hours"}),
    ],
)
def test_what_is_wrong_of_a_pace_is_named(wrong: Pace, fields: set[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        wrong.checked()
    assert set(refused.value.details["fields"]) == fields  # type: ignore[call-overload]


def test_a_pace_may_go_to_its_bounds() -> None:
    for fine in (
        Pace(),
        Pace(stages=(100,), at_once_percent=1, most_failures=1, notice_hours=0),
        Pace((1, 99, 100), 100, 20, 168),
    ):
        assert fine.checked() == fine


def test_percents_of_a_capacity_and_the_way_back_has_no_stages() -> None:
    assert [rollouts.portion(40, percent) for percent in (1, 10, 50, 99, 100)] == [1, 4, 20, 39, 40]
    assert rollouts.portion(3, 10) == 1
    assert [rollouts.stage_of((10, 50, 100), stage, is_back=False) for stage in (0, 1, 2, 3)] == [10, 50, 100, 100]
    assert rollouts.stage_of((10, 50, 100), 0, is_back=True) == 100


def vars_of(now: Moves) -> list[int]:
    """All numbers of the moves."""
    return [getattr(now, name) for name in Moves.__slots__]
