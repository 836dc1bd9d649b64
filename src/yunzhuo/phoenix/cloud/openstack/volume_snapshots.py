"""Snapshots of volumes of driver ``openstack``."""

import time
from collections.abc import Sequence
from contextlib import suppress

from yunzhuo.phoenix.cloud.errors import CloudUnavailable, NoCapacity, VolumeBusy, VolumeSnapshotNotFound
from yunzhuo.phoenix.cloud.openstack.connection import VOLUMES, Connection, Json, Refusals
from yunzhuo.phoenix.cloud.openstack.server_states import name_metadata, nova_name, read_name, read_time
from yunzhuo.phoenix.cloud.resources import Volume, VolumeSnapshot
from yunzhuo.phoenix.common.errors import Conflict, NotFound

_MIB_OF_GIB = 1024
# A person waits for it (ADR 36).
_LOOK_SECONDS = 20.0
_PAUSE_SECONDS = 0.5
# Cinder notes the second alone that a snapshot was begun in, and of two that share one it may take either for the newest.
_APART_SECONDS = 1.0
_STANDS = frozenset({"available", "restoring"})


class VolumeSnapshots:
    """See ``Volumes`` of the interface; ``list`` tells of those that stand."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def take(self, volume: Volume, name: str) -> VolumeSnapshot:
        """Returns when it stands, and the next one would be newer. Of one that fails nothing stays; one that takes long is told
        of once it stands."""
        wanted = {"volume_id": volume.id, "name": nova_name(name), "metadata": name_metadata(name), "force": True}
        refusals: Refusals = {
            400: lambda said, **details: VolumeBusy(f"The volume cannot be kept now: {said}", volume_id=volume.id, **details),
            413: lambda said, **details: NoCapacity(f"The cloud has no room for it: {said}", **details),
        }
        made = self._ask("POST", "/snapshots", {"snapshot": wanted}, refusals)["snapshot"]
        snapshot_id = str(made["id"])
        begun_at = time.monotonic()
        while time.monotonic() < begun_at + _LOOK_SECONDS:
            found = self._find(volume, snapshot_id)
            if found is None or found["status"] == "error":
                break
            if found["status"] in _STANDS:
                time.sleep(max(0.0, begun_at + _APART_SECONDS - time.monotonic()))
                return _read(found)
            time.sleep(_PAUSE_SECONDS)
        else:
            raise CloudUnavailable("The snapshot is still being made.", volume_id=volume.id)
        self.delete(volume, snapshot_id)
        raise CloudUnavailable("The cloud could not keep the volume's state.", volume_id=volume.id)

    def list(self, volume: Volume) -> Sequence[VolumeSnapshot]:
        """The oldest first."""
        return tuple(_read(each) for each in self._all(volume) if each["status"] in _STANDS)

    def check_newest(self, volume: Volume, snapshot_id: str) -> None:
        """Raises VolumeSnapshotNotFound, and Conflict when there is a newer one."""
        kept = self.list(volume)
        if all(each.id != snapshot_id for each in kept):
            raise VolumeSnapshotNotFound(snapshot_id)
        if kept[-1].id != snapshot_id:
            message = "This cloud can put a volume back to its newest snapshot only; delete the newer ones first."
            raise Conflict("snapshot_not_newest", message, volume_id=volume.id, snapshot_id=snapshot_id)

    def revert(self, volume: Volume, snapshot_id: str) -> None:
        """Accepted when this returns."""
        refusals: Refusals = {
            400: lambda said, **details: VolumeBusy(f"The volume cannot be put back: {said}", volume_id=volume.id, **details),
            409: lambda said, **details: VolumeBusy(f"The volume cannot be put back: {said}", volume_id=volume.id, **details),
        }
        self._ask("POST", f"/volumes/{volume.id}/action", {"revert": {"snapshot_id": snapshot_id}}, refusals)

    def delete(self, volume: Volume, snapshot_id: str) -> None:
        """Returns when it is gone, as a volume can be asked for nothing else until then."""
        if self._find(volume, snapshot_id) is None:
            return
        refusals: Refusals = {
            400: lambda said, **details: VolumeBusy(f"The snapshot cannot go now: {said}", volume_id=volume.id, **details),
            404: lambda _said, **_details: VolumeSnapshotNotFound(snapshot_id),
        }
        with suppress(NotFound):
            self._ask("DELETE", f"/snapshots/{snapshot_id}", None, refusals)
        until = time.monotonic() + _LOOK_SECONDS
        while (found := self._find(volume, snapshot_id)) is not None:
            if found["status"].startswith("error") or time.monotonic() > until:
                raise CloudUnavailable("The cloud has not removed the snapshot.", volume_id=volume.id)
            time.sleep(_PAUSE_SECONDS)

    def _find(self, volume: Volume, snapshot_id: str) -> Json | None:
        return next((each for each in self._all(volume) if each["id"] == snapshot_id), None)

    def _all(self, volume: Volume) -> Sequence[Json]:
        path = f"/snapshots/detail?volume_id={volume.id}&sort=created_at:asc,id:asc"
        return [*self._connection.pages("block-storage", path, "snapshots", version=VOLUMES)]

    def _ask(self, method: str, path: str, body: Json | None, refusals: Refusals) -> Json:
        return self._connection.ask("block-storage", method, path, body, version=VOLUMES, refusals=refusals)


def _read(found: Json) -> VolumeSnapshot:
    return VolumeSnapshot(
        id=found["id"],
        volume_id=found["volume_id"],
        name=read_name(found.get("name") or "", found.get("metadata") or {}),
        created_at=read_time(found["created_at"]),
        size_mib=found["size"] * _MIB_OF_GIB,
    )
