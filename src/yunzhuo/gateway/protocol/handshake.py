"""What a session's handshake is to the relay, whatever the screen speaks: bytes come from either side, and go to either."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Turn:
    """What is sent now, to whom."""

    to_viewer: bytes = b""
    to_screen: bytes = b""


class Handshake(Protocol):
    """Stands between viewer and screen until both may be left alone with each other.

    The relay writes ``greeting`` to the viewer first, and reads the screen meanwhile only if ``reads_screen``. Both methods
    take bytes in any portions, and raise ScreenError when the handshake cannot come to a good end.
    """

    @property
    def greeting(self) -> bytes: ...

    @property
    def reads_screen(self) -> bool: ...

    @property
    def done(self) -> bool:
        """Whether it has come to a good end; from then on bytes pass by it."""
        ...

    def from_viewer(self, data: bytes) -> Turn: ...

    def from_screen(self, data: bytes) -> Turn: ...
