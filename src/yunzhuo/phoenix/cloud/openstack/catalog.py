"""Lists that change rarely (flavors, images, networks), kept for a while: every create needs all three."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class Catalog(Generic[_Item]):
    """What ``ask`` answers, believed for ``seconds``; safe for threads, of which one asks and the others wait for it."""

    def __init__(self, ask: Callable[[], Sequence[_Item]], *, seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._lock = threading.Lock()
        self._items: Sequence[_Item] = ()
        self._asked_at: float | None = None

    def items(self) -> Sequence[_Item]:
        """The list, at most as old as it may be."""
        with self._lock:
            if self._asked_at is None or time.monotonic() - self._asked_at > self._seconds:
                self._read()
            return self._items

    def find(self, is_it: Callable[[_Item], bool]) -> _Item | None:
        """The first that it is; one that is not there is looked for in a new list before that is believed."""
        began = time.monotonic()
        found = next(filter(is_it, self.items()), None)
        if found is not None:
            return found
        with self._lock:
            if self._asked_at is None or self._asked_at < began:
                self._read()
            return next(filter(is_it, self._items), None)

    def forget(self) -> None:
        """Ask anew at the next use."""
        with self._lock:
            self._asked_at = None

    def _read(self) -> None:
        self._items = tuple(self._ask())
        self._asked_at = time.monotonic()


def chosen(items: Sequence[_Item], wanted: Sequence[str], names_of: Callable[[_Item], tuple[str, str]]) -> Sequence[_Item]:
    """Those whose id or name the settings want, in the settings' order; all, where they want none."""
    if not wanted:
        return items
    return [item for word in wanted for item in items if word in names_of(item)]
