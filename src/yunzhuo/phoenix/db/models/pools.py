"""Pools: desktops of one kind for a set of people."""

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Id, Name, Time, Word


class Pool(Base):
    """What its desktops are made from, how many there may be, and how many stand ready.

    ``account_id`` is an account of the pool's own, to which its spares belong and whose turn it is in the queue; nobody can
    sign in with it. ``hours`` are lines as ``services.rules.pools`` reads them, in ``time_zone``. ``release_after_minutes``:
    a floating desktop that nobody is connected to for so long is given back (None: never). ``built`` counts the desktops that
    were made, for their names; ``failures`` those that failed in a row, the last at ``failed_at``;
    ``problem`` is why none could even be asked for, the last time. ``rolling_image_id`` is the other image that its desktops
    may have while a roll-out goes on; ``goal_seconds`` how soon somebody should be at their desktop (None: nobody said).
    ``document``: it was made because the document of that name says so (None: by hand). ``network_id`` is the network that its
    desktops are put on (None: the cloud's first), ``security_group_ids`` are the groups they are in (none: the cloud's own).
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
    # No foreign key: SQLite cannot add one to a table that others refer to.
    rolling_image_id: Mapped[Id | None]
    goal_seconds: Mapped[int | None]
    network_id: Mapped[Name | None]
    security_group_ids: Mapped[list[str]] = mapped_column(JSON)
    document: Mapped[Name | None]
    created_at: Mapped[Time]


class PoolMember(Base):
    """Who may have a desktop of a pool: ``holder_id`` is a person's id, or a group's for everybody in it."""

    __tablename__ = "pool_members"

    pool_id: Mapped[Id] = mapped_column(ForeignKey("pools.id"), primary_key=True)
    holder_id: Mapped[Id] = mapped_column(primary_key=True, index=True)


class PoolRollout(Base):
    """A pool coming from one image to another, or back (``is_back``), at the pace that ``services.rules.rollouts`` explains.

    ``open_pool_id`` equals ``pool_id`` until it ends, then None: its unique index keeps a pool to one at a time. ``stage`` is
    the index of the present one. One of the image it leads to was made by ``proven_at``; failures count from
    ``counted_from``; ``problem`` is the last one.
    """

    __tablename__ = "pool_rollouts"
    __table_args__ = (Index(None, "pool_id", "started_at"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    pool_id: Mapped[Id] = mapped_column(ForeignKey("pools.id"))
    open_pool_id: Mapped[Id | None] = mapped_column(unique=True)
    from_image_id: Mapped[Id] = mapped_column(ForeignKey("images.id"))
    to_image_id: Mapped[Id] = mapped_column(ForeignKey("images.id"))
    is_back: Mapped[bool]
    status: Mapped[Word]
    stages: Mapped[list[int]] = mapped_column(JSON)
    stage: Mapped[int]
    at_once_percent: Mapped[int]
    most_failures: Mapped[int]
    notice_hours: Mapped[int]
    proven_at: Mapped[Time | None]
    counted_from: Mapped[Time]
    problem: Mapped[str | None] = mapped_column(String(1000))
    started_at: Mapped[Time]
    ended_at: Mapped[Time | None]


class PoolSample(Base):
    """What a pool's desktops did at a moment, for the curve of its day."""

    __tablename__ = "pool_samples"

    pool_id: Mapped[Id] = mapped_column(ForeignKey("pools.id"), primary_key=True)
    at: Mapped[Time] = mapped_column(primary_key=True, index=True)
    in_use: Mapped[int]
    ready: Mapped[int]
    coming: Mapped[int]
