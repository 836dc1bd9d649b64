"""Reading a growing table to its end, again and again, without losing a row whose number came before its commit.

A database hands out numbers when rows are written, and shows rows when they are committed: number 11 may be seen before
number 10. So a missing number is waited for, for a while: most come, and those of transactions that failed never do.
"""

from collections.abc import Sequence

from yunzhuo.services.events import EventView
from yunzhuo.services.rules.event_order import GAP

GAP_SECONDS = GAP.total_seconds()


class Tail:
    """What has been read so far. Everything up to :attr:`position` is done with; read on from there."""

    def __init__(self, position: int, *, gap_seconds: float = GAP_SECONDS) -> None:
        self.position = position
        self._gap_seconds = gap_seconds
        self._seen_at: dict[int, float] = {}

    def fresh(self, read: Sequence[EventView], now: float) -> list[EventView]:
        """Those of ``read`` (the events after :attr:`position`) that were not answered before. ``now`` is any steady clock's
        seconds."""
        fresh = [event for event in read if event.id > self.position and event.id not in self._seen_at]
        self._seen_at.update((event.id, now) for event in fresh)
        for event_id in sorted(self._seen_at):
            if event_id != self.position + 1 and now - self._seen_at[event_id] < self._gap_seconds:
                break
            self.position = event_id
            del self._seen_at[event_id]
        return fresh
