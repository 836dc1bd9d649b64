"""What a session may do, as far as a relay can see to it. docs/explanation/gateway.md says what is enforced where."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything allowed unless something else is said. ``kib_per_second`` 0: as fast as it goes, toward the viewer."""

    view_only: bool = False
    clipboard_to_desktop: bool = True
    clipboard_from_desktop: bool = True
    file_transfer: bool = True
    usb: bool = True
    kib_per_second: int = 0

    @property
    def watches_agent(self) -> bool:
        """Whether what SPICE's agent is told has to be looked at."""
        return not (self.clipboard_to_desktop and self.clipboard_from_desktop and self.file_transfer) or self.view_only


EVERYTHING = Policy()


class Messages(Protocol):
    """One direction of a connection, looked at message by message. ``receive`` takes bytes in any portions and gives back
    what goes on. Raises ScreenError when the peer says what must not be said."""

    def receive(self, data: bytes) -> bytes: ...


# Called when a person has moved the mouse or pressed a key.
NoteInput = Callable[[], None]
