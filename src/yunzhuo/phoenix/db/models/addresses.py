"""Floating IPs: a pool that desktops are given one of, and what the cloud has to offer."""

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Id, Name, Time


class Address(Base):
    """One floating IP.

    ``cloud_id`` and ``address`` None: the cloud has not made it yet, or has not said so; ``id`` is our tag there.
    ``desktop_id`` is the one desktop that it is given to, by a unique index; ``attached_at`` since when it leads there, as far
    as known.
    Nobody's since ``free_since``, it can be given to the next one unless it still leads to ``leaving_server_id``.
    It is of use in the cloud's project ``project_id`` alone (None: the one that all share).
    ``missing_since`` is when the cloud's list lacked it first. From ``given_up_at`` on nobody
    gets it, and the cloud has it back.
    """

    __tablename__ = "addresses"
    __table_args__ = (Index(None, "desktop_id", "free_since"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    network_id: Mapped[Name]
    project_id: Mapped[Name | None]
    cloud_id: Mapped[Name | None] = mapped_column(unique=True)
    address: Mapped[str | None] = mapped_column(String(45))
    desktop_id: Mapped[Id | None] = mapped_column(ForeignKey("desktops.id"), unique=True)
    attached_at: Mapped[Time | None]
    leaving_server_id: Mapped[Name | None]
    free_since: Mapped[Time | None]
    missing_since: Mapped[Time | None]
    given_up_at: Mapped[Time | None]
    created_at: Mapped[Time]


class ExternalNetwork(Base):
    """The network that floating IPs are taken from, by the cloud's id; no row: this cloud has none for us."""

    __tablename__ = "external_networks"

    cloud_id: Mapped[Name] = mapped_column(primary_key=True)
    name: Mapped[Name]


class DepartedServer(Base):
    """A server that a desktop had and has no more: what is still there in its name was ours."""

    __tablename__ = "departed_servers"

    server_id: Mapped[Name] = mapped_column(primary_key=True)
    # No foreign key: of use for what the cloud holds, whatever became of the desktop's row.
    desktop_id: Mapped[Id] = mapped_column(index=True)
    departed_at: Mapped[Time] = mapped_column(index=True)
