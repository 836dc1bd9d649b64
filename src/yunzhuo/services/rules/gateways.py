"""Which gateway somebody is sent to: a well one, and of those the one with the most room."""

from collections.abc import Sequence
from dataclasses import dataclass

# What a gateway takes that has not said it yet.
_USUAL_CAPACITY = 2000


@dataclass(frozen=True, slots=True)
class Door:
    """A gateway that may be given sessions, in the order of their age. ``is_new``: it has never reported."""

    id: str
    is_well: bool
    is_new: bool
    sessions: int
    capacity: int | None

    @property
    def load(self) -> float:
        """How full it is: 1.0 takes no more."""
        return self.sessions / (self.capacity or _USUAL_CAPACITY)


def choose(doors: Sequence[Door]) -> str | None:
    """The gateway for one more session; None: there is none.

    Those that report come before those that never did; one that stopped reporting is asked only if there is no other: its
    way to the manager may be broken while people still reach it, and then it refuses in words. A full one is left out while
    another has room.
    """
    for among in (
        [door for door in doors if door.is_well and door.load < 1],
        [door for door in doors if door.is_new and door.load < 1],
        list(doors),
    ):
        if among:
            return min(among, key=lambda door: door.load).id
    return None
