"""Pools: desktops of one kind for a set of people."""

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Id, Name, Time, Word


class Pool(Base):
    """What its desktops are made from, how many there may be, and how many stand ready.

    ``account_id`` is an account of the pool's own, to which its spares belong and whose turn it is in the queue; nobody can
    sign in with it. ``hours`` are lines as ``services.rules.pools`` reads them, in ``time_zone``. ``release_after_minutes``:
    a floating desktop that nobody is connected to for so long is given back (None: never). ``built`` counts the desktops that
    were made, for their names; ``failures`` those that failed in a row, the last at ``failed_at``;
    ``problem`` is why none could even be asked for, the last time. ``document``: it was made because the document of that name
    says so (None: by hand).
    """

    __tablename__ = "pools"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    account_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), unique=True)
    name: Mapped[Name]
    kind: Mapped[Word]
    image_id: Mapped[Id] = mapped_column(ForeignKey("images.id"))
    flavor_id: Mapped[Id] = mapped_column(ForeignKey("flavors.id"))
    capacity: Mapped[int]
    spares: Mapped[int]
    hours: Mapped[list[str]] = mapped_column(JSON)
    time_zone: Mapped[str] = mapped_column(String(64))
    release_after_minutes: Mapped[int | None]
    built: Mapped[int]
    failures: Mapped[int]
    failed_at: Mapped[Time | None]
    problem: Mapped[str | None] = mapped_column(String(1000))
    document: Mapped[Name | None]
    created_at: Mapped[Time]


class PoolMember(Base):
    """Who may have a desktop of a pool: ``holder_id`` is a person's id, or a group's for everybody in it."""

    __tablename__ = "pool_members"

    pool_id: Mapped[Id] = mapped_column(ForeignKey("pools.id"), primary_key=True)
    holder_id: Mapped[Id] = mapped_column(primary_key=True, index=True)
