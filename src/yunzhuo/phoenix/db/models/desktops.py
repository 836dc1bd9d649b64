"""Desktops, and the memory of requests that were made twice."""

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Digest, Id, Name, Time, Word


class Desktop(Base):
    """What a user is given.

    ``wanted`` is what should be; ``observed_status`` what the cloud said last, at ``observed_at`` (None: nothing yet);
    ``ready_at`` when the guest was last found ready since it was switched on; ``is_locked`` whether the cloud lets nobody
    change its server. ``operation_id`` is the latest operation,
    running or ended.
    ``project_id`` is the cloud's project that its server is made in (None: the one that all share).
    ``host`` and ``server_name`` are where the cloud put its server and what it calls it. Nothing else is a state: what
    people read is computed (``services.rules.lifecycle``).

    ``ends_at`` is when it is taken away (None: never), put off ``extended`` times; of that its owner was first warned at
    ``warned_at``, and last of the stage ``warned_hours``. From ``binned_at`` to ``bin_until`` it is in the bin. From
    ``renews_at`` its disk may be put onto another image, as its person was told (None: it is not).
    That nobody uses it its person was told at ``idle_warned_at``, and something is done at ``idle_ends_at``, for ``idle_cause``
    (``services.rules.idle``); ``busy_at`` is when its guest was last seen working by itself.
    """

    __tablename__ = "desktops"
    __table_args__ = (
        Index(None, "owner_id", "deleted_at", "created_at"),
        Index(None, "organization_id", "deleted_at", "created_at"),
        # What keeps a person to one desktop of a pool. A desktop has one claimant as it has one row.
        Index("uq_desktops_pool_id_claimant_id", "pool_id", "claimant_id", unique=True),
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    owner_id: Mapped[Id] = mapped_column(ForeignKey("users.id"))
    name: Mapped[Name]
    hostname: Mapped[str] = mapped_column(String(63))
    image_id: Mapped[Id] = mapped_column(ForeignKey("images.id"), index=True)
    flavor_id: Mapped[Id] = mapped_column(ForeignKey("flavors.id"))
    wanted: Mapped[Word]
    project_id: Mapped[Name | None]
    server_id: Mapped[Name | None] = mapped_column(unique=True)
    server_name: Mapped[Name | None]
    host: Mapped[Name | None]
    observed_status: Mapped[Word | None]
    observed_fault: Mapped[str | None] = mapped_column(String(1000))
    observed_fault_code: Mapped[Word | None]
    observed_at: Mapped[Time | None]
    missing_since: Mapped[Time | None]
    ready_at: Mapped[Time | None]
    is_locked: Mapped[bool] = mapped_column(default=False)
    # No foreign key: operations already refer to desktops, and the two are written in one transaction.
    operation_id: Mapped[Id]
    # No foreign keys: SQLite cannot add them to a table that others refer to.
    pool_id: Mapped[Id | None]
    claimant_id: Mapped[Id | None]
    claimed_at: Mapped[Time | None]
    ends_at: Mapped[Time | None] = mapped_column(index=True)
    extended: Mapped[int] = mapped_column(default=0)
    warned_hours: Mapped[int | None]
    warned_at: Mapped[Time | None]
    binned_at: Mapped[Time | None]
    bin_until: Mapped[Time | None] = mapped_column(index=True)
    renews_at: Mapped[Time | None]
    idle_cause: Mapped[Word | None]
    idle_warned_at: Mapped[Time | None]
    idle_ends_at: Mapped[Time | None]
    busy_at: Mapped[Time | None]
    created_at: Mapped[Time]
    deleted_at: Mapped[Time | None]


class IdempotencyKey(Base):
    """A request that carried an ``Idempotency-Key``, and what it made; the same request again gives the same answer."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    request_digest: Mapped[Digest]
    desktop_id: Mapped[Id]
    operation_id: Mapped[Id]
    created_at: Mapped[Time] = mapped_column(index=True)
