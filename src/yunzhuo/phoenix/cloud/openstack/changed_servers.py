"""Word of changes where Nova sends none: all servers of a project that changed lately are asked for at once, every two seconds.

What has changed since a moment is little and costs Nova little, however many servers there are; and one such call stands
for the looks of everybody who waits (ADR 40).
"""

import threading
import time
from datetime import UTC, datetime, timedelta

from yunzhuo.phoenix.cloud.notice_interface import Heard, Notice
from yunzhuo.phoenix.cloud.openstack.places import Place, Places

_EVERY_SECONDS = 2.0
# Nova writes whole seconds, and its clocks and ours may differ a little. Whoever misses a change sees it in the list.
_OVERLAP = timedelta(seconds=10)


class ChangedServers:
    """See ``Notices`` of the interface for the promises. One thread listens at a time."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._listening = threading.Lock()
        self._since = datetime.now(UTC)
        self._next_at = time.monotonic()
        self._known: dict[str, str] = {}

    def listen(self, seconds: float) -> Heard:
        with self._listening:
            pause = self._next_at - time.monotonic()
            if pause > 0:
                time.sleep(min(pause, seconds))
            if pause > seconds:
                return Heard()
            return self._ask()

    def close(self) -> None:
        """Nothing is held."""

    def _ask(self) -> Heard:
        self._next_at = time.monotonic() + _EVERY_SECONDS
        now = datetime.now(UTC)
        found = dict(self._places.gather(lambda place: _changed(place, self._since - _OVERLAP)))
        news = [server_id for server_id, how in found.items() if self._known.get(server_id) != how]
        self._since, self._known = now, found
        return Heard(tuple(Notice(server_id) for server_id in news), received=len(news))


def _changed(place: Place, moment: datetime) -> list[tuple[str, str]]:
    return [(place.full_id(own_id), how) for own_id, how in place.servers.changed_since(moment).items()]
