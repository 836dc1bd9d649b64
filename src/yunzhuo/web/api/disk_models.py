"""The API's JSON of personal disks."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from yunzhuo.services.kept_disk_snapshots import DiskSnapshotView
from yunzhuo.services.personal_disks import DiskUsage, DiskView
from yunzhuo.services.rules.lifecycle import State
from yunzhuo.services.rules.personal_disks import DiskState
from yunzhuo.webkit.bodies import Asked, Id


class NewDisk(Asked):
    """A wish for a personal disk."""

    size_mib: int | None = Field(None, ge=1, description="Else as large as one may be here.", examples=[10240])


class DiskConnection(Asked):
    """Where the disk is to be."""

    desktop: Id
    force: bool = Field(False, description="End the programs that have files open on it where it is now.")


class DiskRelease(Asked):
    """How the disk is taken away."""

    force: bool = Field(False, description="End the programs that have files open on it.")


class NewDiskSnapshot(Asked):
    """A wish for a snapshot."""

    name: str = Field(description="1 to 64 visible characters, not the name of another of the disk's.", examples=["Monday"])


class DiskSnapshot(BaseModel):
    """A state that the disk can be put back to. ``is_kept`` is false while it is being made."""

    id: Id
    name: str
    created_at: datetime
    is_kept: bool

    @classmethod
    def of(cls, view: DiskSnapshotView) -> Self:
        return cls(id=view.id, name=view.name, created_at=view.created_at, is_kept=view.is_kept)


class DiskPlace(BaseModel):
    """The desktop that has the disk, or is to get it."""

    id: Id
    name: str
    state: State


class PersonalDisk(BaseModel):
    """A person's disk. ``waiting``: it belongs at a desktop that could not be given it."""

    id: Id
    size_mib: int
    state: DiskState
    desktop: DiskPlace | None
    snapshots: list[DiskSnapshot]
    snapshot_limit: int
    created_at: datetime

    @classmethod
    def of(cls, view: DiskView) -> Self:
        at = view.desktop
        return cls(
            id=view.id,
            size_mib=view.size_mib,
            state=view.state,
            desktop=DiskPlace(id=at.id, name=at.name, state=at.state) if at else None,
            snapshots=[DiskSnapshot.of(each) for each in view.snapshots],
            snapshot_limit=view.snapshot_limit,
            created_at=view.created_at,
        )


class Usage(BaseModel):
    """How full the disk is; null where that is not known now: only a desktop that has it can say."""

    size_mib: int | None
    used_mib: int | None

    @classmethod
    def of(cls, usage: DiskUsage | None) -> Self:
        return cls(size_mib=usage.size_mib if usage else None, used_mib=usage.used_mib if usage else None)
