"""What the host knows of a server, on disk before it is done: the folder is the truth, the process only reads it."""

import os
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from yunzhuo.host.layout import RECORD_NAME
from yunzhuo.host.processes import ProcessIdentity
from yunzhuo.phoenix.cloud.resources import FaultCode
from yunzhuo.phoenix.common.errors import Inconsistent
from yunzhuo.phoenix.config.settings import FlavorSettings

_FORMAT = 1


class Phase(StrEnum):
    """How far a server has come into being."""

    MAKING = "making"
    """Nobody was told that it runs: what there is of it can be thrown away and made again."""
    MADE = "made"
    REBUILDING = "rebuilding"
    """A new disk and a new identity were accepted: what there is of the old may be gone already."""
    FAILED = "failed"


class Wanted(StrEnum):
    """What was last asked for."""

    RUNNING = "running"
    STOPPED = "stopped"
    SUSPENDED = "suspended"


class SavedMemory(BaseModel):
    """What ran in a suspended server, in a file beside its record. ``key`` says which machines can take it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    saved_at: AwareDatetime
    size_bytes: int
    desktop_was_up: bool


class SnapshotPhase(StrEnum):
    """Whether a snapshot can be rolled back to: it may be on its way into the disk, or out of it."""

    TAKING = "taking"
    STANDING = "standing"
    GOING = "going"


class SnapshotRecord(BaseModel):
    """A state kept in the server's disk under its id. ``key`` says which machines can take its memory, if it has any."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    created_at: AwareDatetime
    has_memory: bool
    key: str
    desktop_was_up: bool
    size_mib: int = 0
    phase: SnapshotPhase = SnapshotPhase.TAKING

    def but(self, **changes: object) -> "SnapshotRecord":
        """The same snapshot with some fields changed."""
        return self.model_copy(update=changes)


class ServerRecord(BaseModel):
    """One server. Sizes are those of its flavor when it was made, so that a changed flavor does not change it.

    ``next_flavor`` is the size that it is being given. ``state_key`` is of the machine that it last ran on. As long as there
    is ``saved``, the guest has not run since. ``snapshots`` are oldest first; ``rolling_back_to`` is the id of one.
    ``is_silent`` says that its image promises no word about its desktop. ``language`` is what its sessions begin in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = _FORMAT
    id: str
    desktop_id: str
    name: str
    hostname: str
    image_id: str
    flavor_id: str
    vcpus: int
    memory_mib: int
    disk_mib: int
    metadata: tuple[tuple[str, str], ...] = ()
    created_at: datetime
    golden: str | None = None
    is_silent: bool = False
    language: str | None = None
    phase: Phase = Phase.MAKING
    wanted: Wanted = Wanted.RUNNING
    process: ProcessIdentity | None = None
    next_flavor: FlavorSettings | None = None
    state_key: str | None = None
    saved: SavedMemory | None = None
    snapshots: tuple[SnapshotRecord, ...] = ()
    rolling_back_to: str | None = None
    fault: str | None = None
    fault_code: FaultCode | None = None

    @property
    def flavor(self) -> FlavorSettings:
        """The size it was made with, whatever the settings say by now."""
        return FlavorSettings(
            id=self.flavor_id, name=self.flavor_id, vcpus=self.vcpus, memory_mib=self.memory_mib, disk_mib=self.disk_mib
        )

    def snapshot(self, snapshot_id: str | None) -> SnapshotRecord | None:
        """One of the snapshots, or None."""
        return next((kept for kept in self.snapshots if kept.id == snapshot_id), None)

    def with_snapshot(self, changed: SnapshotRecord) -> tuple[SnapshotRecord, ...]:
        """The snapshots, one of them changed."""
        return tuple(changed if kept.id == changed.id else kept for kept in self.snapshots)

    def without_snapshot(self, snapshot_id: str) -> tuple[SnapshotRecord, ...]:
        """The snapshots but one."""
        return tuple(kept for kept in self.snapshots if kept.id != snapshot_id)

    def but(self, **changes: object) -> "ServerRecord":
        """The same record with some fields changed; another fault has a code of its own, or none."""
        code = {"fault_code": None} if "fault" in changes else {}
        return self.model_copy(update={**code, **changes})


class RecordUnreadable(Inconsistent):
    """A record is there and cannot be understood: written by another version, or damaged."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            "record_unreadable", f"{path} cannot be understood; move its folder away to forget that server.", path=str(path)
        )


def save_record(folder: Path, record: ServerRecord) -> None:
    """Put the record on disk, whole or not at all, and return only when it would survive a power cut."""
    write_whole(folder / RECORD_NAME, record.model_dump_json(indent=1).encode())


def load_record(folder: Path) -> ServerRecord | None:
    """The record in ``folder``, or None where none was ever written. Raises RecordUnreadable."""
    path = folder / RECORD_NAME
    try:
        record = ServerRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        raise RecordUnreadable(path) from None
    if record.format != _FORMAT or record.id != folder.name:
        raise RecordUnreadable(path)
    return record


def write_whole(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write ``content`` to ``path`` so that a reader, at any time and after any crash, sees the old or the new content."""
    partial = path.with_name(f"{path.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(descriptor)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names just given or taken in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
