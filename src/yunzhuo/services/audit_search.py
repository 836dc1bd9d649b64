"""Reading the audit log: found, page by page, and taken away as a file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import aliased

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.db.models import AuditEntry, User
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.stated import needs

MAX_PAGE = 200
MAX_EXPORTED = 200_000
_BATCH = 1000
_Actors, _Owners = aliased(User), aliased(User)


@dataclass(frozen=True, slots=True)
class AuditView:
    """An entry as people read it. ``actor_email`` None: Yunzhuo itself. ``sequence`` None: not in the chain yet."""

    id: int
    at: datetime
    actor_id: str | None
    actor_email: str | None
    owner_id: str | None
    owner_email: str | None
    verb: str
    object_type: str
    object_id: str | None
    outcome: str
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None
    client_address: str | None
    request_id: str | None
    sequence: int | None
    chain_hash: str | None


@dataclass(frozen=True, slots=True)
class AuditWish:
    """Which entries are wanted. ``who`` is part of the address of the one who did it or for whom it was done."""

    who: str | None = None
    verb: str | None = None
    outcome: str | None = None
    object_id: str | None = None
    request_id: str | None = None
    client_address: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some entries, the newest first, and where to go on; ``next_cursor`` None: that was all."""

    items: Sequence[AuditView]
    next_cursor: str | None


class AuditReader:
    """Reads the entries of the actor's organization."""

    def __init__(self, db: Database, audit: AuditLog) -> None:
        self._db = db
        self._audit = audit

    @needs("audit:read")
    def search(self, actor: Actor, wish: AuditWish, *, limit: int = 50, cursor: str | None = None) -> AuditPage:
        """The entries that fit, the newest first. Raises InvalidInput (cursor)."""
        limit = min(max(limit, 1), MAX_PAGE)
        query = _found(actor, wish)
        if cursor:
            query = query.where(AuditEntry.id < _place(cursor))
        with self._db.reading() as tx:
            rows = [_view(*row) for row in tx.execute(query.order_by(AuditEntry.id.desc()).limit(limit + 1))]
        return AuditPage(rows[:limit], str(rows[limit - 1].id) if len(rows) > limit else None)

    @needs("audit:export")
    @retried_when_contended
    def export(self, actor: Actor, wish: AuditWish) -> Iterator[AuditView]:
        """The entries that fit, the newest first, at most :data:`MAX_EXPORTED`; that it was done goes on record itself."""
        with self._db.transaction() as tx:
            asked = {name: str(value) for name in AuditWish.__slots__ if (value := getattr(wish, name)) is not None}
            self._audit.record(tx, actor, "audit:export", "audit", None, after=asked)
        return self._pages(actor, wish)

    def _pages(self, actor: Actor, wish: AuditWish) -> Iterator[AuditView]:
        query, last, left = _found(actor, wish).order_by(AuditEntry.id.desc()).limit(_BATCH), None, MAX_EXPORTED
        while left > 0:
            with self._db.reading() as tx:
                rows = [_view(*row) for row in tx.execute(query if last is None else query.where(AuditEntry.id < last))]
            yield from rows[:left]
            left -= len(rows)
            if len(rows) < _BATCH:
                return
            last = rows[-1].id


def _found(actor: Actor, wish: AuditWish) -> Select[AuditEntry, str, str]:
    query = (
        select(AuditEntry, _Actors.email, _Owners.email)
        .join(_Actors, _Actors.id == AuditEntry.actor_id, isouter=True)
        .join(_Owners, _Owners.id == AuditEntry.owner_id, isouter=True)
        .where(AuditEntry.organization_id == actor.organization_id)
    )
    if wish.who:
        query = query.where(or_(*(column.icontains(wish.who, autoescape=True) for column in (_Actors.email, _Owners.email))))
    if wish.verb:  # ``desktop`` finds all verbs of desktops
        query = query.where(AuditEntry.verb == wish.verb if ":" in wish.verb else AuditEntry.verb.startswith(f"{wish.verb}:"))
    exact = {
        AuditEntry.outcome: wish.outcome,
        AuditEntry.object_id: wish.object_id,
        AuditEntry.request_id: wish.request_id,
        AuditEntry.client_address: wish.client_address,
    }
    query = query.where(*(column == value for column, value in exact.items() if value))
    if wish.since:
        query = query.where(AuditEntry.at >= wish.since)
    return query.where(AuditEntry.at < wish.until) if wish.until else query


def _view(entry: AuditEntry, actor_email: str | None, owner_email: str | None) -> AuditView:
    return AuditView(
        id=entry.id,
        at=entry.at,
        actor_id=entry.actor_id,
        actor_email=actor_email,
        owner_id=entry.owner_id,
        owner_email=owner_email,
        verb=entry.verb,
        object_type=entry.object_type,
        object_id=entry.object_id,
        outcome=entry.outcome,
        before=entry.before,
        after=entry.after,
        client_address=entry.client_address,
        request_id=entry.request_id,
        sequence=entry.sequence,
        chain_hash=entry.chain_hash,
    )


def _place(cursor: str) -> int:
    if not cursor.isdecimal() or len(cursor) > 18:  # noqa: PLR2004 (what the column holds)
        reason = "Take it from next_cursor of the page before."
        raise InvalidInput("This is not a cursor of ours.", fields={"cursor": reason})
    return int(cursor)
