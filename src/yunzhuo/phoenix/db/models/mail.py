"""Letters that wait to be sent, and the single-use links that some of them carry."""

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Digest, Id, Name, Time, Word


class OutgoingMail(Base):
    """One letter. ``kind`` and ``arguments`` say what is in it; no secret is kept here, links are made when it is sent.

    ``due_at`` says when somebody should try next: whoever tries moves it on first, which is the lease.
    """

    __tablename__ = "outgoing_mails"
    __table_args__ = (Index(None, "status", "due_at"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    kind: Mapped[Word]
    recipient: Mapped[Name]
    language: Mapped[Word]
    arguments: Mapped[dict[str, str]] = mapped_column(JSON)
    status: Mapped[Word]
    attempts: Mapped[int]
    due_at: Mapped[Time]
    error: Mapped[str | None] = mapped_column(String(400))
    created_at: Mapped[Time]
    ended_at: Mapped[Time | None] = mapped_column(index=True)


class EmailProof(Base):
    """The right to do one thing once, given to whoever reads the mail of ``email``: register, choose a password, change an
    address. ``user_id`` None: not decided by whom (a new account, or whoever has this address when the link is used)."""

    __tablename__ = "email_proofs"
    __table_args__ = (Index(None, "email", "purpose"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"), index=True)
    user_id: Mapped[Id | None] = mapped_column(ForeignKey("users.id"))
    purpose: Mapped[Word]
    email: Mapped[Name]
    role: Mapped[Word | None]
    language: Mapped[Word | None]
    invited_by: Mapped[Id | None] = mapped_column(ForeignKey("users.id"))
    secret_digest: Mapped[Digest] = mapped_column(unique=True)
    created_at: Mapped[Time]
    expires_at: Mapped[Time] = mapped_column(index=True)
    used_at: Mapped[Time | None]
