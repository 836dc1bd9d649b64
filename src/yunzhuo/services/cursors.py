"""Where a list goes on: a time and an id, in a text that means nothing to whoever keeps it."""

import base64
import contextlib
from datetime import UTC, datetime

from yunzhuo.phoenix.common.errors import InvalidInput


def after(created_at: datetime, row_id: str) -> str:
    """The cursor of what comes after a row."""
    return base64.urlsafe_b64encode(f"{created_at.isoformat()} {row_id}".encode()).decode()


def after_value(value: str, row_id: str) -> str:
    """The cursor of what comes after a row in a list that is sorted by a text."""
    return base64.urlsafe_b64encode(f"{row_id} {value}".encode()).decode()


def value_place(cursor: str) -> tuple[str, str]:
    """The text and the id that :func:`after_value` was given. Raises InvalidInput for what is no cursor of ours."""
    with contextlib.suppress(ValueError):
        row_id, value = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().split(" ", 1)
        return value, row_id
    raise _not_ours()


def place(cursor: str) -> tuple[datetime, str]:
    """The row that a cursor stands for. Raises InvalidInput for what is no cursor of ours."""
    with contextlib.suppress(ValueError, OverflowError):  # what is no base64, no UTF-8, no pair, no time; a time beyond all
        created_at, row_id = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().split(" ")
        moment = datetime.fromisoformat(created_at)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC), row_id
    raise _not_ours()


def _not_ours() -> InvalidInput:
    return InvalidInput("This is not a cursor of ours.", fields={"cursor": "Take it from next_cursor of the page before."})
