"""What the host knows of a volume, on disk before it is done."""

from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from yunzhuo.host.layout import VOLUME_RECORD_NAME
from yunzhuo.host.processes import ProcessIdentity
from yunzhuo.host.store import RecordUnreadable, write_whole

_FORMAT = 1


class Plugged(BaseModel):
    """Into which machine a volume was plugged: it holds for that process alone. ``is_whole`` False: it was begun."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server_id: str
    process: ProcessIdentity
    is_whole: bool = False


class VolumeSnapshotRecord(BaseModel):
    """A state kept in the volume's disk under its id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    created_at: AwareDatetime
    size_mib: int


class VolumeRecord(BaseModel):
    """One volume. ``snapshots`` are oldest first; ``restoring_to`` is the id of the one that its disk is being put back to.

    What the disk has kept and is not among the snapshots belongs to nobody.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = _FORMAT
    id: str
    disk_id: str
    name: str
    size_mib: int
    created_at: AwareDatetime
    plugged: Plugged | None = None
    snapshots: tuple[VolumeSnapshotRecord, ...] = ()
    restoring_to: str | None = None

    def but(self, **changes: object) -> "VolumeRecord":
        """The same record with some fields changed."""
        return self.model_copy(update=changes)


def save_volume(folder: Path, record: VolumeRecord) -> None:
    """Put the record on disk, whole or not at all, and return only when it would survive a power cut."""
    write_whole(folder / VOLUME_RECORD_NAME, record.model_dump_json(indent=1).encode())


def load_volume(folder: Path) -> VolumeRecord | None:
    """The record in ``folder``, or None where none was ever written. Raises RecordUnreadable."""
    path = folder / VOLUME_RECORD_NAME
    try:
        record = VolumeRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        raise RecordUnreadable(path) from None
    if record.format != _FORMAT or record.id != folder.name:
        raise RecordUnreadable(path)
    return record
