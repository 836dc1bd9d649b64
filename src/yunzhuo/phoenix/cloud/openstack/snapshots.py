"""A server's snapshots: images of its disk in Glance that carry the server's id. Without memory, and gone with the server."""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from yunzhuo.phoenix.cloud.errors import CloudNotOffered, NoCapacity, ServerBusy, SnapshotNotFound
from yunzhuo.phoenix.cloud.openstack.connection import Connection, Json, Refusals
from yunzhuo.phoenix.cloud.openstack.images import SNAPSHOT_OF, size_mib
from yunzhuo.phoenix.cloud.openstack.server_lookup import ServerLookup
from yunzhuo.phoenix.cloud.openstack.server_states import name_metadata, nova_name, read_name, read_time
from yunzhuo.phoenix.cloud.openstack.verbs import REBUILD, SNAPSHOT, Asking, check
from yunzhuo.phoenix.cloud.resources import Snapshot
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, NotFound

_IMAGE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Snapshots:
    """See the interface; ``list`` tells of those that stand."""

    def __init__(self, connection: Connection, lookup: ServerLookup, asking: Asking) -> None:
        self._connection = connection
        self._lookup = lookup
        self._asking = asking

    def take(self, server_id: str, name: str) -> Snapshot:
        seen = self._lookup.see(server_id)
        check(seen, SNAPSHOT)
        if seen.has_volume:
            # Nova would keep it as a snapshot of the volume, which a rebuild cannot go back to.
            raise CloudNotOffered("snapshots of a server whose disk is a volume")
        properties = {SNAPSHOT_OF: server_id} | name_metadata(name)
        body = {"createImage": {"name": nova_name(name), "metadata": properties}}
        answer = self._asking.wish(server_id, body, {403: _no_quota})
        return Snapshot(str(answer["image_id"]), server_id, name, datetime.now(UTC), size_mib=0, has_memory=False)

    def list(self, server_id: str) -> Sequence[Snapshot]:
        self._lookup.see(server_id)
        return tuple(_read(found, server_id) for found in self._images(server_id) if found["status"] == "active")

    def roll_back(self, server_id: str, snapshot_id: str) -> None:
        """By a rebuild from the snapshot's image; what the server was made of stands in its metadata and stays."""
        seen = self._lookup.see(server_id)
        found = self._find(server_id, snapshot_id)
        if found is None:
            raise SnapshotNotFound(snapshot_id)
        check(seen, REBUILD)
        if found["status"] != "active":
            raise ServerBusy("The snapshot does not stand yet.", server_id=server_id)
        self._asking.wish(server_id, {"rebuild": {"imageRef": snapshot_id}}, {403: _no_quota})

    def delete(self, server_id: str, snapshot_id: str) -> None:
        """Raises ServerBusy while a disk of the cloud still stands on it."""
        if self._find(server_id, snapshot_id) is not None:
            with suppress(NotFound):
                self._connection.ask("image", "DELETE", f"/images/{snapshot_id}", refusals=_REFUSALS)

    def delete_all(self, server_id: str) -> None:
        """Forget what is left of a server that goes. What the cloud cannot part with yet does not keep the server."""
        for found in self._images(server_id):
            with suppress(Conflict, NotFound):
                self._connection.ask("image", "DELETE", f"/images/{found['id']}", refusals=_REFUSALS)

    def _images(self, server_id: str) -> Sequence[Json]:
        query = f"{SNAPSHOT_OF}={server_id}&sort=created_at:asc,id:asc"
        # Only our own: anybody can give an image that they share with us any property.
        found = self._connection.pages("image", f"/images?{query}&limit=500", "images")
        return [each for each in found if each.get("owner") == self._connection.project_id]

    def _find(self, server_id: str, snapshot_id: str) -> Json | None:
        if not _IMAGE_ID.fullmatch(snapshot_id):
            return None
        try:
            found = self._connection.ask("image", "GET", f"/images/{snapshot_id}", refusals=_REFUSALS)
        except NotFound:
            return None
        is_its_own = found.get(SNAPSHOT_OF) == server_id and found.get("owner") == self._connection.project_id
        return found if is_its_own else None


def _read(found: Json, server_id: str) -> Snapshot:
    name = read_name(found.get("name") or "", found)
    return Snapshot(found["id"], server_id, name, read_time(found["created_at"]), size_mib(found), has_memory=False)


def _no_quota(said: str, **details: object) -> NoCapacity | Forbidden:
    return NoCapacity(f"The cloud has no room for it: {said}", **details)


_REFUSALS: Refusals = {
    404: lambda said, **details: NotFound("snapshot_not_found", said, **details),
    409: lambda said, **details: ServerBusy(f"The cloud still needs the snapshot: {said}", **details),
}
