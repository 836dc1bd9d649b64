"""Operations: one change being made to a desktop, step by step, with who works on it until when."""

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Id, Name, Time, Word


class Operation(Base):
    """One change.

    ``lane`` is which admission it needs (None: none), ``admitted_at`` when it got it; until then its status is ``waiting``.
    ``host`` is where it burdens the cloud, as far as that is known. ``error_detail`` is for administrators.

    ``active_desktop_id`` equals ``desktop_id`` until the operation ends, then None: its unique index is what keeps a
    desktop to one running operation. ``due_at`` says when somebody should look at it next; ``lease_owner`` may work on
    the present step until ``lease_expires_at``. ``note_code`` says what was lost by it, or later of what it had made.
    """

    __tablename__ = "operations"
    __table_args__ = (
        Index(None, "status", "due_at"),
        Index(None, "desktop_id", "created_at"),
        Index(None, "organization_id", "created_at"),
        # Who waits, and who is in, is counted at every admission.
        Index(None, "lane", "status", "organization_id", "user_id", "created_at"),
        Index(None, "lane", "admitted_at"),
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    desktop_id: Mapped[Id] = mapped_column(ForeignKey("desktops.id"))
    active_desktop_id: Mapped[Id | None] = mapped_column(unique=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"))
    action: Mapped[Word]
    arguments: Mapped[dict[str, str]] = mapped_column(JSON)
    status: Mapped[Word]
    lane: Mapped[Word | None]
    host: Mapped[Name | None]
    admitted_at: Mapped[Time | None]
    position: Mapped[int]
    attempts: Mapped[int]
    due_at: Mapped[Time]
    deadline_at: Mapped[Time]
    lease_owner: Mapped[Name | None]
    lease_expires_at: Mapped[Time | None]
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(String(1000))
    note_code: Mapped[Word | None]
    error_detail: Mapped[str | None] = mapped_column(String(2000))
    created_at: Mapped[Time]
    ended_at: Mapped[Time | None]


class OperationStep(Base):
    """One step of an operation's plan. ``detail`` is a plain sentence, ``cloud_request_id`` for whoever asks the cloud.

    ``host`` is where a server was that was given up in this step.
    """

    __tablename__ = "operation_steps"
    __table_args__ = (UniqueConstraint("operation_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    operation_id: Mapped[Id] = mapped_column(ForeignKey("operations.id"))
    position: Mapped[int]
    name: Mapped[Word]
    status: Mapped[Word]
    detail: Mapped[str | None] = mapped_column(String(1000))
    cloud_request_id: Mapped[Name | None]
    host: Mapped[Name | None]
    started_at: Mapped[Time | None]
    ended_at: Mapped[Time | None]


class AdmissionLane(Base):
    """One row a lane, there to be locked: whoever decides who is admitted next decides alone."""

    __tablename__ = "admission_lanes"

    lane: Mapped[Word] = mapped_column(primary_key=True)


class AdmissionTurn(Base):
    """When one of a person's operations was let in last."""

    __tablename__ = "admission_turns"

    lane: Mapped[Word] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"), primary_key=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), primary_key=True)
    served_at: Mapped[Time]
