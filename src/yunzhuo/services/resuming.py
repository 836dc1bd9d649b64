"""Going on with a session whose line broke: the same right, the same screen, another connection, no new ticket."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from yunzhuo.phoenix.cloud.resources import ConsoleProtocol
from yunzhuo.phoenix.config.people_settings import ConsoleSettings
from yunzhuo.phoenix.db.models import ApiToken, AuthSession, ConsoleSession, Organization, Ticket
from yunzhuo.phoenix.db.session import Transaction

#: Why a connection ended whose session goes on over another one.
RESUMED = "resumed"
_MAIN = "main"
# Ends that nobody wanted. Where a viewer closed, a right ended or a machine stopped there is nothing to go on with.
_BROKEN = frozenset({RESUMED, "viewer_lost", "viewer_silent", "gateway_stopping", "gateway_lost"})


@dataclass(frozen=True, slots=True)
class Shown:
    """What a gateway was shown, by whom, for which channel of a SPICE viewer."""

    gateway_id: str
    secret_digest: str
    client_address: str
    channel: str | None


def resumed(tx: Transaction, shown: Shown, now: datetime, settings: ConsoleSettings) -> Ticket | None:
    """The ticket whose session goes on, None where there is none to go on with.

    What is left of it is told to end, by ``withdrawn_reason``. A SPICE viewer's main channel is what goes on; for as long as a
    ticket lives its other channels join it from the same address. (Browsers open SPICE before anybody knows for which channel;
    they ask anew.)
    """
    ticket = tx.scalar(
        select(Ticket)
        .where(Ticket.resume_digest == shown.secret_digest, Ticket.gateway_id == shown.gateway_id)
        .where(or_(Ticket.client_address.is_(None), Ticket.client_address == shown.client_address))
    )
    if ticket is None or not settings.resume_seconds or not _still_may(tx, ticket):
        return None
    if ticket.protocol == ConsoleProtocol.SPICE and shown.channel != _MAIN:
        is_young = ticket.resumed_at is not None and ticket.resumed_at > now - timedelta(seconds=settings.ticket_seconds)
        return ticket if is_young and shown.channel and _has_main(tx, ticket, shown) else None
    last = _last(tx, ticket)
    if last is None or not _is_broken(last, now, timedelta(seconds=settings.resume_seconds)):
        return None
    # Of two at the same moment one goes on.
    before = Ticket.resumed_at.is_(None) if ticket.resumed_at is None else Ticket.resumed_at == ticket.resumed_at
    taken = tx.execute(update(Ticket).where(Ticket.id == ticket.id, before).values(resumed_at=now))
    if getattr(taken, "rowcount", 0) != 1:
        return None
    before_now = (ConsoleSession.ticket_id == ticket.id, ConsoleSession.withdrawn_reason.is_(None))
    tx.execute(update(ConsoleSession).where(*before_now).values(withdrawn_reason=RESUMED))
    return ticket


def may_go_on(now: datetime, settings: ConsoleSettings) -> ColumnElement[bool]:
    """Whether a connection's line broke so that its screen may still be gone on with: what :func:`resumed` would let in, of
    those whose gateway has noticed."""
    kept = select(Ticket.id).where(Ticket.id == ConsoleSession.ticket_id, Ticket.resume_digest.is_not(None))
    return and_(
        ConsoleSession.ended_at > now - timedelta(seconds=settings.resume_seconds),
        ConsoleSession.end_reason.in_(sorted(_BROKEN)),
        ConsoleSession.withdrawn_reason.is_(None),
        or_(ConsoleSession.ends_at.is_(None), ConsoleSession.ends_at > now),
        or_(ConsoleSession.protocol != ConsoleProtocol.SPICE, ConsoleSession.channel == _MAIN),
        kept.exists(),
        ~has_ended(ConsoleSession.sign_in_digest),
    )


def has_ended(sign_in_digest: InstrumentedAttribute[str | None]) -> ColumnElement[bool]:
    """Whether the sign-in with this digest, a session or a token, was ended; one that ran out by itself was not."""
    ended_session = select(AuthSession.id).where(AuthSession.secret_digest == sign_in_digest, AuthSession.ended_at.is_not(None))
    revoked_token = select(ApiToken.id).where(ApiToken.secret_digest == sign_in_digest, ApiToken.revoked_at.is_not(None))
    return or_(ended_session.exists(), revoked_token.exists())


def _still_may(tx: Session, ticket: Ticket) -> bool:
    """Whether the sign-in and the organization are as they were; the person and the desktop are looked at for every ticket."""
    is_ended = select(Ticket.id).where(Ticket.id == ticket.id, has_ended(Ticket.sign_in_digest))
    is_disabled = select(Organization.id).where(
        Organization.id == ticket.organization_id, Organization.disabled_at.is_not(None)
    )
    return tx.scalar(is_ended) is None and tx.scalar(is_disabled) is None


def _last(tx: Session, ticket: Ticket) -> ConsoleSession | None:
    """The connection that would be gone on with."""
    of_ticket = select(ConsoleSession).where(ConsoleSession.ticket_id == ticket.id)
    if ticket.protocol == ConsoleProtocol.SPICE:
        of_ticket = of_ticket.where(ConsoleSession.channel == _MAIN)
    return tx.scalar(of_ticket.order_by(ConsoleSession.started_at.desc(), ConsoleSession.id).limit(1))


def _is_broken(session: ConsoleSession, now: datetime, window: timedelta) -> bool:
    """Whether its line may be taken to have broken, not long ago. Its gateway may not know yet: then it is still open."""
    if session.withdrawn_reason not in {None, RESUMED} or (session.ends_at is not None and session.ends_at <= now):
        return False
    return session.ended_at is None or (session.ended_at > now - window and session.end_reason in _BROKEN)


def _has_main(tx: Session, ticket: Ticket, shown: Shown) -> bool:
    is_main = select(ConsoleSession.id).where(
        ConsoleSession.ticket_id == ticket.id,
        ConsoleSession.channel == _MAIN,
        ConsoleSession.ended_at.is_(None),
        ConsoleSession.withdrawn_reason.is_(None),
        ConsoleSession.client_address == shown.client_address[:255],
    )
    return tx.scalar(is_main.limit(1)) is not None
