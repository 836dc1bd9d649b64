"""Volumes of driver ``openstack``: Cinder's, where the settings want them and the cloud has it.

Whose one is stands in its metadata, which Cinder keeps from the call that makes it and can be asked for. Cinder and Nova do
what they are asked for later, and the interface's words mean that it is done: so those calls look on for some seconds, and
what is not done by then is told as something to be asked for again.
"""

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from urllib.parse import quote
from zlib import crc32

from yunzhuo.phoenix.cloud.errors import (
    CloudNotOffered,
    CloudUnavailable,
    NoCapacity,
    ServerBusy,
    VolumeBusy,
    VolumeNotFound,
)
from yunzhuo.phoenix.cloud.openstack.connection import VOLUMES, Connection, Json, Refusals
from yunzhuo.phoenix.cloud.openstack.server_lookup import ServerLookup, is_desktop_id
from yunzhuo.phoenix.cloud.openstack.server_states import nova_name, read_time
from yunzhuo.phoenix.cloud.openstack.verbs import refuse_locked
from yunzhuo.phoenix.cloud.openstack.volume_snapshots import VolumeSnapshots
from yunzhuo.phoenix.cloud.resources import ServerStatus, Volume, VolumeRequest, VolumeSnapshot, VolumeStatus
from yunzhuo.phoenix.common.errors import InvalidInput, NotFound

OWNER, DISK = "yunzhuo_owner", "yunzhuo_disk"
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MIB_OF_GIB = 1024
_LARGEST_MIB = 16 * 1024 * 1024
_LOCKS = 16
# Less than the lease of an operation's step (ADR 36): most are done by then, and whoever asks again only looks on.
_LOOK_SECONDS = 15.0
_PAUSE_SECONDS = 0.5

_STATUSES = {"available": VolumeStatus.AVAILABLE, "in-use": VolumeStatus.IN_USE}
# One that goes is gone for everybody; one that could not go can be asked to once more.
_GONE = frozenset({"deleting", "deleted"})


class OpenStackVolumes:
    """See the interface for the promises. Sizes are whole GiB: what is asked for is rounded up."""

    def __init__(self, connection: Connection, lookup: ServerLookup) -> None:
        self._connection = connection
        self._lookup = lookup
        self._snapshots = VolumeSnapshots(connection)
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def create(self, request: VolumeRequest) -> Volume:
        self._require_offered()
        if not is_desktop_id(request.disk_id):
            raise InvalidInput("A disk's id has 1 to 40 letters, digits, _ or -.", fields={"disk_id": "not a tag"})
        with self._locks[crc32(request.disk_id.encode()) % _LOCKS]:
            there = self._tagged(request.disk_id)
            if there:
                return there[0]
            if not 0 < request.size_mib <= _LARGEST_MIB:
                raise InvalidInput("No volume can have this size.", fields={"size_mib": f"1 to {_LARGEST_MIB}"})
            metadata = {OWNER: self._connection.settings.tag, DISK: request.disk_id}
            body = {"volume": {"name": nova_name(request.name), "size": _gib(request.size_mib), "metadata": metadata}}
            made = self._ask("POST", "/volumes", body, {413: _no_quota})["volume"]
            return self._settle(str(made["id"]), request.disk_id)

    def find(self, disk_id: str) -> Volume | None:
        self._require_offered()
        there = self._tagged(disk_id) if is_desktop_id(disk_id) else ()
        return there[0] if there else None

    def get(self, volume_id: str) -> Volume:
        self._require_offered()
        return self._see(volume_id)

    def list(self) -> Sequence[Volume]:
        self._require_offered()
        return self._list({OWNER: self._connection.settings.tag})

    def attach(self, volume_id: str, server_id: str) -> None:
        # Two at once for one server would both be right, and Nova tells the second that the volume is not to be had.
        with self._locks[crc32(volume_id.encode()) % _LOCKS]:
            self._attach(volume_id, server_id)

    def _attach(self, volume_id: str, server_id: str) -> None:
        volume, seen = self.get(volume_id), self._lookup.see(server_id)
        if volume.server_id == server_id and volume.status is not VolumeStatus.ERROR:
            return
        if volume.server_id is not None:
            raise VolumeBusy("The volume is attached to another server.", volume_id=volume_id)
        if volume.status is not VolumeStatus.AVAILABLE:
            raise VolumeBusy(f"The volume is {volume.status.value}.", volume_id=volume_id)
        refuse_locked(seen)
        if seen.server.status is not ServerStatus.RUNNING or seen.is_changing:
            raise ServerBusy("The server does not run, or is changing.", server_id=server_id)
        body = {"volumeAttachment": {"volumeId": volume_id}}
        path = f"/servers/{server_id}/os-volume_attachments"
        self._connection.ask("compute", "POST", path, body, refusals=_attach_refusals(volume_id, server_id))

    def detach(self, volume_id: str, server_id: str, *, force: bool = False) -> None:
        """The guest is asked by its machine to let go; nothing in it can be asked for more. ``force`` changes nothing."""
        self._require_offered()
        volume = self._see_if_there(volume_id)
        if volume is None or volume.server_id != server_id:
            return
        seen = self._lookup.see_if_there(server_id)
        if seen is not None and not seen.is_being_deleted:
            refuse_locked(seen)
            if seen.is_changing:
                raise ServerBusy("The server is changing.", server_id=server_id)
        if volume.status is VolumeStatus.IN_USE:
            path = f"/servers/{server_id}/os-volume_attachments/{volume_id}"
            refusals: Refusals = {
                404: lambda _said, **_details: VolumeNotFound(volume_id),
                409: lambda said, **details: ServerBusy(f"The server keeps the volume: {said}", server_id=server_id, **details),
            }
            with suppress(VolumeNotFound):  # by now
                self._connection.ask("compute", "DELETE", path, refusals=refusals)
        if not self._is_soon(volume_id, lambda now: now is None or now.server_id != server_id):
            raise CloudUnavailable("The desktop has not let go of the volume yet.", volume_id=volume_id, server_id=server_id)

    def delete(self, volume_id: str) -> None:
        self._require_offered()
        volume = self._see_if_there(volume_id)
        if volume is None:
            return
        self._require_free(volume)
        refusals: Refusals = {
            400: lambda said, **details: VolumeBusy(f"The volume cannot go now: {said}", volume_id=volume_id, **details),
            404: lambda _said, **_details: VolumeNotFound(volume_id),
        }
        try:
            self._ask("DELETE", f"/volumes/{volume_id}?cascade=true", None, refusals)
        except VolumeNotFound:
            return

    def snapshot(self, volume_id: str, name: str) -> VolumeSnapshot:
        volume = self.get(volume_id)
        if volume.status not in (VolumeStatus.AVAILABLE, VolumeStatus.IN_USE):
            raise VolumeBusy(f"The volume is {volume.status.value}.", volume_id=volume_id)
        return self._snapshots.take(volume, name)

    def snapshots(self, volume_id: str) -> Sequence[VolumeSnapshot]:
        return self._snapshots.list(self.get(volume_id))

    def restore(self, volume_id: str, snapshot_id: str) -> None:
        """Cinder goes back to the newest snapshot alone; for an older one the newer ones have to be deleted first."""
        volume = self.get(volume_id)
        self._snapshots.check_newest(volume, snapshot_id)
        self._require_free(volume)
        self._snapshots.revert(volume, snapshot_id)
        if not self._is_soon(volume_id, lambda now: now is None or now.status is not VolumeStatus.CHANGING):
            raise CloudUnavailable("The volume is still being put back.", volume_id=volume_id)
        if self._see(volume_id).status is VolumeStatus.ERROR:
            raise CloudUnavailable("The cloud could not put the volume back.", volume_id=volume_id)

    def delete_snapshot(self, volume_id: str, snapshot_id: str) -> None:
        self._require_offered()
        volume = self._see_if_there(volume_id)
        if volume is not None:
            self._snapshots.delete(volume, snapshot_id)

    def _require_offered(self) -> None:
        if not self._connection.settings.volumes:
            raise CloudNotOffered("volumes (the setting [openstack] volumes is off)")

    def _require_free(self, volume: Volume) -> None:
        if volume.server_id is not None:
            raise VolumeBusy("The volume is attached to a server.", volume_id=volume.id, server_id=volume.server_id)
        if volume.status is VolumeStatus.CHANGING:
            raise VolumeBusy("The volume is changing.", volume_id=volume.id)

    def _settle(self, volume_id: str, disk_id: str) -> Volume:
        """The one volume of this tag; see ``creation.py`` for what is done about two."""
        there = self._tagged(disk_id)
        ours = next((volume for volume in there if volume.id == volume_id), None)
        if ours is None:
            raise CloudUnavailable("The volume that was just made is not told of yet.")
        is_alone = all(volume is ours or volume.created_at > ours.created_at for volume in there)
        self._is_soon(volume_id, lambda now: now is None or now.status is not VolumeStatus.CHANGING)
        made = self._see(volume_id)
        if is_alone and made.status is not VolumeStatus.ERROR:
            return made
        self.delete(volume_id)
        why = "could not make the volume" if is_alone else "was asked for the volume twice at the same moment, and keeps one"
        raise CloudUnavailable(f"The cloud {why}.", disk_id=disk_id)

    def _is_soon(self, volume_id: str, is_so: Callable[[Volume | None], bool]) -> bool:
        """Whether it comes true within some seconds."""
        until = time.monotonic() + _LOOK_SECONDS
        while not is_so(self._see_if_there(volume_id)):
            if time.monotonic() > until:
                return False
            time.sleep(_PAUSE_SECONDS)
        return True

    def _see(self, volume_id: str) -> Volume:
        volume = self._see_if_there(volume_id)
        if volume is None:
            raise VolumeNotFound(volume_id)
        return volume

    def _see_if_there(self, volume_id: str) -> Volume | None:
        """One of ours as it is now, or None, without a call for what cannot be an id."""
        if not _ID.fullmatch(volume_id):
            return None
        refusals: Refusals = {404: lambda _said, **_details: VolumeNotFound(volume_id)}
        try:
            found = self._ask("GET", f"/volumes/{volume_id}", None, refusals)["volume"]
        except NotFound:
            return None
        holders = {} if found["status"] in _STATUSES else self._holders(f"&volume_id={volume_id}")
        return self._read(found, holders)

    def _tagged(self, disk_id: str) -> Sequence[Volume]:
        """Every one with this tag, the oldest first; more than one only after an accident."""
        found = self._list({OWNER: self._connection.settings.tag, DISK: disk_id})
        return sorted(found, key=lambda volume: (volume.created_at, volume.id))

    def _list(self, metadata: Mapping[str, str]) -> Sequence[Volume]:
        wanted = quote(str(dict(metadata)))  # Cinder reads it as Python
        pages = self._connection.pages("block-storage", f"/volumes/detail?metadata={wanted}", "volumes", version=VOLUMES)
        # One that begins or ends between two pages may be told twice.
        found = {each["id"]: each for each in pages}
        holders = {} if all(each["status"] in _STATUSES for each in found.values()) else self._holders("")
        volumes = (self._read(each, holders) for each in found.values())
        return tuple(volume for volume in volumes if volume is not None)

    def _holders(self, which: str) -> Mapping[str, str]:
        """Which server each volume is on its way to or from; a volume itself names those alone that have it."""
        pages = self._connection.pages("block-storage", f"/attachments?limit=500{which}", "attachments", version=VOLUMES)
        return {each["volume_id"]: each["instance"] for each in pages if each.get("instance")}

    def _read(self, found: Json, holders: Mapping[str, str]) -> Volume | None:
        """A volume as Cinder tells it; None when it is not ours, or goes."""
        metadata: Mapping[str, str] = found.get("metadata") or {}
        if metadata.get(OWNER) != self._connection.settings.tag or DISK not in metadata or found["status"] in _GONE:
            return None
        status = found["status"]
        by_word = VolumeStatus.ERROR if status.startswith("error") else VolumeStatus.CHANGING
        attached = next((each["server_id"] for each in found.get("attachments") or () if each.get("server_id")), None)
        return Volume(
            id=found["id"],
            disk_id=metadata[DISK],
            name=found.get("name") or "",
            size_mib=found["size"] * _MIB_OF_GIB,
            status=_STATUSES.get(status, by_word),
            server_id=attached or holders.get(found["id"]),
            created_at=read_time(found["created_at"]),
        )

    def _ask(self, method: str, path: str, body: Json | None, refusals: Refusals) -> Json:
        return self._connection.ask("block-storage", method, path, body, version=VOLUMES, refusals=refusals)


def _gib(size_mib: int) -> int:
    return -(-size_mib // _MIB_OF_GIB)


def _no_quota(said: str, **details: object) -> NoCapacity:
    return NoCapacity(f"The cloud has no room for it: {said}", **details)


def _attach_refusals(volume_id: str, server_id: str) -> Refusals:
    """Nova says 400 of a volume that somebody else was given meanwhile, and 409 of a server that changes meanwhile."""
    return {
        400: lambda said, **details: VolumeBusy(f"The volume is not to be had: {said}", volume_id=volume_id, **details),
        404: lambda _said, **_details: VolumeNotFound(volume_id),
        409: lambda said, **details: ServerBusy(f"The server cannot do that now: {said}", server_id=server_id, **details),
    }
