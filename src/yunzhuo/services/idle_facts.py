"""What is known of desktops that may be idle: whose they are, who is connected and since when, and which rules hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.db.models import ConsoleSession, Desktop, Flavor, Operation, Organization, Pool, User
from yunzhuo.services.changes import state_of
from yunzhuo.services.idle import terms_by_subject
from yunzhuo.services.rules import idle, pools
from yunzhuo.services.rules.idle import Cause, Facts, Terms, Warned
from yunzhuo.services.rules.lifecycle import State, Wanted


@dataclass(frozen=True, slots=True)
class Seen:
    """A desktop that is on and that nobody changes, with the rules that hold for it. ``released_at``: when its floating pool
    takes it back if nobody comes (None: it does not)."""

    desktop_id: str
    server_id: str | None
    vcpus: int
    facts: Facts
    terms: Terms
    warned: Warned | None
    released_at: datetime | None


def seen(tx: Session, now: datetime, desktop_id: str | None = None) -> Sequence[Seen]:
    """All desktops that rules hold for, or the one if they do. Of organizations that are disabled nothing is told."""
    terms = {subject: each for subject, each in terms_by_subject(tx).items() if each.says_something or each.busy_percent}
    if not terms:
        return []
    query = (
        select(Desktop, Operation, User, Flavor.vcpus, Pool)
        .join(Operation, Operation.id == Desktop.operation_id)
        .join(User, User.id == Desktop.owner_id)
        .join(Flavor, Flavor.id == Desktop.flavor_id)
        .outerjoin(Pool, Pool.id == Desktop.pool_id)
        .where(
            Desktop.deleted_at.is_(None),
            Desktop.is_locked.is_(False),
            Desktop.binned_at.is_(None),
            Desktop.wanted == Wanted.RUNNING,
            or_(Desktop.organization_id.in_(terms), Desktop.pool_id.in_(terms)),
            Desktop.organization_id.in_(select(Organization.id).where(Organization.disabled_at.is_(None))),
        )
    )
    if desktop_id is not None:
        query = query.where(Desktop.id == desktop_id)
    rows = [row for row in tx.execute(query) if state_of(row[0], row[1]) is State.AVAILABLE]
    uses = _uses(tx, [row[0].id for row in rows])
    found = []
    for desktop, _, owner, vcpus, pool in rows:
        holding = terms.get(desktop.pool_id or "") or terms.get(desktop.organization_id)
        if holding is not None:
            found.append(_seen(now, desktop, owner, vcpus, pool, holding, uses.get(desktop.id, _NEVER)))
    return found


@dataclass(frozen=True, slots=True)
class _Use:
    """How many are connected, when the last of them gave input, and when the last who is not closed their screen."""

    connected: int
    input_at: datetime | None
    closed_at: datetime | None


_NEVER = _Use(0, None, None)


def _uses(tx: Session, desktop_ids: Sequence[str]) -> Mapping[str, _Use]:
    is_open = ConsoleSession.ended_at.is_(None)
    last = func.coalesce(ConsoleSession.last_input_at, ConsoleSession.started_at)
    query = (
        select(
            ConsoleSession.desktop_id,
            func.sum(case((is_open, 1), else_=0)),
            func.max(case((is_open, last))),
            func.max(ConsoleSession.ended_at),
        )
        .where(and_(ConsoleSession.desktop_id.in_(desktop_ids)))
        .group_by(ConsoleSession.desktop_id)
    )
    return {row[0]: _Use(int(row[1]), row[2], row[3]) for row in tx.execute(query)}


def _seen(now: datetime, desktop: Desktop, owner: User, vcpus: int, pool: Pool | None, terms: Terms, use: _Use) -> Seen:
    usable_since = max(each for each in (desktop.ready_at, desktop.claimed_at, desktop.created_at) if each is not None)
    unused_since = max(usable_since, use.closed_at or usable_since)
    gone_at = [each for each in (owner.disabled_at, owner.deleted_at) if each is not None]
    zone, windows = (ZoneInfo(pool.time_zone), pools.windows_of(pool.hours)) if pool is not None else (ZoneInfo("UTC"), ())
    facts = Facts(
        is_spare=desktop.pool_id is not None and desktop.claimant_id is None,
        usable_since=usable_since,
        disconnected_since=None if use.connected else unused_since,
        last_input_at=use.input_at or usable_since,
        unassigned_since=min(gone_at, default=None),
        busy_at=desktop.busy_at,
        is_open=pools.is_open(now, zone, windows),
    )
    minutes = pool.release_after_minutes if pool is not None else None
    is_released = minutes is not None and pool is not None and pool.kind == pools.Kind.FLOATING and not use.connected
    return Seen(
        desktop_id=desktop.id,
        server_id=desktop.server_id,
        vcpus=vcpus,
        facts=facts,
        terms=terms,
        warned=_warned(desktop),
        released_at=unused_since + timedelta(minutes=minutes or 0) if is_released else None,
    )


def _warned(desktop: Desktop) -> Warned | None:
    if desktop.idle_cause is None or desktop.idle_warned_at is None or desktop.idle_ends_at is None:
        return None
    return Warned(Cause(desktop.idle_cause), desktop.idle_warned_at, desktop.idle_ends_at)


def is_near(now: datetime, one: Seen, ahead: timedelta) -> bool:
    """Whether something is done, or told, about a desktop so soon that its guest has to be looked at."""
    found = idle.idle(one.facts, one.terms)
    due = [found.due_at] if found is not None else []
    return any(each - ahead <= now for each in [*due, *([one.released_at] if one.released_at else [])])
