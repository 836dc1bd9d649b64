"""Opening a screen: a ticket for the person, its redemption for the gateway; and going on after a line broke."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

from sqlalchemy import distinct, func, or_, select, update
from sqlalchemy.orm import Session

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Console, ConsoleProtocol
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, NotOffered
from yunzhuo.phoenix.common.ids import new_id, new_secret
from yunzhuo.phoenix.config.people_settings import ConsoleSettings
from yunzhuo.phoenix.db.models import ConsoleSession, Desktop, Ticket, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.security.secrets import digest
from yunzhuo.services.access import Actor, Role, forbidden
from yunzhuo.services.audit import REFUSED, AuditLog
from yunzhuo.services.changes import facts_of, state_of
from yunzhuo.services.desktop_views import may_with, visible_desktop
from yunzhuo.services.gateways import GatewayService
from yunzhuo.services.license_book import LicenseBook
from yunzhuo.services.policy_book import PolicyBook
from yunzhuo.services.reach import widened
from yunzhuo.services.resuming import Shown, resumed
from yunzhuo.services.rules import lifecycle
from yunzhuo.services.rules.licensing import Reach
from yunzhuo.services.rules.session_policy import Bound, Policy, stricter
from yunzhuo.services.stated import needs

# ConsoleProtocol is for routes, which know no clouds.
__all__ = ["Connection", "ConsoleProtocol", "ConsoleService", "Redemption"]

# What a browser offers beside the ticket, and what the gateway answers with: the ticket is never echoed.
TICKET_PREFIX = "ticket."
_CARRIED = frozenset({ConsoleProtocol.VNC, ConsoleProtocol.SPICE})


@dataclass(frozen=True, slots=True)
class Connection:
    """The right to open one session. ``subprotocol`` is offered to the gateway at ``url``, beside ``binary``.

    ``resume_ticket`` opens the same session again when its line broke, for ``resume_seconds`` after that.
    """

    id: str
    protocol: ConsoleProtocol
    url: str
    ticket: str = field(repr=False)
    resume_ticket: str = field(repr=False)
    resume_seconds: int
    expires_at: datetime
    gateway: str = ""
    desktop_name: str = ""
    certificate: str = field(repr=False, default="")

    @property
    def subprotocol(self) -> str:
        """The WebSocket subprotocol that carries the ticket."""
        return f"{TICKET_PREFIX}{self.ticket}"

    @property
    def resume_subprotocol(self) -> str:
        """The WebSocket subprotocol that carries the right to go on."""
        return f"{TICKET_PREFIX}{self.resume_ticket}"


@dataclass(frozen=True, slots=True)
class Redemption:
    """What a gateway learns for a ticket: whose session it is, where the screen stands, what may be done on it and how long."""

    session_id: str
    user_id: str
    desktop_id: str
    console: Console
    policy: Mapping[str, object] = field(default_factory=dict)
    ends_in_seconds: float | None = None


class _Use(Enum):
    """What a ticket was shown for: to begin a session, to add a channel to it, to go on with it."""

    FIRST = auto()
    JOINED = auto()
    RESUMED = auto()


class ConsoleService:
    """Tickets and sessions."""

    def __init__(
        self,
        db: Database,
        cloud: Cloud,
        gateways: GatewayService,
        audit: AuditLog,
        clock: Clock,
        settings: ConsoleSettings,
        license_book: LicenseBook,
        policies: PolicyBook,
    ) -> None:
        self._policies = policies
        self._license = license_book
        self._db = db
        self._gateways = gateways
        self._cloud = cloud
        self._audit = audit
        self._clock = clock
        self._settings = settings

    @needs("desktop:connect")
    @retried_when_contended
    def open(
        self,
        actor: Actor,
        desktop_id: str,
        protocol: ConsoleProtocol,
        *,
        view_only: bool = False,
        sign_in: str | None = None,
    ) -> Connection:
        """A ticket for one session on a desktop. ``view_only``: to look, not to touch; ``sign_in`` is the secret of the session
        or token that asks: the screen is closed when that is ended. Raises NotFound, NotOffered, Conflict when the desktop
        cannot be seen now."""
        now = self._clock.now()
        with self._db.transaction() as tx:
            desktop, operation = visible_desktop(tx, actor, desktop_id, "desktop:connect")
            if protocol not in _CARRIED:
                raise NotOffered("protocol_not_offered", f"Screens cannot be opened by {protocol} here.", protocol=protocol)
            if not lifecycle.is_reachable(facts_of(desktop, operation)):
                state = state_of(desktop, operation)
                raise Conflict(
                    "desktop_not_available", f"The desktop's screen cannot be opened while it is {state}.", state=state
                )
            self._license.require(tx, Reach.KEEP)
            self._leave_room(tx, actor.user_id)
            route = self._gateways.route(tx, actor.client_address)
            secret, resume_secret = new_secret(), new_secret()
            ticket = Ticket(
                id=new_id(),
                organization_id=desktop.organization_id,
                secret_digest=digest(secret),
                resume_digest=digest(resume_secret),
                user_id=actor.user_id,
                desktop_id=desktop.id,
                gateway_id=route.gateway_id,
                protocol=protocol,
                policy=self._policies.of(tx, actor.user_id, desktop, view_only=view_only),
                sign_in_digest=digest(sign_in) if sign_in else None,
                client_address=actor.client_address if self._settings.bind_client_address else None,
                created_at=now,
                expires_at=now + timedelta(seconds=self._settings.ticket_seconds),
            )
            tx.add(ticket)
            self._audit.record(tx, actor, "desktop:connect", "desktop", desktop.id, owner_id=desktop.owner_id)
            return Connection(
                id=ticket.id,
                protocol=protocol,
                url=f"{route.url}/v1/console",
                ticket=secret,
                resume_ticket=resume_secret,
                resume_seconds=self._settings.resume_seconds,
                expires_at=ticket.expires_at,
                gateway=route.gateway_name,
                desktop_name=desktop.name,
                certificate=route.certificate,
            )

    @needs("desktop:connect")
    def allowed(self, actor: Actor, desktop_id: str) -> Policy:
        """What the actor may do on this desktop's screen if they open it now. Raises NotFound."""
        with self._db.reading() as tx:
            desktop, _ = visible_desktop(tx, actor, desktop_id, "desktop:read")
            if not may_with(tx, actor, desktop, "desktop:connect"):
                raise forbidden("desktop:connect")
            return self._policies.of(tx, actor.user_id, desktop)

    def redeem(self, gateway_id: str, secret: str, *, client_address: str, channel: str | None = None) -> Redemption:
        """Spend a ticket. It is gone whatever follows; one that is unknown, spent, late or another gateway's is refused
        with the same words, and goes on record where it is known whose it is. Raises Forbidden, and Conflict or the cloud's
        errors when the screen cannot be reached.

        A SPICE viewer opens its channels one after another with one ticket: for as long again as a ticket lives, those of
        the same client join the session while it is open. The ticket to go on with a session whose line broke is good as often
        as lines break; what that session may do is what it might and what would be allowed now.
        """
        now = self._clock.now()
        ticket, use = self._taken(gateway_id, secret, now, client_address, channel)
        with self._db.reading() as tx:
            if use is _Use.FIRST:
                self._leave_room(tx, ticket.user_id)
            server_id, allowed = self._reach(tx, ticket)
        console = self._cloud.servers.console(server_id, ConsoleProtocol(ticket.protocol))
        policy = dict(ticket.policy or {})
        if use is _Use.RESUMED:
            policy = stricter(policy, allowed)
        seconds = policy.pop(Bound.SESSION_SECONDS, None)
        since = ticket.redeemed_at or now
        ends_at = since + timedelta(seconds=seconds) if isinstance(seconds, int) and seconds else None
        session_id = self._begin_session(ticket, gateway_id, client_address, channel, now, ends_at)
        left = None if ends_at is None else (ends_at - now).total_seconds()
        return Redemption(session_id, ticket.user_id, ticket.desktop_id, console, policy, left)

    @retried_when_contended
    def _taken(
        self, gateway_id: str, secret: str, now: datetime, client_address: str, channel: str | None
    ) -> tuple[Ticket, "_Use"]:
        """The ticket, and what it was used for."""
        shown = Shown(gateway_id, digest(secret), client_address, channel)
        with self._db.transaction() as tx:
            ticket, use = self._spend(tx, gateway_id, secret, now, client_address), _Use.FIRST
            if ticket is None:
                ticket, use = self._joined(tx, gateway_id, secret, now, client_address), _Use.JOINED
            if ticket is None:
                ticket, use = resumed(tx, shown, now, self._settings), _Use.RESUMED
        if ticket is None:
            self._note_refused(secret, gateway_id, client_address)
            raise _refused()
        return ticket, use

    @retried_when_contended
    def _begin_session(
        self, ticket: Ticket, gateway_id: str, client_address: str, channel: str | None, now: datetime, ends_at: datetime | None
    ) -> str:
        session = ConsoleSession(
            id=new_id(),
            organization_id=ticket.organization_id,
            user_id=ticket.user_id,
            desktop_id=ticket.desktop_id,
            gateway_id=gateway_id,
            ticket_id=ticket.id,
            protocol=ticket.protocol,
            channel=channel[:32] if channel else None,
            sign_in_digest=ticket.sign_in_digest,
            client_address=client_address[:255],
            started_at=now,
            ends_at=ends_at,
            bytes_in=0,
            bytes_out=0,
        )
        with self._db.transaction() as tx:
            tx.add(session)
        return session.id

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

    def _leave_room(self, tx: Session, user_id: str) -> None:
        """Raises Conflict when somebody has as many screens open as one may."""
        is_open = (ConsoleSession.user_id == user_id, ConsoleSession.ended_at.is_(None))
        count = tx.scalar(select(func.count(distinct(ConsoleSession.ticket_id))).where(*is_open)) or 0
        if count >= self._settings.sessions_per_user:
            raise Conflict("too_many_screens", "You have too many screens open; close one first.", limit=count)

    @retried_when_contended
    def _note_refused(self, secret: str, gateway_id: str, client_address: str) -> None:
        """A ticket that is no good any more is somebody's all the same: what was tried with it goes on record."""
        with self._db.transaction() as tx:
            shown = digest(secret)
            ticket = tx.scalar(select(Ticket).where(or_(Ticket.secret_digest == shown, Ticket.resume_digest == shown)))
            if ticket is None:
                return
            why = "another_gateway" if ticket.gateway_id != gateway_id else "spent" if ticket.redeemed_at else "late"
            if ticket.resume_digest == shown:
                why = "not_resumable"
            if ticket.client_address is not None and ticket.client_address != client_address:
                why = "another_address"
            self._audit.record(
                tx,
                None,
                "desktop:connect",
                "desktop",
                ticket.desktop_id,
                organization_id=ticket.organization_id,
                outcome=REFUSED,
                after={"why": why, "client_address": client_address[:255]},
            )

    def _spend(self, tx: Transaction, gateway_id: str, secret: str, now: datetime, client_address: str) -> Ticket | None:
        spent = tx.execute(
            update(Ticket)
            .where(Ticket.secret_digest == digest(secret), Ticket.gateway_id == gateway_id)
            .where(or_(Ticket.client_address.is_(None), Ticket.client_address == client_address))
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

    def _reach(self, tx: Session, ticket: Ticket) -> tuple[str, dict[str, object]]:
        """The server behind a ticket, if its holder may still see the desktop, and what they may do there now."""
        user, desktop = tx.get_one(User, ticket.user_id), tx.get_one(Desktop, ticket.desktop_id)
        actor = widened(tx, Actor(user.id, user.organization_id, user.email, Role(user.role)), self._clock.now())
        allowed = may_with(tx, actor, desktop, "desktop:connect")
        if user.disabled_at is not None or desktop.deleted_at is not None or not allowed:
            raise _refused()
        if desktop.server_id is None:
            raise Conflict("desktop_not_available", "The desktop's screen cannot be opened now.")
        return desktop.server_id, self._policies.of(tx, user.id, desktop)


def _refused() -> Forbidden:
    return Forbidden("ticket_refused", "This ticket is not valid, or not any more.")
