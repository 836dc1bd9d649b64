"""Snapshots of desktops, so that pages need not ask the cloud."""

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Id, Name, Time


class Snapshot(Base):
    """A named state of a desktop.

    The row is there as soon as the snapshot is asked for, and takes its place in the limit from then on; ``cloud_id`` None
    says that the cloud has not made it yet. ``cloud_name`` is what it is found by there. ``image_id`` and ``flavor_id`` are
    what the desktop was made of at that time.
    """

    __tablename__ = "snapshots"
    __table_args__ = (UniqueConstraint("desktop_id", "name"), UniqueConstraint("desktop_id", "cloud_id"))

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    desktop_id: Mapped[Id] = mapped_column(ForeignKey("desktops.id"))
    image_id: Mapped[Id] = mapped_column(ForeignKey("images.id"))
    flavor_id: Mapped[Id] = mapped_column(ForeignKey("flavors.id"))
    name: Mapped[Name]
    cloud_name: Mapped[Name]
    cloud_id: Mapped[Name | None]
    has_memory: Mapped[bool]
    size_mib: Mapped[int]
    created_at: Mapped[Time]
