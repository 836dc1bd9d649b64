"""Opening a screen: a ticket for the person, its redemption for the gateway."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Console, ConsoleProtocol
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, NotOffered, NotSignedIn
from yunzhuo.phoenix.common.ids import new_id, new_secret
from yunzhuo.phoenix.config.settings import ConsoleSettings
from yunzhuo.phoenix.db.models import ConsoleSession, Desktop, Gateway, Ticket, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.security.secrets import digest
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.changes import state_of
from yunzhuo.services.desktop_views import may_with, visible_desktop
from yunzhuo.services.license_book import LicenseBook
from yunzhuo.services.reach import widened
from yunzhuo.services.rules.licensing import Reach
from yunzhuo.services.rules.lifecycle import State
from yunzhuo.services.stated import needs

# ConsoleProtocol is for routes, which know no clouds.
__all__ = ["Connection", "ConsoleProtocol", "ConsoleService", "Redemption"]

# What a browser offers beside the ticket, and what the gateway answers with: the ticket is never echoed.
TICKET_PREFIX = "ticket."
_CARRIED = frozenset({ConsoleProtocol.VNC, ConsoleProtocol.SPICE})


@dataclass(frozen=True, slots=True)
class Connection:
    """The right to open one session. ``subprotocol`` is offered to the gateway at ``url``, beside ``binary``."""

    id: str
    protocol: ConsoleProtocol
    url: str
    ticket: str = field(repr=False)
    expires_at: datetime

    @property
    def subprotocol(self) -> str:
        """The WebSocket subprotocol that carries the ticket."""
        return f"{TICKET_PREFIX}{self.ticket}"


@dataclass(frozen=True, slots=True)
class Redemption:
    """What a gateway learns for a ticket: whose session it is, and where the screen stands."""

    session_id: str
    user_id: str
    desktop_id: str
    console: Console


class ConsoleService:
    """Tickets and sessions."""

    def __init__(
        self, db: Database, cloud: Cloud, audit: AuditLog, clock: Clock, settings: ConsoleSettings, license_book: LicenseBook
    ) -> None:
        self._license = license_book
        self._db = db
        self._cloud = cloud
        self._audit = audit
        self._clock = clock
        self._settings = settings

    @needs("desktop:connect")
    @retried_when_contended
    def open(self, actor: Actor, desktop_id: str, protocol: ConsoleProtocol) -> Connection:
        """A ticket for one session on a desktop. Raises NotFound, NotOffered, Conflict when the desktop cannot be seen now."""
        now = self._clock.now()
        with self._db.transaction() as tx:
            desktop, operation = visible_desktop(tx, actor, desktop_id, "desktop:connect")
            if protocol not in _CARRIED:
                raise NotOffered("protocol_not_offered", f"Screens cannot be opened by {protocol} here.", protocol=protocol)
            state = state_of(desktop, operation)
            if state is not State.AVAILABLE:
                raise Conflict(
                    "desktop_not_available", f"The desktop's screen cannot be opened while it is {state}.", state=state
                )
            self._license.require(tx, Reach.KEEP)
            gateway = tx.scalars(select(Gateway).order_by(Gateway.created_at)).first()
            if gateway is None:
                raise Conflict("no_gateway", "There is no gateway to open the screen through.")
            secret = new_secret()
            ticket = Ticket(
                id=new_id(),
                organization_id=desktop.organization_id,
                secret_digest=digest(secret),
                user_id=actor.user_id,
                desktop_id=desktop.id,
                gateway_id=gateway.id,
                protocol=protocol,
                created_at=now,
                expires_at=now + timedelta(seconds=self._settings.ticket_seconds),
            )
            tx.add(ticket)
            self._audit.record(tx, actor, "desktop:connect", "desktop", desktop.id, owner_id=desktop.owner_id)
            return Connection(ticket.id, protocol, f"{gateway.public_url}/v1/console", secret, ticket.expires_at)

    def gateway_id(self, key: str) -> str:
        """Which gateway has this key. Raises NotSignedIn."""
        with self._db.reading() as tx:
            found = tx.scalar(select(Gateway.id).where(Gateway.key_digest == digest(key)))
        if found is None:
            raise NotSignedIn("unknown_gateway", "No gateway has this key.")
        return found

    def redeem(self, gateway_id: str, secret: str, *, client_address: str) -> Redemption:
        """Spend a ticket. It is gone whatever follows; one that is unknown, spent, late or another gateway's is refused
        with the same words. Raises Forbidden, and Conflict or the cloud's errors when the screen cannot be reached.

        A SPICE viewer opens its channels one after another with one ticket: for as long again as a ticket lives, those of
        the same client join the session while it is open.
        """
        now = self._clock.now()
        with self._db.transaction() as tx:
            ticket = self._spend(tx, gateway_id, secret, now) or self._joined(tx, gateway_id, secret, now, client_address)
            if ticket is None:
                raise Forbidden("ticket_refused", "This ticket is not valid, or not any more.")
        with self._db.reading() as tx:
            server_id = self._server_of(tx, ticket)
        console = self._cloud.servers.console(server_id, ConsoleProtocol(ticket.protocol))
        session_id = new_id()
        with self._db.transaction() as tx:
            tx.add(
                ConsoleSession(
                    id=session_id,
                    organization_id=ticket.organization_id,
                    user_id=ticket.user_id,
                    desktop_id=ticket.desktop_id,
                    gateway_id=gateway_id,
                    ticket_id=ticket.id,
                    protocol=ticket.protocol,
                    client_address=client_address[:255],
                    started_at=now,
                    bytes_in=0,
                    bytes_out=0,
                )
            )
        return Redemption(session_id, ticket.user_id, ticket.desktop_id, console)

    @retried_when_contended
    def end_session(self, gateway_id: str, session_id: str, *, bytes_in: int, bytes_out: int, reason: str) -> None:
        """A gateway's word that a session of its own ended. Said twice, the first counts."""
        with self._db.transaction() as tx:
            tx.execute(
                update(ConsoleSession)
                .where(ConsoleSession.id == session_id, ConsoleSession.gateway_id == gateway_id)
                .where(ConsoleSession.ended_at.is_(None))
                .values(ended_at=self._clock.now(), bytes_in=bytes_in, bytes_out=bytes_out, end_reason=reason[:255])
            )

    def ensure_gateway(self, name: str, public_url: str, key: str) -> None:
        """Make the gateway that stands beside the manager known, with its key and where browsers find it."""
        with self._db.transaction() as tx:
            gateway = tx.scalar(select(Gateway).where(Gateway.name == name))
            if gateway is None:
                gateway = Gateway(id=new_id(), name=name, created_at=self._clock.now())
                tx.add(gateway)
            gateway.public_url, gateway.key_digest = public_url, digest(key)

    def _spend(self, tx: Transaction, gateway_id: str, secret: str, now: datetime) -> Ticket | None:
        spent = tx.execute(
            update(Ticket)
            .where(Ticket.secret_digest == digest(secret), Ticket.gateway_id == gateway_id)
            .where(Ticket.redeemed_at.is_(None), Ticket.expires_at > now)
            .values(redeemed_at=now)
        )
        if getattr(spent, "rowcount", 0) != 1:
            return None
        return tx.scalars(select(Ticket).where(Ticket.secret_digest == digest(secret))).one()

    def _joined(self, tx: Transaction, gateway_id: str, secret: str, now: datetime, client_address: str) -> Ticket | None:
        """The ticket of a SPICE session that this connection is a further channel of."""
        is_open = (
            select(ConsoleSession.id)
            .where(ConsoleSession.ticket_id == Ticket.id, ConsoleSession.ended_at.is_(None))
            .where(ConsoleSession.client_address == client_address[:255])
        )
        return tx.scalar(
            select(Ticket)
            .where(Ticket.secret_digest == digest(secret), Ticket.gateway_id == gateway_id)
            .where(Ticket.protocol == ConsoleProtocol.SPICE, is_open.exists())
            .where(Ticket.redeemed_at > now - timedelta(seconds=self._settings.ticket_seconds))
        )

    def _server_of(self, tx: Session, ticket: Ticket) -> str:
        """The server behind a ticket, if its holder may still see the desktop."""
        user, desktop = tx.get_one(User, ticket.user_id), tx.get_one(Desktop, ticket.desktop_id)
        actor = widened(tx, Actor(user.id, user.organization_id, user.email, Role(user.role)), self._clock.now())
        allowed = may_with(tx, actor, desktop, "desktop:connect")
        if user.disabled_at is not None or desktop.deleted_at is not None or not allowed:
            raise Forbidden("ticket_refused", "This ticket is not valid, or not any more.")
        if desktop.server_id is None:
            raise Conflict("desktop_not_available", "The desktop's screen cannot be opened now.")
        return desktop.server_id
