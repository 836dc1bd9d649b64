"""Which gateway somebody is sent to."""

from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.rules.gateways import Door, choose

DOORS = st.lists(
    st.builds(
        Door,
        id=st.uuids().map(str),
        is_well=st.booleans(),
        is_new=st.booleans(),
        sessions=st.integers(0, 20),
        capacity=st.none() | st.integers(1, 10),
    ),
    max_size=6,
)


def door(id: str, *, is_well: bool = True, is_new: bool = False, sessions: int = 0, capacity: int | None = 10) -> Door:
    return Door(id, is_well, is_new, sessions, capacity)


@given(DOORS)
def test_a_well_one_with_the_most_room_before_all_others(doors: list[Door]) -> None:
    chosen = choose(doors)
    if not doors:
        assert chosen is None
        return
    by_id = {each.id: each for each in doors}
    among = [each for each in doors if each.is_well and each.load < 1]
    among = among or [each for each in doors if each.is_new and each.load < 1] or doors
    assert chosen is not None
    assert by_id[chosen] in among
    assert by_id[chosen].load == min(each.load for each in among)


def test_the_order_of_resorts() -> None:
    well, new, silent = door("well", sessions=9), door("new", is_well=False, is_new=True), door("silent", is_well=False)
    assert choose([silent, new, well]) == "well"
    assert choose([silent, new, door("full", sessions=10)]) == "new"
    assert choose([silent, door("full new", is_well=False, is_new=True, sessions=10)]) == "silent"
    assert choose([door("full", sessions=12), door("fuller", sessions=15)]) == "full"
    assert choose([]) is None


def test_one_that_has_not_said_what_it_takes_takes_two_thousand() -> None:
    assert door("a", sessions=1000, capacity=None).load == 0.5
    assert door("b", sessions=1, capacity=2).load == 0.5
    assert choose([door("a", sessions=1000, capacity=None), door("b", sessions=1, capacity=2)]) == "a", "the older of equals"
