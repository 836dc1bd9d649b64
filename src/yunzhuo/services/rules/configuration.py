"""What is different between how things are and how a document says they are to be, step by step and field by field.

A document says what it mentions, and nothing of the rest: what it does not name stays, and of what it names so do the fields
that it leaves out.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum

Value = str | int | bool | None | tuple[str, ...]
Fields = Mapping[str, Value]


class Piece(StrEnum):
    """What a document is about, in the order in which it is made: a schedule may be about a pool of the same document."""

    POOL = "pool"
    SCHEDULE = "schedule"
    QUOTA = "quota"


class StepKind(StrEnum):
    """What is done with one thing."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Key:
    """Which thing: a pool or a schedule by its ``name``, a quota by whom it is ``of``, what they are called, and its
    ``resource``."""

    kind: Piece
    name: str
    of: str = ""
    resource: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field before and after; None: nothing is said there."""

    field: str
    before: Value
    after: Value


@dataclass(frozen=True, slots=True)
class Step:
    """What is done with one thing, and what of it is another way afterwards; never without a difference but for a removal."""

    deed: StepKind
    key: Key
    differences: tuple[Difference, ...]


State = Mapping[Key, Fields]
# None: it is to be gone.
Wanted = Mapping[Key, Fields | None]


def plan(present: State, wanted: Wanted, defaults: Mapping[Piece, Fields], removable: Set[Key] = frozenset()) -> Sequence[Step]:
    """The steps that bring what is ``present`` to what is ``wanted``, in the order in which they can be done.

    What is made has ``defaults`` where the document says nothing. Of ``removable`` goes what the document does not mention.
    """
    made: list[Step] = []
    gone = [key for key in present if key in removable and key not in wanted]
    for key, fields in wanted.items():
        if fields is None:
            gone += [key] if key in present else []
        elif key not in present:
            made.append(Step(StepKind.ADD, key, _differences({}, {**defaults.get(key.kind, {}), **fields})))
        elif differences := _differences(present[key], fields):
            made.append(Step(StepKind.CHANGE, key, differences))
    kinds = list(Piece)
    made.sort(key=lambda step: kinds.index(step.key.kind))
    # What is about something goes before it.
    gone.sort(key=lambda key: -kinds.index(key.kind))
    return [*made, *(Step(StepKind.REMOVE, key, _differences(present[key], dict.fromkeys(present[key]))) for key in gone)]


def after(present: State, steps: Sequence[Step]) -> State:
    """How things are when all steps are done."""
    found = {key: dict(fields) for key, fields in present.items()}
    for step in steps:
        if step.deed is StepKind.REMOVE:
            del found[step.key]
        else:
            found.setdefault(step.key, {}).update({each.field: each.after for each in step.differences})
    return found


def fingerprint(steps: Sequence[Step], meant: Mapping[str, str]) -> str:
    """What tells one plan from every other: its steps, and the ids that its names mean now."""
    told = [[step.deed, step.key.kind, step.key.name, step.key.of, step.key.resource, _told(step)] for step in steps]
    text = json.dumps([told, sorted(meant.items())], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _told(step: Step) -> list[list[object]]:
    return [[each.field, each.before, each.after] for each in step.differences]


def _differences(before: Fields, after_it: Fields) -> tuple[Difference, ...]:
    return tuple(
        Difference(name, before.get(name), value) for name, value in after_it.items() if _is_other(before.get(name), value)
    )


def _is_other(one: Value, other: Value) -> bool:
    """As JSON has it: ``0`` is not ``false``."""
    return one != other or isinstance(one, bool) is not isinstance(other, bool)
