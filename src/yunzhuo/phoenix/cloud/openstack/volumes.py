"""Volumes of driver ``openstack``: not yet, whatever the cloud has."""

from collections.abc import Sequence
from typing import NoReturn

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.resources import Volume, VolumeRequest, VolumeSnapshot


class OpenStackVolumes:
    """Says of every operation that it is not offered; personal disks are then not offered either."""

    def create(self, request: VolumeRequest) -> Volume:
        _refuse()

    def find(self, disk_id: str) -> Volume | None:
        _refuse()

    def get(self, volume_id: str) -> Volume:
        _refuse()

    def list(self) -> Sequence[Volume]:
        _refuse()

    def attach(self, volume_id: str, server_id: str) -> None:
        _refuse()

    def detach(self, volume_id: str, server_id: str, *, force: bool = False) -> None:
        _refuse()

    def delete(self, volume_id: str) -> None:
        _refuse()

    def snapshot(self, volume_id: str, name: str) -> VolumeSnapshot:
        _refuse()

    def snapshots(self, volume_id: str) -> Sequence[VolumeSnapshot]:
        _refuse()

    def restore(self, volume_id: str, snapshot_id: str) -> None:
        _refuse()

    def delete_snapshot(self, volume_id: str, snapshot_id: str) -> None:
        _refuse()


def _refuse() -> NoReturn:
    raise CloudNotOffered("volumes")
