"""Personal disks: a person's files on a disk of their own, and the states of it that were kept."""

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Id, Name, Time


class PersonalDisk(Base):
    """One person's disk.

    ``active_owner_id`` equals ``owner_id`` until the disk is to be deleted (``deleted_at``), then None: its unique index is
    what keeps a person to one disk. It is in the cloud's project ``project_id`` (None: the one that all share).
    ``volume_id`` None: the cloud has not made it yet. ``desktop_id`` is the one desktop that
    may have it; ``attached_at`` since when it has, as far as known. On its way there it leaves ``leaving_desktop_id`` first.
    """

    __tablename__ = "personal_disks"

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    owner_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), index=True)
    active_owner_id: Mapped[Id | None] = mapped_column(unique=True)
    size_mib: Mapped[int]
    project_id: Mapped[Name | None]
    volume_id: Mapped[Name | None] = mapped_column(unique=True)
    desktop_id: Mapped[Id | None] = mapped_column(ForeignKey("desktops.id"), unique=True)
    leaving_desktop_id: Mapped[Id | None] = mapped_column(ForeignKey("desktops.id"))
    attached_at: Mapped[Time | None]
    created_at: Mapped[Time]
    deleted_at: Mapped[Time | None]


class DiskSnapshot(Base):
    """A named state of a personal disk.

    ``cloud_id`` None: the cloud has not made it yet; it is found by ``cloud_name`` there.
    """

    __tablename__ = "disk_snapshots"
    __table_args__ = (UniqueConstraint("disk_id", "name"), UniqueConstraint("disk_id", "cloud_id"))

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    disk_id: Mapped[Id] = mapped_column(ForeignKey("personal_disks.id"))
    name: Mapped[Name]
    cloud_name: Mapped[Name]
    cloud_id: Mapped[Name | None]
    created_at: Mapped[Time]
