"""Agents in desktops: which key of each counts, and what each said last."""

from sqlalchemy import Float, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Id, Time


class GuestAgent(Base):
    """A desktop that was given an agent's key. Keys themselves are stored nowhere.

    ``issue`` names the key that counts, ``next_issue`` the one that counts beside it while a change that gives it is under way.
    ``boot`` is the start of the guest's system that was last heard of; ``left_boot`` one that has been ended since.

    ``heard_at`` None: nothing was ever heard. ``load`` is the last minute's, for each processor. ``signed_in_since`` None:
    nobody is signed in. What was said stays when the agent falls silent.
    """

    __tablename__ = "guest_agents"

    desktop_id: Mapped[Id] = mapped_column(ForeignKey("desktops.id"), primary_key=True)
    issue: Mapped[Id]
    next_issue: Mapped[Id | None]
    boot: Mapped[str | None] = mapped_column(String(64))
    left_boot: Mapped[str | None] = mapped_column(String(64))
    version: Mapped[str | None] = mapped_column(String(32))
    heard_at: Mapped[Time | None]
    is_ready: Mapped[bool | None]
    load: Mapped[float | None] = mapped_column(Float)
    memory_mib: Mapped[int | None]
    memory_used_mib: Mapped[int | None]
    signed_in_since: Mapped[Time | None]
