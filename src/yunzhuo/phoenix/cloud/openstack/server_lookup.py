"""Looking at servers: whatever is asked for by id, tag or list, only ours are ever seen."""

import re
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from yunzhuo.phoenix.cloud.errors import ServerNotFound
from yunzhuo.phoenix.cloud.openstack.connection import Connection
from yunzhuo.phoenix.cloud.openstack.server_states import Seen, desktop_tag, read, telling
from yunzhuo.phoenix.common.errors import NotFound

_SERVER_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DESKTOP_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")


_OURS_SECONDS = 60.0  # a tag stays; this bounds what is remembered
#: How long a server that was seen to start is believed to start still. Whoever wakes one up meanwhile by another process than
#: this one has it ready so much later at worst.
_STARTING_SECONDS = 3.0
# After these a guest goes on where it was, and says nothing new.
_GOES_ON = frozenset({"resume", "unpause", "live-migration"})
# And after these it starts.
_STARTS = frozenset(
    {
        *("create", "start", "reboot", "rebuild", "resize", "confirmResize", "revertResize"),
        *("unshelve", "unrescue", "migrate"),
    }
)


class _Recent:
    """Servers that something was seen of in the last ``seconds``, for several threads."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._seen_at: dict[str, float] = {}

    def has(self, server_id: str) -> bool:
        with self._lock:
            seen_at = self._seen_at.get(server_id)
        return seen_at is not None and time.monotonic() - seen_at < self._seconds

    def note(self, server_id: str) -> None:
        now = time.monotonic()
        with self._lock:
            self._seen_at.pop(server_id, None)
            self._seen_at[server_id] = now  # the latest is the last, the first is the one to forget
            while now - self._seen_at[first := next(iter(self._seen_at))] > self._seconds:
                del self._seen_at[first]

    def forget(self, server_id: str) -> None:
        with self._lock:
            self._seen_at.pop(server_id, None)


class ServerLookup:
    """Servers that carry the installation's tag. For ``moment_seconds`` a look may stand for the next one."""

    def __init__(self, connection: Connection, *, moment_seconds: float = 1.0) -> None:
        self._connection = connection
        self._owner_tag = connection.settings.tag
        self._resting = _Recent(moment_seconds)
        self._starting = _Recent(_STARTING_SECONDS)
        self._ours = _Recent(_OURS_SECONDS)

    def require_ours(self, server_id: str, *, within_seconds: float) -> None:
        """Raises ServerNotFound for a server that never was one of ours: nothing is asked of others."""
        if not self._ours.has(server_id):
            self.see(server_id, within_seconds=within_seconds)

    def has_rested(self, server_id: str) -> bool:
        """Whether the server was seen a moment ago to run, nothing going on with it and nothing asked of it since; no call."""
        return self._resting.has(server_id)

    def rests_running(self, server_id: str, *, within_seconds: float) -> bool:
        """Whether the server runs and nothing goes on with it. :meth:`has_rested` is enough: whoever waits for a guest has just
        waited for its server. Raises as :meth:`see`."""
        return self.has_rested(server_id) or self.see(server_id, within_seconds=within_seconds).rests_running

    def goes_on(self, server_id: str, *, within_seconds: float) -> bool:
        """Whether the server's memory is from before: its last start was none. That it was one is believed for a while."""
        if self._starting.has(server_id):
            return False
        path = f"/servers/{server_id}/os-instance-actions"
        answer = self._connection.get("compute", path, within_seconds=within_seconds)
        actions = [action["action"] for action in answer["instanceActions"]]  # the newest first
        last = next((action for action in actions if action in _GOES_ON | _STARTS), None)
        if last in _STARTS:
            self._starting.note(server_id)
        return last in _GOES_ON

    def disturb(self, server_id: str) -> None:
        """Something is about to be asked of the server: what was seen of it counts no more."""
        self._resting.forget(server_id)
        self._starting.forget(server_id)

    def see(self, server_id: str, *, within_seconds: float | None = None) -> Seen:
        """The server as it is now. Raises ServerNotFound, without a call for what cannot be an id."""
        if not _SERVER_ID.fullmatch(server_id):
            raise ServerNotFound(server_id)
        refusals = {404: lambda _said, **_details: ServerNotFound(server_id)}
        path = f"/servers/{server_id}"
        answer = self._connection.ask("compute", "GET", path, refusals=refusals, within_seconds=within_seconds)
        seen = read(answer["server"], owner_tag=self._owner_tag, observed_at=datetime.now(UTC))
        if seen is None:
            raise ServerNotFound(server_id)
        self._keep(seen)
        return seen

    def see_if_there(self, server_id: str) -> Seen | None:
        """The server, or None."""
        try:
            return self.see(server_id)
        except NotFound:
            return None

    def tagged(self, desktop_id: str) -> Sequence[Seen]:
        """Every server with a desktop's tag, the oldest first, behind them those that are being deleted.

        More than one only after an accident (see creation.py), or where one was given up.
        """
        if not _DESKTOP_ID.fullmatch(desktop_id):
            return ()
        found = self._list(f"{self._owner_tag},{desktop_tag(desktop_id)}")
        return sorted(found, key=lambda seen: (seen.is_being_deleted, seen.server.created_at, seen.server.id))

    def all(self) -> Sequence[Seen]:
        """All of ours."""
        return self._list(self._owner_tag)

    def changed_since(self, moment: datetime) -> Mapping[str, str]:
        """See ``OpenStackServers.changed_since``."""
        since = f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        path = f"/servers/detail?tags={self._owner_tag}&changes-since={since}"
        found = self._connection.pages("compute", path, "servers")
        return {each["id"]: telling(each) for each in found}

    def _keep(self, seen: Seen) -> None:
        self._ours.note(seen.server.id)
        if seen.rests_running:
            self._resting.note(seen.server.id)
        else:
            self._resting.forget(seen.server.id)

    def _list(self, tags: str) -> Sequence[Seen]:
        # A server that begins or ends between two pages may be told twice.
        found = {each["id"]: each for each in self._connection.pages("compute", f"/servers/detail?tags={tags}", "servers")}
        observed_at = datetime.now(UTC)
        seen = (read(each, owner_tag=self._owner_tag, observed_at=observed_at) for each in found.values())
        return [each for each in seen if each is not None]


def is_desktop_id(text: str) -> bool:
    """Whether it can be a tag of Nova's (no comma, no slash, 60 characters with ours before it)."""
    return _DESKTOP_ID.fullmatch(text) is not None
