"""Volumes of driver ``local``."""

from collections.abc import Sequence

from yunzhuo.phoenix.cloud.local import wire
from yunzhuo.phoenix.cloud.local.connection import Connection
from yunzhuo.phoenix.cloud.local.projects import refuse_any
from yunzhuo.phoenix.cloud.resources import Volume, VolumeRequest, VolumeSnapshot


class LocalVolumes:
    """See the interface for the promises."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, request: VolumeRequest) -> Volume:
        refuse_any(request.project_id)
        body = wire.VOLUME_REQUEST.dump_json(request)
        return wire.VOLUME.validate_json(self._connection.call("POST", "/volumes", content=body))

    def find(self, disk_id: str, project_id: str | None = None) -> Volume | None:
        refuse_any(project_id)
        found = self._connection.call("GET", "/volumes", params={"disk_id": disk_id})
        return next(iter(wire.VOLUMES.validate_json(found)), None)

    def get(self, volume_id: str) -> Volume:
        return wire.VOLUME.validate_json(self._connection.call("GET", _of(volume_id)))

    def list(self) -> Sequence[Volume]:
        return wire.VOLUMES.validate_json(self._connection.call("GET", "/volumes"))

    def attach(self, volume_id: str, server_id: str) -> None:
        body = wire.Attach(server_id=server_id).model_dump_json()
        self._connection.call("POST", _of(volume_id, "/attach"), content=body)

    def detach(self, volume_id: str, server_id: str, *, force: bool = False) -> None:
        body = wire.Detach(server_id=server_id, force=force).model_dump_json()
        self._connection.call("POST", _of(volume_id, "/detach"), content=body)

    def delete(self, volume_id: str) -> None:
        self._connection.call("DELETE", _of(volume_id))

    def snapshot(self, volume_id: str, name: str) -> VolumeSnapshot:
        body = wire.TakeSnapshot(name=name).model_dump_json()
        return wire.VOLUME_SNAPSHOT.validate_json(self._connection.call("POST", _of(volume_id, "/snapshots"), content=body))

    def snapshots(self, volume_id: str) -> Sequence[VolumeSnapshot]:
        return wire.VOLUME_SNAPSHOTS.validate_json(self._connection.call("GET", _of(volume_id, "/snapshots")))

    def restore(self, volume_id: str, snapshot_id: str) -> None:
        self._connection.call("POST", _of(volume_id, f"/snapshots/{wire.to_segment(snapshot_id)}/restore"))

    def delete_snapshot(self, volume_id: str, snapshot_id: str) -> None:
        self._connection.call("DELETE", _of(volume_id, f"/snapshots/{wire.to_segment(snapshot_id)}"))


def _of(volume_id: str, rest: str = "") -> str:
    return f"/volumes/{wire.to_segment(volume_id)}{rest}"
