"""The difference between how things are and how a document says they are to be: whole, and never more than that."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.rules import configuration
from yunzhuo.services.rules.configuration import Difference, Fields, Key, Piece, Step, StepKind

KEYS = st.builds(Key, st.sampled_from(Piece), st.sampled_from("abcd"))
VALUES = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "x"]) | st.lists(st.sampled_from("xy")).map(tuple)
FIELDS = st.dictionaries(st.sampled_from(["one", "two", "three"]), VALUES, min_size=1)
STATES = st.dictionaries(KEYS, FIELDS, max_size=8)
WANTED = st.dictionaries(KEYS, st.none() | FIELDS, max_size=8)
DEFAULTS: Mapping[Piece, Fields] = {Piece.POOL: {"one": 1, "two": ()}}


def plain(state: Mapping[Key, Fields]) -> dict[Key, dict[str, object]]:
    """Without what says nothing, and so that 0 is not False."""
    return {key: {name: repr(value) for name, value in said.items() if value is not None} for key, said in state.items()}


@given(STATES, STATES)
def test_a_whole_document_that_may_remove_all_is_what_there_is_afterwards(
    a: Mapping[Key, Fields], b: Mapping[Key, Fields]
) -> None:
    whole = {key: {**dict.fromkeys(a.get(key, {})), **said} for key, said in b.items()}
    steps = configuration.plan(a, whole, {}, a.keys())
    assert plain(configuration.after(a, steps)) == plain(b)
    assert configuration.plan(b, b, DEFAULTS, b.keys()) == []


@given(STATES, WANTED, st.sets(KEYS))
def test_the_second_time_there_is_no_difference_and_what_is_not_mentioned_stays(
    present: Mapping[Key, Fields], wanted: Mapping[Key, Fields | None], removable: set[Key]
) -> None:
    steps = configuration.plan(present, wanted, DEFAULTS, removable)
    after = configuration.after(present, steps)
    assert configuration.plan(after, wanted, DEFAULTS, removable) == []
    for key, fields in present.items():
        if key not in wanted:
            assert (key in after) is (key not in removable)
            assert key not in after or after[key] == fields
    for key, said in wanted.items():
        if said is None:
            assert key not in after
        else:
            assert plain({key: after[key]})[key].items() >= plain({key: said})[key].items()
            left = {name: value for name, value in present.get(key, {}).items() if name not in said}
            assert plain({key: after[key]})[key].items() >= plain({key: left})[key].items()


@given(STATES, WANTED, st.sets(KEYS))
def test_steps_come_in_an_order_in_which_they_can_be_done(
    present: Mapping[Key, Fields], wanted: Mapping[Key, Fields | None], removable: set[Key]
) -> None:
    steps = configuration.plan(present, wanted, DEFAULTS, removable)
    kinds = list(Piece)
    made = [kinds.index(step.key.kind) for step in steps if step.deed is not StepKind.REMOVE]
    gone = [kinds.index(step.key.kind) for step in steps if step.deed is StepKind.REMOVE]
    assert made == sorted(made)
    assert gone == sorted(gone, reverse=True)
    assert [step.deed is StepKind.REMOVE for step in steps] == [False] * len(made) + [True] * len(gone)
    assert len({step.key for step in steps}) == len(steps)
    assert all(step.differences for step in steps if step.deed is StepKind.CHANGE)


@given(STATES, WANTED, WANTED)
def test_another_difference_has_another_fingerprint(
    present: Mapping[Key, Fields], one: Mapping[Key, Fields | None], other: Mapping[Key, Fields | None]
) -> None:
    first, second = (configuration.plan(present, each, DEFAULTS) for each in (one, other))
    is_same = repr(first) == repr(second)
    assert (configuration.fingerprint(first, {}) == configuration.fingerprint(second, {})) is is_same
    assert configuration.fingerprint(first, {"image": "a"}) != configuration.fingerprint(first, {"image": "b"})


def test_a_difference_is_told_field_by_field() -> None:
    room, new = Key(Piece.POOL, "Room 302"), Key(Piece.POOL, "Room 303")
    present: Mapping[Key, Fields] = {room: {"capacity": 40, "spares": 2, "is_on": False}}
    wanted: Mapping[Key, Fields | None] = {new: {"capacity": 3}, room: {"spares": 0, "is_on": 0, "capacity": 40}}
    assert configuration.plan(present, wanted, {Piece.POOL: {"spares": 1}}) == [
        Step(StepKind.ADD, new, (Difference("spares", None, 1), Difference("capacity", None, 3))),
        Step(StepKind.CHANGE, room, (Difference("spares", 2, 0), Difference("is_on", False, 0))),
    ]
