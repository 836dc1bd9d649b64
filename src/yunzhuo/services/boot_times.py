"""How long systems take from running to ready: what is known of it says when a look at the next one is worth its call."""

import threading
from collections import deque
from typing import NamedTuple

from yunzhuo.services.rules.lifecycle import Action

_LAST = 8
_KINDS_MAX = 500


class Boot(NamedTuple):
    """What a boot's time depends on, besides how busy its host is."""

    image_cloud_id: str
    flavor_cloud_id: str
    action: Action


class BootTimes:
    """The last boots that this process saw the end of, in seconds, for several threads.

    Kept in memory alone: where nothing is known yet, guests are looked at as whatever takes its time is.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[Boot, deque[float]] = {}

    def note(self, boot: Boot, seconds: float) -> None:
        """A system was found ready after so long."""
        with self._lock:
            last = self._seconds.pop(boot, None) or deque(maxlen=_LAST)
            last.append(seconds)
            self._seconds[boot] = last  # the latest is the last, the first is the one to forget
            while len(self._seconds) > _KINDS_MAX:
                del self._seconds[next(iter(self._seconds))]

    def least(self, boot: Boot) -> float | None:
        """The shortest of the last ones: others had a busy host. None: nothing is known."""
        with self._lock:
            last = self._seconds.get(boot)
            return min(last) if last else None
