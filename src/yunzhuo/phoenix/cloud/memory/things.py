"""What people have made in the cloud beside servers and volumes: records of one kind each, in the order of their making."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from yunzhuo.phoenix.cloud.memory.state import Transaction


class Thing(BaseModel):
    """Frozen; what changes is a copy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str


_Thing = TypeVar("_Thing", bound=Thing)


def read_all(transaction: Transaction, kind: type[_Thing]) -> Sequence[_Thing]:
    """All of a kind."""
    rows = transaction.rows("SELECT record FROM things WHERE kind = ? ORDER BY number", kind.__name__)
    return tuple(kind.model_validate_json(row[0]) for row in rows)


def read(transaction: Transaction, kind: type[_Thing], thing_id: str) -> _Thing | None:
    """One, or None."""
    row = transaction.row("SELECT record FROM things WHERE kind = ? AND id = ?", kind.__name__, thing_id)
    return kind.model_validate_json(row[0]) if row else None


def write(transaction: Transaction, thing: Thing) -> None:
    """Keep one, new or changed."""
    transaction.execute(
        "INSERT INTO things (kind, id, record) VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET record = excluded.record",
        type(thing).__name__,
        thing.id,
        thing.model_dump_json(),
    )


def remove(transaction: Transaction, kind: type[Thing], thing_id: str) -> None:
    """Forget one that may be there."""
    transaction.execute("DELETE FROM things WHERE kind = ? AND id = ?", kind.__name__, thing_id)
