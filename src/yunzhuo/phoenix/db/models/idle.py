"""What is done about desktops that nobody uses."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Id, Word


class IdleTerms(Base):
    """The rules (``services.rules.idle``) for the desktops of an organization, or of a pool: ``subject_id`` is its id."""

    __tablename__ = "idle_terms"

    subject_id: Mapped[Id] = mapped_column(primary_key=True)
    subject_kind: Mapped[Word]
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"), index=True)
    disconnected_minutes: Mapped[int | None]
    closed_minutes: Mapped[int | None]
    disconnected_deed: Mapped[Word]
    no_input_minutes: Mapped[int | None]
    no_input_deed: Mapped[Word]
    unassigned_minutes: Mapped[int | None]
    notice_minutes: Mapped[int]
    busy_percent: Mapped[int | None]
