"""The servers this host process knows, by id and by tag."""

import time
from collections.abc import Iterator

from yunzhuo.host.capacity import Reserve, measure, require_disk, require_room
from yunzhuo.host.engine import Engine
from yunzhuo.host.entries import Entry
from yunzhuo.host.machine import Machine
from yunzhuo.phoenix.cloud.errors import ServerNotFound

_COMES_UP_SECONDS = 120.0


class Registry:
    """All entries. ``last_busy_at`` tells when (monotonic seconds) a person last waited for a machine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._entries: dict[str, Entry] = {}
        self._last_asked_at = float("-inf")

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, server_id: str) -> Entry:
        """Raises ServerNotFound."""
        try:
            return self._entries[server_id]
        except KeyError:
            raise ServerNotFound(server_id) from None

    def find(self, server_id: str) -> Entry | None:
        """The entry, or None."""
        return self._entries.get(server_id)

    def tagged(self, desktop_id: str) -> Entry | None:
        """The server of this desktop, or None."""
        return next((entry for entry in self._entries.values() if entry.record.desktop_id == desktop_id), None)

    def add(self, entry: Entry) -> None:
        """Know a server from now on."""
        self._entries[entry.id] = entry

    def drop(self, entry: Entry) -> None:
        """Know it no more."""
        self._entries.pop(entry.id, None)

    def goldens_in_use(self) -> set[str]:
        """Builds that a server's disk stands on."""
        return {entry.record.golden for entry in self._entries.values() if entry.record.golden is not None}

    def last_busy_at(self) -> float:
        """Now while a machine is being made or its desktop may be about to come up."""
        is_waited_for = any(entry.change or (entry.running and _is_coming_up(entry.running)) for entry in self)
        return time.monotonic() if is_waited_for else self._last_asked_at

    def require_disk(self, size_mib: int) -> None:
        """Raises NoCapacity unless ``size_mib`` more can be written to disk."""
        settings = self._engine.settings
        require_disk(size_mib, measure(self._engine.layout.root), settings.disk_reserve_mib)

    def require_room(self, memory_mib: int) -> None:
        """Raises NoCapacity unless another machine of ``memory_mib`` fits."""
        self._last_asked_at = time.monotonic()
        settings = self._engine.settings
        reserve = Reserve(memory_mib=settings.memory_reserve_mib, disk_mib=settings.disk_reserve_mib)
        require_room(memory_mib, measure(self._engine.layout.root), reserve, (entry.promised_mib for entry in self))


def _is_coming_up(machine: Machine) -> bool:
    # One that has not come up by then may never do so, and must not keep us from everything else.
    return not machine.readiness.is_ready and machine.readiness.age_seconds < _COMES_UP_SECONDS
