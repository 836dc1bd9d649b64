"""Where the lines go that the supervisor has for people: a terminal, the journal, Windows' event log."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How serious a line is, with the numbers of syslog(3)."""

    ERROR = 3
    WARNING = 4
    INFO = 6
    DEBUG = 7


@dataclass(frozen=True, slots=True)
class Console:
    """``write`` takes a line without its end. ``takes_all``: every line of every process, as a journal does, not only what is
    worth a person's attention now.
    """

    write: Callable[[Level, str], None]
    takes_all: bool = False
