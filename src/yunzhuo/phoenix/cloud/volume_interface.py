"""The part of the interface that is about volumes; see ``interface.py`` for the promises common to all."""

from collections.abc import Sequence
from typing import Protocol

from yunzhuo.phoenix.cloud.resources import Volume, VolumeRequest, VolumeSnapshot


class Volumes(Protocol):
    """Disks of ours that outlive servers; volumes of others are never listed, returned or touched.

    A volume is attached to one server at most: whatever is asked for, and however many ask at once.
    """

    def create(self, request: VolumeRequest) -> Volume:
        """Make an empty volume, or return the one that already carries ``request.disk_id``, whatever else the request says.

        It may be larger than was asked for, and CHANGING for a while where the cloud is slow. Raises InvalidInput for a size
        that no volume can have, NoCapacity, ProjectNotFound.
        """
        ...

    def find(self, disk_id: str, project_id: str | None = None) -> Volume | None:
        """The volume tagged with ``disk_id`` in this project, or None. Raises ProjectNotFound."""
        ...

    def get(self, volume_id: str) -> Volume:
        """The volume as it is now. Raises VolumeNotFound."""
        ...

    def list(self) -> Sequence[Volume]:
        """All volumes of ours, in one call, in no particular order."""
        ...

    def attach(self, volume_id: str, server_id: str) -> None:
        """Plug into a running server; its guest mounts the volume by itself, and formats one that was never used.

        Twice is harmless. Accepted like every verb: until it is there ``get`` says CHANGING. Raises VolumeBusy when it is
        attached to another server or is changing, ServerBusy when the server does not run or is changing, OtherProject.
        """
        ...

    def detach(self, volume_id: str, server_id: str, *, force: bool = False) -> None:
        """Let the guest write everything out, and unplug. Where nothing in the guest can be asked, unplugging is all.

        One that is not attached there (or not there) is no error. Raises VolumeInUse while programs in the guest have files
        open on it, which ``force`` ends instead; GuestUnreachable or CloudUnavailable when a running guest does not let go, or
        has much to write out: then it goes on, and asking again tells; and ServerBusy while the server is changing. A server
        that is deleted has let go of its volumes, whatever was not written out yet; whether one that is stopped, suspended or
        rebuilt has, differs between clouds.
        """
        ...

    def delete(self, volume_id: str) -> None:
        """Remove the volume and its snapshots; one that is not there is no error. Raises VolumeBusy while it is attached."""
        ...

    def snapshot(self, volume_id: str, name: str) -> VolumeSnapshot:
        """Keep what is on the volume now under a name, attached or not.

        Names need not be unique. Raises NoCapacity, VolumeBusy.
        """
        ...

    def snapshots(self, volume_id: str) -> Sequence[VolumeSnapshot]:
        """The volume's snapshots, oldest first."""
        ...

    def restore(self, volume_id: str, snapshot_id: str) -> None:
        """Put the volume back to a snapshot; it stays, as do the others.

        Raises VolumeSnapshotNotFound, VolumeBusy while the volume is attached; Conflict (``snapshot_not_newest``) where the
        cloud can go back to the newest one only.
        """
        ...

    def delete_snapshot(self, volume_id: str, snapshot_id: str) -> None:
        """Forget a snapshot; one that is not there, or whose volume is not there, is no error. Raises VolumeBusy."""
        ...
