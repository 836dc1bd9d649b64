"""The part of the interface by which a cloud tells of changes itself; see ``interface.py`` for the promises common to all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Notice:
    """A hint that a server of this id may be another than it was. ``sent_at`` by the sender's clock, where it says so.

    It may be lost, doubled, late, out of order, or somebody's invention: whoever wants to know how the server is looks at it.
    """

    server_id: str
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What came while somebody listened.

    ``received`` counts all that came, also of what is nobody's business here; ``unreadable`` what could not be understood.
    """

    notices: Sequence[Notice] = ()
    received: int = 0
    unreadable: int = 0


class Notices(Protocol):
    """Word of changes to servers of our project, among which there may be others' of the same project."""

    def listen(self, seconds: float) -> Heard:
        """Wait for word, for at most ``seconds``; return as soon as some has come.

        What is sent between two calls is not lost, unless they are a minute apart. Raises CloudNotOffered where the cloud does
        not tell, CloudUnavailable while nothing can be heard; asked again, it tries again, at its own pace.
        """
        ...
