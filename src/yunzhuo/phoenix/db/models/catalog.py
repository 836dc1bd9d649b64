"""What a desktop can be made of: images and flavors under ids of our own, networks and security groups under
the cloud's: operators know those from there."""

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Id, Name, Time


class Image(Base):
    """A disk desktops start from. ``withdrawn_at``: the cloud no longer has it; desktops made from it go on."""

    __tablename__ = "images"
    __table_args__ = (UniqueConstraint("organization_id", "cloud_id"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"), index=True)
    cloud_id: Mapped[Name]
    name: Mapped[Name]
    version: Mapped[Name]
    size_mib: Mapped[int]
    min_memory_mib: Mapped[int]
    min_disk_mib: Mapped[int]
    is_default: Mapped[bool]
    created_at: Mapped[Time]
    withdrawn_at: Mapped[Time | None]


class Flavor(Base):
    """A size. The same for every organization, as in the cloud."""

    __tablename__ = "flavors"

    id: Mapped[Id] = mapped_column(primary_key=True)
    cloud_id: Mapped[Name] = mapped_column(unique=True)
    name: Mapped[Name]
    vcpus: Mapped[int]
    memory_mib: Mapped[int]
    disk_mib: Mapped[int]
    withdrawn_at: Mapped[Time | None]


class CloudPlace(Base):
    """Something of the cloud that desktops are put into, by its id there. The same for every organization, as in the cloud."""

    __abstract__ = True

    id: Mapped[Name] = mapped_column(primary_key=True)
    name: Mapped[Name]
    withdrawn_at: Mapped[Time | None]


class Network(CloudPlace):
    """What desktops are put on."""

    __tablename__ = "networks"


class SecurityGroup(CloudPlace):
    """Rules for what comes to desktops and what leaves them."""

    __tablename__ = "security_groups"
