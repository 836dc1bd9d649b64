"""As many bytes a second as a policy allows, and no more."""

import asyncio
from collections.abc import Callable
from typing import Final

# So much may be sent at once after a quiet moment: a click's answer should not wait.
_BURST_SECONDS: Final = 0.25


class Pace:
    """A bucket that fills with ``rate`` bytes a second. It may be overdrawn by one read, and calls ``look_again`` once it is
    filled again."""

    __slots__ = ("_at", "_look_again", "_rate", "_room", "_timer")

    def __init__(self, rate: int, look_again: Callable[[], None]) -> None:
        self._rate = rate
        self._look_again = look_again
        self._room = rate * _BURST_SECONDS
        self._at = asyncio.get_running_loop().time()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def has_room(self) -> bool:
        """Whether anything may be sent now."""
        return self._timer is None

    def spend(self, size: int) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._room = min(self._room + (now - self._at) * self._rate, self._rate * _BURST_SECONDS) - size
        self._at = now
        if self._room < 0 and self._timer is None:
            self._timer = loop.call_later(-self._room / self._rate, self._filled)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _filled(self) -> None:
        self._timer = None
        self._look_again()
