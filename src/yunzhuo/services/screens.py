"""Open screens: who is on what and how good the line is, which of them have to end, and what is remembered of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, Table, and_, bindparam, case, func, or_, select, true, update
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.phoenix.config.people_settings import ConsoleSettings
from yunzhuo.phoenix.db.models import (
    ConsoleSession,
    Desktop,
    Gateway,
    Organization,
    User,
)
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.services.access import GRANTS, Actor, Role
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.desktop_views import may_with
from yunzhuo.services.forgetting import forget
from yunzhuo.services.reach import widened, within_reach
from yunzhuo.services.releasing import END_REASON
from yunzhuo.services.resuming import RESUMED, has_ended, may_go_on
from yunzhuo.services.rules.lifecycle import Wanted
from yunzhuo.services.stated import needs

_Doubtful = tuple[ConsoleSession, User, Desktop, bool, bool]

MAX_PAGE = 200
_UNREPORTED = timedelta(seconds=60)  # of a gateway that reports others
_FORGOTTEN = timedelta(minutes=15)  # of a gateway that reports nothing: it may only not reach us
_GATEWAY_ALIVE = timedelta(seconds=20)
_LOST = "gateway_lost"
_AT_ONCE = 1000
# Roles that have one's own screens; whoever has another needs a closer look.
_CONNECTING = [role.value for role in Role if "desktop:connect" in GRANTS[role]]


@dataclass(frozen=True, slots=True)
class Standing:
    """A gateway's word of one of its connections. ``drops`` are packets that had to be sent again."""

    id: str
    bytes_in: int
    bytes_out: int
    idle_seconds: float
    round_trip_ms: float | None
    drops: int


@dataclass(frozen=True, slots=True)
class ScreenView:
    """One person on one desktop's screen, all connections of a SPICE viewer together. "In" goes to the desktop.

    ``last_input_at`` and ``round_trip_ms`` are None until its gateway has said; ``ended_at`` None: it is open. ``broken_at``:
    when the line of an open one broke, which may still go on over another; it has no ``channels`` until then.
    """

    id: str
    user_id: str
    email: str
    desktop_id: str
    desktop_name: str
    gateway: str
    protocol: str
    client_address: str
    channels: int
    started_at: datetime
    last_input_at: datetime | None
    round_trip_ms: float | None
    drops: int
    bytes_in: int
    bytes_out: int
    ended_at: datetime | None
    end_reason: str | None
    broken_at: datetime | None = None


class ScreenService:
    """Shows, ends and remembers open screens."""

    def __init__(self, db: Database, audit: AuditLog, clock: Clock, settings: ConsoleSettings) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock
        self._settings = settings

    @needs("screen:read")
    def open_now(self, actor: Actor, *, user_id: str | None = None, desktop_id: str | None = None) -> Sequence[ScreenView]:
        """The screens that are open, the latest first, a thousand at most; with those whose line broke and that may go on."""
        waits = self._waits()
        query = _narrowed(_screens(actor, waits), user_id, desktop_id).where(or_(_IS_OPEN, waits))
        with self._db.reading() as tx:
            found = _views(tx, query.limit(_AT_ONCE))
        return [
            replace(each, ended_at=None, end_reason=None, broken_at=None if each.channels else each.ended_at) for each in found
        ]

    @needs("screen:read")
    def history(
        self,
        actor: Actor,
        *,
        user_id: str | None = None,
        desktop_id: str | None = None,
        before: datetime | None = None,
        limit: int = 50,
    ) -> Sequence[ScreenView]:
        """Screens that were closed, the one opened last first; ``before`` goes on after a page's last one."""
        waits = self._waits()
        is_over = func.count(case((or_(_IS_OPEN, waits), 1))) == 0
        query = _narrowed(_screens(actor, waits), user_id, desktop_id).having(is_over)
        if before is not None:
            query = query.where(ConsoleSession.started_at < before)
        with self._db.reading() as tx:
            return _views(tx, query.limit(min(max(limit, 1), MAX_PAGE)))

    @needs("screen:end")
    @retried_when_contended
    def end(self, actor: Actor, screen_id: str) -> None:
        """Close an open screen with all its channels within a second; if its line broke, for good. Raises NotFound."""
        is_it = and_(_SCREEN_ID.in_([screen_id]), or_(ConsoleSession.ended_at.is_(None), self._waits()))
        within = within_reach(actor, "screen:end", ConsoleSession.organization_id, ConsoleSession.user_id)
        with self._db.transaction() as tx:
            rows = tx.scalars(select(ConsoleSession).where(is_it, within)).all()
            if not rows:
                raise NotFound("screen_not_found", "There is no such open screen.")
            for row in rows:
                row.withdrawn_reason = row.withdrawn_reason or "ended_by_administrator"
            owner = {"user_id": rows[0].user_id, "desktop_id": rows[0].desktop_id}
            self._audit.record(tx, actor, "screen:end", "screen", screen_id, owner_id=rows[0].user_id, after=owner)

    @retried_when_contended
    def report(self, gateway_id: str, standings: Sequence[Standing]) -> None:
        """A gateway's word of how its open connections stand. One that was given up meanwhile is open again."""
        if not standings:
            return
        now = self._clock.now()
        of_gateway = and_(_TABLE.c.id == bindparam("b_id"), _TABLE.c.gateway_id == gateway_id)
        told = [
            {
                "b_id": each.id,
                "bytes_in": each.bytes_in,
                "bytes_out": each.bytes_out,
                "last_seen_at": now,
                "last_input_at": now - timedelta(seconds=each.idle_seconds),
                "round_trip_ms": each.round_trip_ms,
                "drops": each.drops,
            }
            for each in standings
        ]
        columns: dict[str, Any] = {name: bindparam(name) for name in told[0] if name != "b_id"}
        with self._db.transaction() as tx:
            lost = select(ConsoleSession.id).where(ConsoleSession.id.in_([each.id for each in standings]))
            found = tx.scalars(lost.where(ConsoleSession.end_reason == _LOST)).all()
            if found:
                revived = update(ConsoleSession).where(ConsoleSession.id.in_(found), ConsoleSession.gateway_id == gateway_id)
                tx.execute(revived.values(ended_at=None, end_reason=None))
            tx.connection().execute(update(_TABLE).where(of_gateway, _TABLE.c.ended_at.is_(None)).values(**columns), told)

    def withdrawn(self, gateway_id: str) -> Mapping[str, str]:
        """The open connections of a gateway whose right has ended, and why each. Asked twice a second, so one query finds
        those that need a closer look: the others are as they were let in."""
        now = self._clock.now()
        with self._db.reading() as tx:
            found: Sequence[_Doubtful] = tx.execute(_doubtful(gateway_id, now)).all()
            return {row[0].id: why for row in found if (why := _why_ended(tx, row, now)) is not None}

    @retried_when_contended
    def sweep(self) -> int:
        """Give up connections that their gateway does not speak of any more, and say how many."""
        now = self._clock.now()
        seen = func.coalesce(ConsoleSession.last_seen_at, ConsoleSession.started_at)
        alive = select(Gateway.id).where(Gateway.last_seen_at > now - _GATEWAY_ALIVE)
        is_lost = or_(and_(ConsoleSession.gateway_id.in_(alive), seen < now - _UNREPORTED), seen < now - _FORGOTTEN)
        with self._db.transaction() as tx:
            ended = tx.execute(
                update(ConsoleSession)
                .where(ConsoleSession.ended_at.is_(None), is_lost)
                .values(ended_at=now, end_reason=_LOST)
                .execution_options(synchronize_session=False)
            )
            return int(getattr(ended, "rowcount", 0))

    def _waits(self) -> ColumnElement[bool]:
        return may_go_on(self._clock.now(), self._settings)

    def forget_old(self) -> int:
        """Drop what ended long ago; say how many sessions that were."""
        kept = timedelta(days=self._settings.history_days)
        return forget(self._db, (ConsoleSession.id,), ConsoleSession.ended_at < self._clock.now() - kept)


_TABLE = cast(Table, ConsoleSession.__table__)
# The screen went on over another connection.
_IS_PAST = ConsoleSession.withdrawn_reason == RESUMED
# A connection that went with its gateway's process says no word of its end, which then is the next one's beginning.
_IS_OPEN = and_(ConsoleSession.ended_at.is_(None), or_(ConsoleSession.withdrawn_reason.is_(None), ~_IS_PAST))
_SCREEN_ID: ColumnElement[str] = func.coalesce(ConsoleSession.ticket_id, ConsoleSession.id)


def _screens(actor: Actor, waits: ColumnElement[bool]) -> Select[Any]:
    """Connections as screens: those that share a ticket are one. ``waits``: which of them are none now and may be again."""
    within = within_reach(actor, "screen:read", ConsoleSession.organization_id, ConsoleSession.user_id)
    whose = (
        _SCREEN_ID,
        *(ConsoleSession.user_id, User.email, ConsoleSession.desktop_id, Desktop.name),
        func.coalesce(Gateway.name, ConsoleSession.gateway_name),
        *(ConsoleSession.protocol, ConsoleSession.client_address),
    )
    query = (
        select(
            *whose,
            func.count(case((or_(_IS_PAST, waits), None), else_=ConsoleSession.id)),
            func.min(ConsoleSession.started_at),
            func.max(ConsoleSession.last_input_at),
            func.max(ConsoleSession.round_trip_ms),
            func.sum(func.coalesce(ConsoleSession.drops, 0)),
            func.sum(ConsoleSession.bytes_in),
            func.sum(ConsoleSession.bytes_out),
            func.max(ConsoleSession.ended_at),
            func.coalesce(
                func.max(case((_IS_PAST, None), else_=ConsoleSession.end_reason)), func.max(ConsoleSession.end_reason)
            ),
        )
        .join(User, User.id == ConsoleSession.user_id)
        .join(Desktop, Desktop.id == ConsoleSession.desktop_id)
        .outerjoin(Gateway, Gateway.id == ConsoleSession.gateway_id)
        .where(within)
        .group_by(*whose)
        .order_by(func.min(ConsoleSession.started_at).desc())
    )
    return cast(Select[Any], query)


def _narrowed(query: Select[Any], user_id: str | None, desktop_id: str | None) -> Select[Any]:
    if user_id is not None:
        query = query.where(ConsoleSession.user_id == user_id)
    return query if desktop_id is None else query.where(ConsoleSession.desktop_id == desktop_id)


def _views(tx: Session, query: Select[Any]) -> Sequence[ScreenView]:
    return [ScreenView(*row[:12], *(int(value) for value in row[12:15]), *row[15:]) for row in tx.execute(query)]


def _doubtful(gateway_id: str, now: datetime) -> Select[Any]:
    """Open connections for which something is not as it is for most: each with its person, its desktop, and whether the
    organization is disabled and the sign-in has ended."""
    sign_in_ended = has_ended(ConsoleSession.sign_in_digest)
    nobody = Organization.disabled_at.is_not(None)
    doubts: list[ColumnElement[bool]] = [
        ConsoleSession.withdrawn_reason.is_not(None),
        ConsoleSession.ends_at <= now,
        User.disabled_at.is_not(None),
        nobody,
        Desktop.deleted_at.is_not(None),
        Desktop.wanted == Wanted.GONE,
        Desktop.binned_at.is_not(None),
        Desktop.owner_id != ConsoleSession.user_id,
        User.role.not_in(_CONNECTING),
        sign_in_ended,
    ]
    # Ended by us and not by its gateway, which may not know yet.
    just_released = and_(ConsoleSession.ended_at > now - _UNREPORTED, ConsoleSession.end_reason == END_REASON)
    return (
        select(ConsoleSession, User, Desktop, case((nobody, True), else_=False), case((sign_in_ended, true()), else_=False))
        .join(User, User.id == ConsoleSession.user_id)
        .join(Organization, Organization.id == ConsoleSession.organization_id)
        .join(Desktop, Desktop.id == ConsoleSession.desktop_id)
        .where(
            ConsoleSession.gateway_id == gateway_id, or_(and_(ConsoleSession.ended_at.is_(None), or_(*doubts)), just_released)
        )
    )


def _why_ended(tx: Session, row: _Doubtful, now: datetime) -> str | None:
    """Why a connection has to end; None: it is in order after all, as somebody's whom the owner lets in."""
    session, user, desktop, nobody, sign_in_ended = row
    if session.withdrawn_reason is not None:
        return session.withdrawn_reason
    if user.disabled_at is not None or nobody:
        return "user_disabled"
    if desktop.deleted_at is not None or desktop.wanted == Wanted.GONE or desktop.binned_at is not None:
        return "desktop_deleted"
    if sign_in_ended:
        return "signed_out"
    if session.ends_at is not None and session.ends_at <= now:
        return "time_over"
    actor = widened(tx, Actor(user.id, user.organization_id, user.email, Role(user.role)), now)
    return None if may_with(tx, actor, desktop, "desktop:connect") else "right_ended"
