"""The license server's own tables. Customers and people are in those of ``services``, in the same database."""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, MetaData, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from yunzhuo.phoenix.db.base import NAMING, Digest, Id, Name, Time, Word


class VendorBase(DeclarativeBase):
    """Root of these tables, which have a migration tree of their own."""

    metadata = MetaData(naming_convention=NAMING)


class LicensedInstallation(VendorBase):
    """One installation of a customer's (``customer_id`` is an organization's id), with what it may do.

    ``key_id`` and ``host`` are what its host info says; ``line_digest`` is of what the last answer told it to say the next
    time, ``line_before_digest`` of the one before, as an answer may be lost. ``clone_seen_at``: when a second computer with the
    same key was noticed. ``told_days``: of which of the days before the end the customer was told last.
    One that had a license and is deleted (``deleted_at``) stays as a row, without host and code: its licenses refer to it.
    """

    __tablename__ = "licensed_installations"

    id: Mapped[Id] = mapped_column(primary_key=True)
    customer_id: Mapped[Id] = mapped_column(index=True)
    name: Mapped[Name]
    state: Mapped[Word]
    edition: Mapped[Word]
    features: Mapped[list[str]] = mapped_column(JSON)
    limits: Mapped[dict[str, int]] = mapped_column(JSON)
    starts_at: Mapped[Time]
    expires_at: Mapped[Time]
    grace_days: Mapped[int]
    key_id: Mapped[Digest | None] = mapped_column(unique=True)
    host: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    serial: Mapped[int] = mapped_column(BigInteger)
    told_days: Mapped[int | None]
    moves: Mapped[int]
    moves_allowed: Mapped[int]
    code_digest: Mapped[Digest | None] = mapped_column(unique=True)
    line_digest: Mapped[Digest | None]
    line_before_digest: Mapped[Digest | None]
    clone_seen_at: Mapped[Time | None]
    checked_at: Mapped[Time | None]
    created_at: Mapped[Time]
    deleted_at: Mapped[Time | None]


class DeletedCustomer(VendorBase):
    """A customer that was deleted: its row among the organizations stays, without its name, as licenses refer to it."""

    __tablename__ = "deleted_customers"

    customer_id: Mapped[Id] = mapped_column(primary_key=True)
    name: Mapped[Name]
    deleted_at: Mapped[Time]


class IssuedLicense(VendorBase):
    """A license as it was signed; nothing changes it."""

    __tablename__ = "issued_licenses"
    __table_args__ = (UniqueConstraint("installation_id", "serial"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    installation_id: Mapped[Id] = mapped_column(ForeignKey("licensed_installations.id"))
    serial: Mapped[int] = mapped_column(BigInteger)
    key_id: Mapped[Digest] = mapped_column(index=True)
    signed_by: Mapped[Digest]
    reason: Mapped[Word]
    document: Mapped[str] = mapped_column(Text)
    issued_at: Mapped[Time]
    expires_at: Mapped[Time]
    withdrawn_at: Mapped[Time | None]


class AnsweredChallenge(VendorBase):
    """A challenge that an installation has answered: it counts for no other answer."""

    __tablename__ = "answered_challenges"

    digest: Mapped[Digest] = mapped_column(primary_key=True)
    expires_at: Mapped[Time] = mapped_column(index=True)
