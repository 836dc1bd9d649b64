"""Screens: gateways, tickets, sessions."""

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Digest, Id, Name, Time, Word


class Gateway(Base):
    """A public door to the desktops' screens. It proves itself with a key of its own."""

    __tablename__ = "gateways"

    id: Mapped[Id] = mapped_column(primary_key=True)
    name: Mapped[Name] = mapped_column(unique=True)
    public_url: Mapped[Name]
    key_digest: Mapped[Digest] = mapped_column(unique=True)
    created_at: Mapped[Time]


class Ticket(Base):
    """The right to open one session, once, until ``expires_at``."""

    __tablename__ = "tickets"

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    secret_digest: Mapped[Digest] = mapped_column(unique=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"))
    desktop_id: Mapped[Id] = mapped_column(ForeignKey("desktops.id"))
    gateway_id: Mapped[Id] = mapped_column(ForeignKey("gateways.id"))
    protocol: Mapped[Word]
    created_at: Mapped[Time]
    expires_at: Mapped[Time] = mapped_column(index=True)
    redeemed_at: Mapped[Time | None]


class ConsoleSession(Base):
    """One person connected to one desktop through a gateway.

    A SPICE viewer makes a connection for each of its channels, and each is a row; they share a ticket.
    """

    __tablename__ = "console_sessions"

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"))
    desktop_id: Mapped[Id] = mapped_column(ForeignKey("desktops.id"), index=True)
    gateway_id: Mapped[Id] = mapped_column(ForeignKey("gateways.id"))
    # No foreign key: sessions are history, tickets are not kept.
    ticket_id: Mapped[Id | None] = mapped_column(index=True)
    protocol: Mapped[Word]
    client_address: Mapped[Name]
    started_at: Mapped[Time]
    ended_at: Mapped[Time | None]
    end_reason: Mapped[Name | None]
    bytes_in: Mapped[int] = mapped_column(BigInteger)
    bytes_out: Mapped[int] = mapped_column(BigInteger)
