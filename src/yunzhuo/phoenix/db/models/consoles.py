"""Screens: gateways, segments, tickets, sessions."""

from sqlalchemy import JSON, BigInteger, Double, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Digest, Id, Name, Time, Word


class Gateway(Base):
    """A public door to the desktops' screens. It proves itself with a key of its own.

    ``state`` is what an operator wants: active, or draining, which takes no new sessions. ``internal_url`` is its address for
    clients of a segment. The key before the present one counts until ``old_key_until``. What follows is what the gateway said
    of itself, last at ``last_seen_at`` (None: nothing yet); ``certificate`` is its chain in PEM, for native viewers.
    """

    __tablename__ = "gateways"
    __table_args__ = (Index("uq_gateways_old_key_digest", "old_key_digest", unique=True),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    name: Mapped[Name] = mapped_column(unique=True)
    public_url: Mapped[Name]
    internal_url: Mapped[Name | None]
    state: Mapped[Word] = mapped_column(server_default="active")
    key_digest: Mapped[Digest] = mapped_column(unique=True)
    old_key_digest: Mapped[Digest | None]
    old_key_until: Mapped[Time | None]
    created_at: Mapped[Time]
    last_seen_at: Mapped[Time | None]
    version: Mapped[Word | None]
    capacity: Mapped[int | None]
    certificate: Mapped[str | None] = mapped_column(Text)


class Segment(Base):
    """A client network, written as CIDR, whose clients go to a gateway's internal address."""

    __tablename__ = "segments"

    id: Mapped[Id] = mapped_column(primary_key=True)
    name: Mapped[Name] = mapped_column(unique=True)
    network: Mapped[Word] = mapped_column(unique=True)
    created_at: Mapped[Time]


class ScreenPolicy(Base):
    """What somebody's screens allow: a person's, those of a group's people or of an organization's, a pool's, a desktop's.

    ``says`` has the parts of a policy that this one has a say in (``services.rules.session_policy``).
    """

    __tablename__ = "screen_policies"

    subject_kind: Mapped[Word] = mapped_column(primary_key=True)
    subject_id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"), index=True)
    says: Mapped[dict[str, object]] = mapped_column(JSON)


class Ticket(Base):
    """The right to open one session, once, until ``expires_at``.

    ``policy`` is what the session may do; ``sign_in_digest`` the digest of the session's or token's secret with which it was
    asked for; only ``client_address`` may use it, if there is one. ``resume_digest`` is of another secret, which opens the
    session again when its line broke; it was last used for that at ``resumed_at``.
    """

    __tablename__ = "tickets"
    __table_args__ = (Index("uq_tickets_resume_digest", "resume_digest", unique=True),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    secret_digest: Mapped[Digest] = mapped_column(unique=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"))
    desktop_id: Mapped[Id] = mapped_column(ForeignKey("desktops.id"))
    gateway_id: Mapped[Id] = mapped_column(ForeignKey("gateways.id"))
    protocol: Mapped[Word]
    policy: Mapped[dict[str, object] | None] = mapped_column(JSON(none_as_null=True))
    sign_in_digest: Mapped[Digest | None]
    client_address: Mapped[Name | None]
    created_at: Mapped[Time]
    expires_at: Mapped[Time] = mapped_column(index=True)
    redeemed_at: Mapped[Time | None]
    resume_digest: Mapped[Digest | None]
    resumed_at: Mapped[Time | None]


class ConsoleSession(Base):
    """One person connected to one desktop through a gateway.

    A SPICE viewer makes a connection for each of its channels, and each is a row; they share a ticket. ``ends_at`` is when its
    time is over; ``withdrawn_reason`` why its gateway has to close it now. How it stands is the gateway's word of
    ``last_seen_at``; ``drops`` are packets that had to be sent again. Once its gateway is deleted it has its name instead.
    """

    __tablename__ = "console_sessions"
    __table_args__ = (Index(None, "gateway_id", "ended_at"), Index(None, "organization_id", "ended_at", "started_at"))

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), index=True)
    desktop_id: Mapped[Id] = mapped_column(ForeignKey("desktops.id"), index=True)
    gateway_id: Mapped[Id | None] = mapped_column(ForeignKey("gateways.id"))
    gateway_name: Mapped[Name | None]
    # No foreign key: sessions are history, tickets are not kept.
    ticket_id: Mapped[Id | None] = mapped_column(index=True)
    protocol: Mapped[Word]
    channel: Mapped[Word | None]
    sign_in_digest: Mapped[Digest | None]
    client_address: Mapped[Name]
    started_at: Mapped[Time] = mapped_column(index=True)
    ends_at: Mapped[Time | None]
    ended_at: Mapped[Time | None]
    end_reason: Mapped[Name | None]
    withdrawn_reason: Mapped[Word | None]
    bytes_in: Mapped[int] = mapped_column(BigInteger)
    bytes_out: Mapped[int] = mapped_column(BigInteger)
    last_seen_at: Mapped[Time | None]
    last_input_at: Mapped[Time | None]
    round_trip_ms: Mapped[float | None] = mapped_column(Double)
    drops: Mapped[int | None]
