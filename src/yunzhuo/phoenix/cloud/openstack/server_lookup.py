"""Looking at servers: whatever is asked for by id, tag or list, only ours are ever seen."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from yunzhuo.phoenix.cloud.errors import ServerNotFound
from yunzhuo.phoenix.cloud.openstack.connection import Connection
from yunzhuo.phoenix.cloud.openstack.server_states import Seen, desktop_tag, read
from yunzhuo.phoenix.common.errors import NotFound

_SERVER_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: What of a server tells that it is another than it was.
_TELLING = ("updated", "status", "OS-EXT-STS:task_state", "OS-EXT-STS:power_state")
_DESKTOP_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")


class ServerLookup:
    """Servers that carry the installation's tag."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._owner_tag = connection.settings.tag

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
        return {each["id"]: " ".join(str(each.get(name)) for name in _TELLING) for each in found}

    def _list(self, tags: str) -> Sequence[Seen]:
        # A server that begins or ends between two pages may be told twice.
        found = {each["id"]: each for each in self._connection.pages("compute", f"/servers/detail?tags={tags}", "servers")}
        observed_at = datetime.now(UTC)
        seen = (read(each, owner_tag=self._owner_tag, observed_at=observed_at) for each in found.values())
        return [each for each in seen if each is not None]


def is_desktop_id(text: str) -> bool:
    """Whether it can be a tag of Nova's (no comma, no slash, 60 characters with ours before it)."""
    return _DESKTOP_ID.fullmatch(text) is not None
