"""The portal as people meet it: a whole Yunzhuo on the memory cloud, with a painted screen behind every desktop."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.painted_screen import PaintedScreen, painted_screen
from tests.support.running import PASSWORD, Running, running_yunzhuo

from yunzhuo.phoenix.cloud.memory import Control, control

__all__ = ["PASSWORD", "Portal", "portal"]


@dataclass(frozen=True)
class Portal:
    """What browser tests need. ``weather`` is the other side of the cloud: its pace and its faults."""

    running: Running
    weather: Control
    screen: PaintedScreen

    @property
    def url(self) -> str:
        """The portal's address."""
        return self.running.url


@contextmanager
def portal(home: Path) -> Iterator[Portal]:
    """A portal that is ready, in a folder and on ports of its own."""
    with painted_screen() as screen, running_yunzhuo(home, CLOUD__DRIVER="memory", CLOUD__POLL_SECONDS="0.3") as running:
        weather = control(running.settings())
        weather.change_options(console_port=screen.port)
        try:
            yield Portal(running, weather, screen)
        finally:
            weather.close()
