"""What is done at certain times, what became of it, and how the scheduler's own timers keep time."""

from sqlalchemy import Double, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Id, Name, Time, Word


class Schedule(Base):
    """Something to be done to the desktops of a pool or a group whenever ``rule`` (``services.rules.schedules``) says so by the
    clocks of ``time_zone``.

    ``next_at`` is when it is due next; None while it is paused, and when its rule never holds again. ``account_id`` is an
    account of the schedule's own, which asks for what is done; nobody can sign in with it. ``catch_up_minutes``: what is
    later than that is not done any more. ``warned_for``: the time of which whoever is connected was warned last.
    ``document``: it was made because the document of that name says so (None: by hand).
    """

    __tablename__ = "schedules"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    account_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), unique=True)
    name: Mapped[Name]
    rule: Mapped[str] = mapped_column(String(100))
    time_zone: Mapped[str] = mapped_column(String(64))
    action: Mapped[Word]
    # No foreign key: a pool or a group; one that is gone is told by the next run.
    subject_kind: Mapped[Word]
    subject_id: Mapped[Id]
    leaves_connected: Mapped[bool]
    catch_up_minutes: Mapped[int]
    next_at: Mapped[Time | None] = mapped_column(index=True)
    paused_at: Mapped[Time | None]
    warned_for: Mapped[Time | None]
    document: Mapped[Name | None]
    created_at: Mapped[Time]


class ScheduleRun(Base):
    """One time that a schedule was due, or was asked for by hand.

    The unique index is what keeps a moment to one run, whatever number of schedulers there is. ``lease_owner`` works on it
    until ``lease_expires_at``; ``last_desktop_id`` is what was dealt with last, so that another one goes on from there.
    ``begun`` counts the changes that were asked for, ``untouched`` the desktops that needed none or were used, ``refused`` the
    rest, and ``problem`` is the first reason; ``waiting`` are those that were being changed when it came to them: when all
    others are dealt with, it begins again.
    """

    __tablename__ = "schedule_runs"
    __table_args__ = (UniqueConstraint("schedule_id", "due_at"), Index(None, "status", "due_at"))

    id: Mapped[Id] = mapped_column(primary_key=True)
    schedule_id: Mapped[Id] = mapped_column(ForeignKey("schedules.id"))
    due_at: Mapped[Time]
    status: Mapped[Word]
    started_at: Mapped[Time] = mapped_column(index=True)
    ended_at: Mapped[Time | None]
    begun: Mapped[int]
    untouched: Mapped[int]
    refused: Mapped[int]
    waiting: Mapped[int]
    problem: Mapped[str | None] = mapped_column(String(1000))
    last_desktop_id: Mapped[Id | None]
    lease_owner: Mapped[Name | None]
    lease_expires_at: Mapped[Time | None]


class TimerBeat(Base):
    """How a timer of a scheduler keeps time, as that scheduler reported it at ``reported_at``.

    ``due_at`` is when its present or next turn was due, ``took_seconds`` how long the last one lasted; it fails since
    ``failing_since`` with ``failure_code`` (None: it does not).
    """

    __tablename__ = "timer_beats"

    scheduler: Mapped[Name] = mapped_column(primary_key=True)
    timer: Mapped[Word] = mapped_column(primary_key=True)
    seconds: Mapped[float] = mapped_column(Double)
    due_at: Mapped[Time]
    took_seconds: Mapped[float] = mapped_column(Double)
    failure_code: Mapped[str | None] = mapped_column(String(64))
    failing_since: Mapped[Time | None]
    reported_at: Mapped[Time] = mapped_column(index=True)
