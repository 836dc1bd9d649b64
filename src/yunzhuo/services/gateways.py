"""Gateways and segments: which doors there are, how they are, and which one a person is sent to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, NotFound, NotSignedIn
from yunzhuo.phoenix.common.ids import new_id, new_secret
from yunzhuo.phoenix.db.models import ConsoleSession, Gateway, Segment, Ticket
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.security.secrets import digest
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.license_book import LicenseBook
from yunzhuo.services.rules import naming
from yunzhuo.services.rules.gateways import Door, choose
from yunzhuo.services.rules.licensing import Feature
from yunzhuo.services.stated import needs

# Every worker of a gateway reports every few seconds.
SILENT_AFTER = timedelta(seconds=20)
_OLD_KEY_COUNTS_FOR = timedelta(hours=1)
_SCHEMES = {"ws", "wss"}
_LONGEST_URL = 255


class GatewayState(StrEnum):
    """What an operator wants of a gateway: that it takes sessions, or only keeps those that are open."""

    ACTIVE = "active"
    DRAINING = "draining"


class Health(StrEnum):
    """How a gateway is: it reported lately, it stopped doing so, or it never has."""

    WELL = "well"
    SILENT = "silent"
    UNSEEN = "unseen"


@dataclass(frozen=True, slots=True)
class GatewayView:
    """A gateway as operators see it. ``sessions`` are open now; ``capacity`` is how many connections it takes (None: it has
    not said)."""

    id: str
    name: str
    public_url: str
    internal_url: str | None
    state: GatewayState
    health: Health
    sessions: int
    capacity: int | None
    version: str | None
    last_seen_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewKey:
    """A gateway and the key it has to show, told this once."""

    gateway: GatewayView
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SegmentView:
    """A client network whose clients go to gateways' internal addresses."""

    id: str
    name: str
    network: str


@dataclass(frozen=True, slots=True)
class Route:
    """The way to a screen: through which gateway, at which of its addresses."""

    gateway_id: str
    gateway_name: str
    url: str
    certificate: str


class GatewayService:
    """What operators do with gateways, and what gateways say of themselves."""

    def __init__(self, db: Database, audit: AuditLog, clock: Clock, license_book: LicenseBook) -> None:
        self._license = license_book
        self._db = db
        self._audit = audit
        self._clock = clock

    @needs("gateway:read")
    def list(self, actor: Actor) -> Sequence[GatewayView]:
        """All gateways by name."""
        with self._db.reading() as tx:
            rows = tx.scalars(select(Gateway).order_by(Gateway.name)).all()
            counts = _open_sessions(tx)
            return [self._view(row, counts) for row in rows]

    @needs("gateway:read")
    def get(self, actor: Actor, gateway_id: str) -> GatewayView:
        """One gateway. Raises NotFound."""
        with self._db.reading() as tx:
            return self._view(_found(tx, gateway_id), _open_sessions(tx))

    @needs("gateway:create")
    @retried_when_contended
    def create(self, actor: Actor, name: str, public_url: str, internal_url: str | None = None) -> NewKey:
        """Make a gateway known, and the key that it has to show. Raises InvalidInput, Conflict when the name is taken,
        LimitReached when the license has no gateways but the manager's."""
        key = new_secret()
        row = Gateway(
            id=new_id(),
            name=naming.checked_name(name),
            public_url=_checked_url("public_url", public_url),
            internal_url=_checked_url("internal_url", internal_url) if internal_url else None,
            state=GatewayState.ACTIVE,
            key_digest=digest(key),
            created_at=self._clock.now(),
        )
        try:
            with self._db.transaction() as tx:
                self._license.require_feature(tx, Feature.GATEWAYS)
                tx.add(row)
                tx.flush()
                after = {"name": row.name, "public_url": row.public_url, "internal_url": row.internal_url}
                self._audit.record(tx, actor, "gateway:create", "gateway", row.id, after=after)
                return NewKey(self._view(row, {}), key)
        except IntegrityError as error:
            raise Conflict("gateway_name_taken", f"There is a gateway {row.name} already.") from error

    @needs("gateway:update")
    @retried_when_contended
    def update(
        self,
        actor: Actor,
        gateway_id: str,
        *,
        public_url: str | None = None,
        internal_url: str | None = None,
        state: GatewayState | None = None,
    ) -> GatewayView:
        """Change a gateway's addresses ("" : no internal one), or drain it: then it gets no new sessions, and keeps those that
        are open. Raises NotFound, InvalidInput."""
        with self._db.transaction() as tx:
            row = _found(tx, gateway_id, locked=True)
            before = {"public_url": row.public_url, "internal_url": row.internal_url, "state": row.state}
            if public_url is not None:
                row.public_url = _checked_url("public_url", public_url)
            if internal_url is not None:
                row.internal_url = _checked_url("internal_url", internal_url) if internal_url else None
            if state is not None:
                row.state = state
            after = {"public_url": row.public_url, "internal_url": row.internal_url, "state": row.state}
            if after != before:
                self._audit.record(tx, actor, "gateway:update", "gateway", row.id, before=before, after=after)
            return self._view(row, _open_sessions(tx))

    @needs("gateway:update")
    @retried_when_contended
    def rotate_key(self, actor: Actor, gateway_id: str) -> NewKey:
        """Another key; the one before it counts for an hour more, so that nothing stops meanwhile. Raises NotFound."""
        key, now = new_secret(), self._clock.now()
        with self._db.transaction() as tx:
            row = _found(tx, gateway_id, locked=True)
            row.old_key_digest, row.old_key_until = row.key_digest, now + _OLD_KEY_COUNTS_FOR
            row.key_digest = digest(key)
            self._audit.record(tx, actor, "gateway:update", "gateway", row.id, after={"key": row.key_digest})
            return NewKey(self._view(row, _open_sessions(tx)), key)

    @needs("gateway:delete")
    @retried_when_contended
    def delete(self, actor: Actor, gateway_id: str) -> None:
        """Forget a gateway that nobody is connected through. Its history stays, with its name. Raises NotFound, and Conflict:
        drain it first."""
        with self._db.transaction() as tx:
            row = _found(tx, gateway_id, locked=True)
            if tx.scalar(select(func.count()).where(ConsoleSession.gateway_id == row.id, ConsoleSession.ended_at.is_(None))):
                raise Conflict("gateway_in_use", "People are connected through this gateway; drain it first.")
            past = update(ConsoleSession).where(ConsoleSession.gateway_id == row.id)
            tx.execute(past.values(gateway_id=None, gateway_name=row.name))
            tx.execute(delete(Ticket).where(Ticket.gateway_id == row.id))
            tx.delete(row)
            self._audit.record(tx, actor, "gateway:delete", "gateway", gateway_id, before={"name": row.name})

    @needs("gateway:read")
    def segments(self, actor: Actor) -> Sequence[SegmentView]:
        """The client networks that go to internal addresses, by name."""
        with self._db.reading() as tx:
            return [_segment(row) for row in tx.scalars(select(Segment).order_by(Segment.name))]

    @needs("gateway:update")
    @retried_when_contended
    def add_segment(self, actor: Actor, name: str, network: str) -> SegmentView:
        """Let the clients of a network go to internal addresses. Raises InvalidInput, Conflict."""
        try:
            checked = str(ip_network(network.strip()))
        except ValueError as error:
            raise InvalidInput("This is no network.", fields={"network": "Write it as 10.1.0.0/16."}) from error
        row = Segment(id=new_id(), name=naming.checked_name(name), network=checked, created_at=self._clock.now())
        try:
            with self._db.transaction() as tx:
                tx.add(row)
                tx.flush()
                after = {"name": row.name, "network": row.network}
                self._audit.record(tx, actor, "gateway:update", "segment", row.id, after=after)
                return _segment(row)
        except IntegrityError as error:
            raise Conflict("segment_exists", "There is such a segment already.") from error

    @needs("gateway:update")
    @retried_when_contended
    def remove_segment(self, actor: Actor, segment_id: str) -> None:
        """Take a network out again. Raises NotFound."""
        with self._db.transaction() as tx:
            row = tx.get(Segment, segment_id)
            if row is None:
                raise NotFound("segment_not_found", "There is no such segment.")
            tx.delete(row)
            before = {"name": row.name, "network": row.network}
            self._audit.record(tx, actor, "gateway:update", "segment", segment_id, before=before)

    def gateway_id(self, key: str) -> str:
        """Which gateway has this key. Raises NotSignedIn."""
        shown = digest(key)
        still_counts = and_(Gateway.old_key_digest == shown, Gateway.old_key_until > self._clock.now())
        with self._db.reading() as tx:
            found = tx.scalar(select(Gateway.id).where(or_(Gateway.key_digest == shown, still_counts)))
        if found is None:
            raise NotSignedIn("unknown_gateway", "No gateway has this key.")
        return found

    @retried_when_contended
    def heard(self, gateway_id: str, *, version: str, capacity: int, certificate: str | None) -> None:
        """A gateway's word of itself; ``certificate`` None: as before."""
        values: dict[str, object] = {"last_seen_at": self._clock.now(), "version": version[:32], "capacity": capacity}
        if certificate is not None:
            values["certificate"] = certificate
        with self._db.transaction() as tx:
            tx.execute(update(Gateway).where(Gateway.id == gateway_id).values(**values))

    @retried_when_contended
    def ensure_gateway(self, name: str, public_url: str, key: str) -> None:
        """Make the gateway that stands beside the manager known, with its key and where browsers find it."""
        with self._db.transaction() as tx:
            gateway = tx.scalar(select(Gateway).where(Gateway.name == name))
            if gateway is None:
                gateway = Gateway(id=new_id(), name=name, state=GatewayState.ACTIVE, created_at=self._clock.now())
                tx.add(gateway)
            gateway.public_url, gateway.key_digest = public_url, digest(key)

    def route(self, tx: Transaction, client_address: str | None) -> Route:
        """The gateway that somebody at this address is sent to now. Raises Conflict when there is none."""
        rows = {row.id: row for row in tx.scalars(select(Gateway).order_by(Gateway.created_at))}
        counts, now = _open_sessions(tx), self._clock.now()
        doors = [
            Door(row.id, _health(row, now) is Health.WELL, row.last_seen_at is None, counts.get(row.id, 0), row.capacity)
            for row in rows.values()
            if row.state == GatewayState.ACTIVE
        ]
        chosen = choose(doors)
        if chosen is None:
            raise Conflict("no_gateway", "There is no gateway to open the screen through.")
        row = rows[chosen]
        is_inside = row.internal_url is not None and _is_within(tx, client_address)
        url = row.internal_url if is_inside and row.internal_url else row.public_url
        return Route(row.id, row.name, url, row.certificate or "")

    def _view(self, row: Gateway, counts: Mapping[str, int]) -> GatewayView:
        return GatewayView(
            id=row.id,
            name=row.name,
            public_url=row.public_url,
            internal_url=row.internal_url,
            state=GatewayState(row.state),
            health=_health(row, self._clock.now()),
            sessions=counts.get(row.id, 0),
            capacity=row.capacity,
            version=row.version,
            last_seen_at=row.last_seen_at,
            created_at=row.created_at,
        )


def _health(row: Gateway, now: datetime) -> Health:
    if row.last_seen_at is None:
        return Health.UNSEEN
    return Health.WELL if now - row.last_seen_at < SILENT_AFTER else Health.SILENT


def _open_sessions(tx: Session) -> Mapping[str, int]:
    is_open: ColumnElement[bool] = ConsoleSession.ended_at.is_(None)
    query = select(ConsoleSession.gateway_id, func.count()).where(is_open).group_by(ConsoleSession.gateway_id)
    return {gateway_id: count for gateway_id, count in tx.execute(query) if gateway_id is not None}


def _is_within(tx: Session, client_address: str | None) -> bool:
    """Whether a client is in one of the segments."""
    try:
        address = ip_address(client_address or "")
    except ValueError:
        return False
    return any(address in ip_network(network) for network in tx.scalars(select(Segment.network)))


def _found(tx: Session, gateway_id: str, *, locked: bool = False) -> Gateway:
    row = tx.get(Gateway, gateway_id, with_for_update=locked)
    if row is None:
        raise NotFound("gateway_not_found", "There is no such gateway.")
    return row


def _segment(row: Segment) -> SegmentView:
    return SegmentView(row.id, row.name, row.network)


def _checked_url(what: str, url: str) -> str:
    """An address as browsers are told it, without a path. Raises InvalidInput."""
    parts = urlsplit(url.strip())
    try:
        is_good = parts.scheme in _SCHEMES and parts.hostname and parts.port != 0 and parts.path in ("", "/")
    except ValueError:  # a port that is no number
        is_good = False
    if not is_good or parts.query or parts.fragment or parts.username is not None or len(url) > _LONGEST_URL:
        raise InvalidInput("This is no address of a gateway.", fields={what: "Write it as wss://HOST:PORT."})
    return f"{parts.scheme}://{parts.netloc}"
