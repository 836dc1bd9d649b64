"""How much anybody may have, and how much they had."""

from datetime import date

from sqlalchemy import BigInteger, Date, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Id, Name, Time, Word


class Quota(Base):
    """The most of a resource that a person, a group's people together or an organization may have.

    ``subject_kind`` is ``user``, ``group`` or ``organization``; ``subject_id`` its id. ``document``: it was set because the
    document of that name says so (None: by hand).
    """

    __tablename__ = "quotas"

    subject_kind: Mapped[Word] = mapped_column(primary_key=True)
    subject_id: Mapped[Id] = mapped_column(primary_key=True)
    resource: Mapped[Word] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"), index=True)
    most: Mapped[int] = mapped_column(BigInteger)
    document: Mapped[Name | None]


class UsageDay(Base):
    """What one person's desktops used on one day (UTC): the most at once, and running time multiplied by size."""

    __tablename__ = "usage_days"
    __table_args__ = (Index(None, "organization_id", "day"),)

    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    desktops: Mapped[int]
    running_seconds: Mapped[int] = mapped_column(BigInteger)
    vcpu_seconds: Mapped[int] = mapped_column(BigInteger)
    memory_mib_seconds: Mapped[int] = mapped_column(BigInteger)


class UsageMark(Base):
    """Up to when usage was counted: the one row whose change decides which of several schedulers counts a stretch."""

    __tablename__ = "usage_marks"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    counted_until: Mapped[Time]
