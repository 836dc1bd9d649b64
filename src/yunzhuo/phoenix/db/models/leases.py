"""For how long desktops are given."""

from sqlalchemy import JSON, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Id, Word


class LeaseTerms(Base):
    """The terms (``services.rules.leases``) of the desktops of an organization, or of a pool: ``subject_id`` is its id."""

    __tablename__ = "lease_terms"

    subject_id: Mapped[Id] = mapped_column(primary_key=True)
    subject_kind: Mapped[Word]
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"), index=True)
    days: Mapped[int | None]
    extend_days: Mapped[int]
    extend_times: Mapped[int]
    warn_hours: Mapped[list[int]] = mapped_column(JSON)
    bin_days: Mapped[int]
