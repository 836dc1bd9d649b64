"""The server group that new servers join: one that the settings name, or our own that spreads them over hosts."""

from contextlib import suppress

from yunzhuo.phoenix.cloud.errors import NoCapacity
from yunzhuo.phoenix.cloud.openstack.catalog import Catalog
from yunzhuo.phoenix.cloud.openstack.connection import CREATE, Connection, Json
from yunzhuo.phoenix.common.errors import Forbidden, InvalidInput, NotFound

_SPREAD = "spread"
_UNLIMITED = -1


class ServerGroups:
    """The groups of one project."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._own_name = f"yunzhuo {connection.settings.tag}"
        self._chosen = Catalog(lambda: [self._choose()], seconds=connection.settings.catalog_seconds)

    def chosen_id(self) -> str | None:
        """The group of a new server, None: the settings want none. Raises InvalidInput (``no_server_group``)."""
        return str(self._chosen.items()[0]["id"]) if self._connection.settings.server_group else None

    def check(self) -> None:
        """Raises InvalidInput when a group that the settings name is not there. Makes none."""
        if self._connection.settings.server_group not in ("", _SPREAD):
            self._choose()

    def check_room(self, group_id: str | None, refused: Forbidden) -> None:
        """Raises NoCapacity when a refused server was one too many for its group: Nova says 403 of that, too."""
        if group_id is None:
            return
        group = self._connection.get("compute", f"/os-server-groups/{group_id}", version=CREATE)["server_group"]
        limits = self._connection.get("compute", "/limits")["limits"]["absolute"]
        most, there = limits.get("maxServerGroupMembers", _UNLIMITED), len(group["members"])
        if most != _UNLIMITED and there >= most:
            message = f"The server group {group['name']} is full ({there} of {most}): Nova's quota server_group_members."
            raise NoCapacity(message, **refused.details) from refused

    def remove_own(self) -> None:
        """Forget what was made here; the servers in it stay."""
        for group in self._all():
            if group["name"] == self._own_name:
                refusals = {404: lambda said, **details: NotFound("server_group_gone", said, **details)}
                with suppress(NotFound):
                    self._connection.ask("compute", "DELETE", f"/os-server-groups/{group['id']}", refusals=refusals)
        self._chosen.forget()

    def _choose(self) -> Json:
        wanted = self._connection.settings.server_group
        if wanted == _SPREAD:
            return self._own() or self._make()
        found = next((group for group in self._all() if wanted in (group["id"], group["name"])), None)
        if found is None:
            raise InvalidInput(f"The cloud has no server group {wanted!r} ([openstack] server_group).", code="no_server_group")
        return found

    def _own(self) -> Json | None:
        """Of several, made by processes at the same moment, all choose the same."""
        own = [group for group in self._all() if group["name"] == self._own_name]
        return min(own, key=lambda group: str(group["id"]), default=None)

    def _make(self) -> Json:
        wanted = {"server_group": {"name": self._own_name, "policy": "soft-anti-affinity"}}
        made: Json = self._connection.ask("compute", "POST", "/os-server-groups", wanted, version=CREATE)["server_group"]
        return self._own() or made

    def _all(self) -> list[Json]:
        """Nova tells them in parts, of a thousand at most, by number."""
        found: list[Json] = []
        while True:
            path = f"/os-server-groups?limit=1000&offset={len(found)}"
            part = self._connection.get("compute", path, version=CREATE)["server_groups"]
            found += part
            if not part:
                return found
