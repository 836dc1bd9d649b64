"""Who is let in next: limits hold, nothing stands idle, nobody starves."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.rules import admission
from yunzhuo.services.rules.admission import Limits, Line, Place, Standing

START = datetime(2026, 3, 2, tzinfo=UTC)
places = st.builds(
    Place, st.sampled_from(["o1", "o2", "o3"]), st.sampled_from(list("abcd")), st.sampled_from([None, "h1", "h2"])
)
limits = st.builds(
    Limits,
    cloud=st.none() | st.integers(0, 20),
    host=st.none() | st.integers(0, 4),
    organization=st.none() | st.integers(0, 8),
)


@st.composite
def queues(draw: st.DrawFn) -> list[Line]:
    chosen = draw(st.lists(places, unique=True, max_size=12))
    return [Line(place, START + timedelta(seconds=draw(st.integers(0, 9))), draw(st.integers(1, 15))) for place in chosen]


def usage() -> st.SearchStrategy[dict[Place, int]]:
    return st.dictionaries(places, st.integers(1, 6), max_size=6)


def counted(in_use: dict[Place, int], let_in: list[Place]) -> Counter[Place]:
    counts = Counter(in_use)
    counts.update(let_in)
    return counts


def of(counts: Counter[Place], **wanted: str) -> int:
    return sum(n for place, n in counts.items() if all(getattr(place, name) == value for name, value in wanted.items()))


@given(queues(), usage(), limits)
def test_limits_hold_and_nothing_stands_idle(lines: list[Line], in_use: dict[Place, int], bounds: Limits) -> None:
    room = admission.room(bounds, sum(in_use.values()), 0)
    let_in = [place for place, _ in zip(admission.order(Standing(lines, in_use), bounds), range(room), strict=False)]
    before, after, taken = Counter(in_use), counted(in_use, let_in), Counter(let_in)
    for line in lines:
        assert taken[line.place] <= line.length
    if bounds.cloud is not None:
        assert not let_in or after.total() <= bounds.cloud
    for place in let_in:
        organization, host = of(after, organization_id=place.organization_id), place.host
        assert bounds.organization is None or organization <= bounds.organization
        assert bounds.host is None or host is None or of(after, host=host) <= bounds.host
    if len(let_in) < room:  # whoever waits still is held back by an organization's or a host's limit
        for line in lines:
            if taken[line.place] < line.length:
                host = line.place.host
                is_full = (
                    bounds.organization is not None
                    and of(after, organization_id=line.place.organization_id) >= bounds.organization
                )
                is_host_full = host is not None and bounds.host is not None and of(after, host=host) >= bounds.host
                assert is_full or is_host_full, (line, before, after)


@given(queues(), usage(), st.integers(0, 30))
def test_nobody_is_let_in_while_somebody_waits_who_has_less(lines: list[Line], in_use: dict[Place, int], room: int) -> None:
    let_in = [place for place, _ in zip(admission.order(Standing(lines, in_use)), range(room), strict=False)]
    after, taken = counted(in_use, let_in), Counter(let_in)
    waiting = [line.place for line in lines if taken[line.place] < line.length]
    for place in set(let_in):
        for other in waiting:
            theirs = of(after, organization_id=place.organization_id)
            assert theirs <= of(after, organization_id=other.organization_id) + 1
            if place.organization_id == other.organization_id:
                has = of(after, organization_id=place.organization_id, user_id=place.user_id)
                assert has <= of(after, organization_id=other.organization_id, user_id=other.user_id) + 1


def test_five_hundred_for_a_class_do_not_starve_one_student() -> None:
    lines = [Line(Place("school", "teacher"), START, 500), Line(Place("school", "student"), START + timedelta(hours=1), 1)]
    in_use = {Place("school", "teacher"): 24}
    assert next(admission.order(Standing(lines, in_use))) == Place("school", "student")
    wanted = {"student": (Place("school", "student"), 1), "last": (Place("school", "teacher"), 500)}
    assert admission.positions(Standing(lines, in_use), wanted) == {"student": 1, "last": 501}


def test_organizations_take_turns_whatever_their_number_of_people() -> None:
    lines = [Line(Place("large", f"p{n}"), START, 3) for n in range(50)] + [Line(Place("small", "p"), START, 10)]
    first = [place.organization_id for place, _ in zip(admission.order(Standing(lines, {})), range(20), strict=False)]
    assert Counter(first) == {"large": 10, "small": 10}


@pytest.mark.slow
@given(st.integers(1, 6), st.lists(st.tuples(st.sampled_from(["o1", "o2"]), st.integers(0, 3)), max_size=60))
def test_nobody_starves_while_others_keep_coming(slots: int, arrivals: list[tuple[str, int]]) -> None:
    """Whoever has nothing going on is let in before all who came after them, however many that are."""
    student = Place("o1", "student")
    waiting: dict[Place, list[datetime]] = {student: [START]}
    going_on = [Place("o1", "class")] * slots
    waiting[Place("o1", "class")] = [START - timedelta(hours=1)] * 500
    served: dict[Place, datetime] = {}
    organizations_served: dict[str, datetime] = {}
    rounds = 0
    while student in waiting:
        rounds += 1
        assert rounds <= 2 * slots + 2, "passed by those who came later"
        now = START + timedelta(seconds=rounds)
        for organization, n in arrivals[:3]:
            waiting.setdefault(Place(organization, f"new-{rounds}-{n}"), [now])
        arrivals = arrivals[3:]
        del going_on[0]  # every operation ends, sooner or later
        lines = [Line(place, times[0], len(times), served.get(place)) for place, times in waiting.items()]
        place = next(admission.order(Standing(lines, Counter(going_on), organizations_served)))
        going_on.append(place)
        served[place] = organizations_served[place.organization_id] = now
        waiting[place].pop(0)
        if not waiting[place]:
            del waiting[place]


@given(queues(), usage())
def test_positions_are_the_order(lines: list[Line], in_use: dict[Place, int]) -> None:
    served: Counter[tuple[str, str]] = Counter()
    expected = {}
    for position, place in enumerate(admission.order(Standing(lines, in_use)), start=1):
        served[place.organization_id, place.user_id] += 1
        expected[f"{place.organization_id} {place.user_id} {served[place.organization_id, place.user_id]}"] = position
    wanted = {name: (Place(*name.split()[:2]), int(name.split()[2])) for name in expected}
    assert admission.positions(Standing(lines, in_use), wanted) == expected
    assert len(expected) == sum(line.length for line in lines)


def test_pace_and_expected_time() -> None:
    assert admission.room(Limits(cloud=10), 4, 99) == 6
    assert admission.room(Limits(cloud=10, per_second=3), 4, 1) == 2
    assert admission.room(Limits(per_second=0.2), 0, 0) == 1
    assert admission.room(Limits(cloud=3), 7, 0) == 0
    assert admission.room(Limits(), 10**6, 10**6) > 10**5
    assert admission.expected_wait_seconds(25, 24, 10.0) == 20.0
    assert admission.expected_wait_seconds(1, 24, 10.0) == 10.0
    assert admission.expected_wait_seconds(1, 24, None) is None
    assert admission.expected_wait_seconds(1, 0, 10.0) is None
    assert admission.expected_wait_seconds(2, 1, 10.0) == 20.0
    assert admission.room(Limits(per_second=3), 9, 3) == 0
    assert admission.room(Limits(per_second=2.5), 9, 1) == 1
    assert admission.room(Limits(cloud=4), 4, 0) == 0
    assert admission.room(Limits(cloud=4), 3, 0) == 1


def let_in(standing: Standing, bounds: Limits | None = None) -> list[str]:
    return [place.user_id for place in admission.order(standing, bounds or Limits())]


def test_of_equals_it_is_the_turn_of_who_has_waited_longest() -> None:
    early, late = Line(Place("o", "early"), START, 2), Line(Place("o", "late"), START + timedelta(seconds=1), 2)
    assert let_in(Standing([late, early], {})) == ["early", "late", "early", "late"]
    served = Line(Place("o", "early"), START, 2, last_served=START + timedelta(seconds=2))
    assert let_in(Standing([served, late], {})) == ["late", "early", "late", "early"]
    long_ago = Line(Place("o", "early"), START, 1, last_served=START - timedelta(seconds=2))
    assert long_ago.since == START
    assert served.since == START + timedelta(seconds=2)


def test_of_organizations_too() -> None:
    one, two = Line(Place("one", "a"), START, 1), Line(Place("two", "b"), START + timedelta(seconds=1), 1)
    assert let_in(Standing([two, one], {})) == ["a", "b"]
    assert let_in(Standing([one, two], {}, {"one": START + timedelta(seconds=2)})) == ["b", "a"]
    assert let_in(Standing([one, two], {}, {"one": START - timedelta(seconds=2)})) == ["a", "b"]
    assert let_in(Standing([one, two], {Place("one", "x"): 1})) == ["b", "a"]
    assert let_in(Standing([one, two], {Place("one", "x"): 1}), Limits(organization=1)) == ["b"]


def test_a_persons_oldest_goes_first_unless_its_host_is_full() -> None:
    here, there = Place("o", "a", "h1"), Place("o", "a", "h2")
    lines = [Line(there, START + timedelta(seconds=1), 1), Line(here, START, 2)]
    assert list(admission.order(Standing(lines, {}))) == [here, here, there]
    assert list(admission.order(Standing(lines, {}), Limits(host=1))) == [here, there]
    assert list(admission.order(Standing(lines, {Place("p", "x", "h1"): 1}), Limits(host=1))) == [there]
    nowhere = [Line(Place("o", "a"), START, 3)]
    assert len(list(admission.order(Standing(nowhere, {Place("o", "a"): 9}), Limits(host=1)))) == 3
    other = Line(Place("o", "b", "h2"), START + timedelta(seconds=5), 1)
    full = Standing([Line(here, START, 1), other], {Place("p", "x", "h1"): 1})
    assert let_in(full, Limits(host=1)) == ["b"], "nobody waits behind somebody whose host is full"


def test_only_the_places_that_were_asked_for_are_told() -> None:
    lines = [Line(Place("o", "a"), START, 2), Line(Place("o", "b"), START + timedelta(seconds=1), 2)]
    standing = Standing(lines, {})
    wanted = {"mine": (Place("o", "a", "h1"), 2), "same": (Place("o", "a"), 2), "none": (Place("o", "c"), 1)}
    assert admission.positions(standing, wanted) == {"mine": 3, "same": 3}
    assert admission.positions(standing, {}) == {}
    assert admission.positions(Standing([], {}), wanted) == {}
