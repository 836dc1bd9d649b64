"""What an operation's steps about a personal disk do: one wish to the cloud, never a wait."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from yunzhuo.phoenix.cloud.errors import CloudNotOffered, ServerBusy, VolumeBusy
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import VolumeStatus
from yunzhuo.phoenix.common.errors import Conflict, Inconsistent, YunzhuoError
from yunzhuo.services.disk_claims import ClaimedDisk


@dataclass(frozen=True, slots=True)
class DiskOutcome:
    """What came of it. ``done`` False: look again later."""

    done: bool
    is_attached: bool = False
    detail: str | None = None


Work = Callable[[Cloud, ClaimedDisk, str | None, Mapping[str, str]], DiskOutcome]


def fetch(cloud: Cloud, disk: ClaimedDisk, _server_id: str | None, _arguments: Mapping[str, str]) -> DiskOutcome:
    """Take the disk away from the desktop that it leaves."""
    if disk.is_waiting:
        return DiskOutcome(done=False, detail="Waiting for a change of the desktop that has the personal files.")
    if disk.leaving_server_id is not None:
        try:
            cloud.volumes.detach(disk.volume_id, disk.leaving_server_id, force=disk.ends_programs)
        except ServerBusy:
            return DiskOutcome(done=False, detail="The desktop that has the personal files is busy.")
    return DiskOutcome(done=True)


def connect(cloud: Cloud, disk: ClaimedDisk, server_id: str | None, arguments: Mapping[str, str]) -> DiskOutcome:
    """Give the desktop the disk. A change that is about more than the disk does not fail for it."""
    if disk.comes_free:
        return DiskOutcome(done=False, detail="Waiting for the desktop that had the personal files to be deleted.")
    if disk.is_waiting:
        raise Conflict("personal_disk_elsewhere", "The personal files are at another desktop that is changing.")
    if server_id is None:
        raise Inconsistent("no_server", "This desktop has no virtual machine.")
    try:
        if not fetch(cloud, disk, server_id, arguments).done:
            return DiskOutcome(done=False, detail="Waiting for the desktop that had the personal files.")
        cloud.volumes.attach(disk.volume_id, server_id)
        volume = cloud.volumes.get(disk.volume_id)
    except ServerBusy:
        raise
    except YunzhuoError as error:
        if isinstance(error, VolumeBusy) and cloud.volumes.get(disk.volume_id).status is VolumeStatus.CHANGING:
            return DiskOutcome(done=False, detail="The personal disk is being made, or comes from elsewhere.")
        if disk.is_asked_for:
            raise
        return DiskOutcome(done=True, detail=f"The personal files could not be connected: {error.message}")
    if volume.status is VolumeStatus.CHANGING:
        return DiskOutcome(done=False, detail="The personal files are being connected.")
    return DiskOutcome(done=True, is_attached=True)


def disconnect(cloud: Cloud, disk: ClaimedDisk, server_id: str | None, _arguments: Mapping[str, str]) -> DiskOutcome:
    """Take the disk away from the desktop."""
    if server_id is None:
        return DiskOutcome(done=True)
    try:
        cloud.volumes.detach(disk.volume_id, server_id, force=disk.ends_programs)
    except YunzhuoError as error:
        if not disk.is_tolerant:
            raise
        return DiskOutcome(done=True, detail=f"The personal files were not given back before: {error.message}")
    return DiskOutcome(done=True)


def restore(cloud: Cloud, disk: ClaimedDisk, _server_id: str | None, arguments: Mapping[str, str]) -> DiskOutcome:
    """Put the disk, which no desktop has now, back to a snapshot."""
    cloud.volumes.restore(disk.volume_id, arguments["disk_snapshot_cloud_id"])
    return DiskOutcome(done=True)


def take_away_unknown(cloud: Cloud, server_id: str) -> bool:
    """Take away whatever disk the cloud has at a server that should have none; answers whether there was one.

    Raises VolumeInUse while programs have files open on it. A round of the upkeep gives it back to whom the table says.
    """
    try:
        found = [volume for volume in cloud.volumes.list() if volume.server_id == server_id]
    except CloudNotOffered:
        return False
    for volume in found:
        cloud.volumes.detach(volume.id, server_id)
    return bool(found)


#: What is said when there is no disk for the step.
NOTHING_TO_DO: Mapping[Work, str | None] = {
    fetch: None,
    connect: "The personal files are at another desktop.",
    disconnect: None,
    restore: None,
}
