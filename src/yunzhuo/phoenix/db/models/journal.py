"""What happened: events for pages and programs, audit entries for the record. Both are only ever appended."""

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Digest, Id, Name, Sequence, Time, Word


class Event(Base):
    """A change that somebody may be looking at. ``id`` grows; ``user_id`` is whose object it is about."""

    __tablename__ = "events"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[Word]
    object_id: Mapped[Id]
    data: Mapped[dict[str, object]] = mapped_column(JSON)
    at: Mapped[Time] = mapped_column(index=True)


class AuditEntry(Base):
    """Who did what to what, for whom, whence, and how it ended; ``before`` and ``after`` hold what a change changed.

    Nothing in an entry is ever changed. ``sequence`` and ``chain_hash`` are empty until it has its place in the chain.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (Index(None, "organization_id", "at"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Sequence, primary_key=True, autoincrement=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    actor_id: Mapped[Id | None]
    owner_id: Mapped[Id | None]
    verb: Mapped[str] = mapped_column(String(64))
    object_type: Mapped[Word]
    object_id: Mapped[Id | None]
    outcome: Mapped[Word]
    before: Mapped[dict[str, object] | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[dict[str, object] | None] = mapped_column(JSON(none_as_null=True))
    client_address: Mapped[Name | None]
    request_id: Mapped[Name | None]
    at: Mapped[Time]
    sequence: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    chain_hash: Mapped[Digest | None]


class AuditChain(Base):
    """The one row that says where the chain of audit entries ends, and, once old ones were dropped, where it begins.

    The entries in the database are those with sequences above ``base_sequence`` up to ``head_sequence``; ``base_hash`` is
    the chain's hash at the former.
    """

    __tablename__ = "audit_chain"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    base_sequence: Mapped[int] = mapped_column(BigInteger)
    base_hash: Mapped[Digest]
    head_sequence: Mapped[int] = mapped_column(BigInteger)
    head_hash: Mapped[Digest]
