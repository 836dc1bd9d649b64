"""People and their pools: which ones they have, getting a desktop of one, and giving it back."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, Inconsistent, LimitReached, NotFound
from yunzhuo.phoenix.db.models import Desktop, Image, Operation, Pool
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services import pool_seats, rollout_book
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.changes import ChangeFeed
from yunzhuo.services.desktop_views import DesktopView, desktop_view
from yunzhuo.services.desktops import DesktopService
from yunzhuo.services.lease_book import terms_in
from yunzhuo.services.rules.leases import end_of
from yunzhuo.services.rules.lifecycle import Action
from yunzhuo.services.rules.pools import Counts, Kind, Way, may_build_for_somebody
from yunzhuo.services.stated import needs
from yunzhuo.services.wishes import Accepted, WishBook

# How many claims a process works on at a time. More of them take the interpreter from each other while they hold what all
# others wait for: of 200 at once in two processes the last one had theirs a quarter sooner than with eight at a time.
_AT_A_TIME = 2


@dataclass(frozen=True, slots=True)
class PoolOffer:
    """A pool as one of its people sees it.

    ``desktop_id`` is the one they have of it (None: none). ``is_ready``: one would be theirs at once; ``is_full``: they
    cannot have one now.
    """

    id: str
    name: str
    kind: Kind
    image_name: str
    desktop_id: str | None
    is_ready: bool
    is_full: bool


@dataclass(frozen=True, slots=True)
class Claimed:
    """The desktop that somebody has of a pool now, and how they came to it. One that is not ``available`` yet is being built,
    and its operation says how far it is."""

    desktop: DesktopView
    way: Way


class ClaimService:
    """What people do with the pools that they are members of."""

    def __init__(
        self, db: Database, desktops: DesktopService, wishes: WishBook, feed: ChangeFeed, audit: AuditLog, clock: Clock
    ) -> None:
        self._db = db
        self._desktops = desktops
        self._wishes = wishes
        self._feed = feed
        self._audit = audit
        self._clock = clock
        self._turns = threading.BoundedSemaphore(_AT_A_TIME)

    @needs("pool:claim")
    def mine(self, actor: Actor) -> Sequence[PoolOffer]:
        """The pools that the person is a member of, by name."""
        with self._db.reading() as tx:
            pools = tx.execute(
                select(Pool, Image.name)
                .join(Image, Image.id == Pool.image_id)
                .where(Pool.organization_id == actor.organization_id, pool_seats.is_members(actor.user_id))
                .order_by(Pool.name)
            ).all()
            pool_ids = [pool.id for pool, _ in pools]
            counts = pool_seats.counted(tx, pool_ids)
            had = select(Desktop.pool_id, Desktop.id).where(Desktop.pool_id.in_(pool_ids), Desktop.claimant_id == actor.user_id)
            theirs = {row[0]: row[1] for row in tx.execute(had)}
            return [_offer(pool, image, counts[pool.id], theirs.get(pool.id)) for pool, image in pools]

    @needs("pool:claim")
    def claim(self, actor: Actor, pool_id: str) -> Claimed:
        """Give the person a desktop of a pool; asked again, it is the same one.

        A spare that is ready if there is one; else one that is being built; else one is built for them. Raises NotFound when
        they are no member of such a pool, LimitReached when all its desktops are somebody's.
        """
        with self._turns:
            try:
                desktop_id, way = self._claim(actor, pool_id)
            except IntegrityError:  # asked twice at the same moment, and the other one was first
                desktop_id, way = self._claim(actor, pool_id)
            # What is told is read afterwards: while the transaction lasts, everybody else waits for the row that it changed.
            with self._db.reading() as tx:
                return Claimed(desktop_view(tx, actor, desktop_id), way)

    @needs("pool:claim")
    @retried_when_contended
    def release(self, actor: Actor, pool_id: str) -> Accepted:
        """Give back the person's desktop of a floating pool: it is deleted, with all that is on it, and another one takes
        its place. Their personal disk is kept.

        Raises NotFound when they have none of it, Conflict for a dedicated one.
        """
        with self._db.transaction() as tx:
            pool, desktop_id = _pool_and_seat(tx, actor, pool_id)
            if desktop_id is None:
                raise NotFound("no_desktop_of_pool", "You have no desktop of this pool.")
            if pool.kind == Kind.DEDICATED:
                raise Conflict("pool_is_dedicated", "Desktops of this pool are kept by their people, not given back.")
            # Whoever may give it back need not be one who may delete desktops: a token may allow the one alone.
            scopes = None if actor.scopes is None else actor.scopes | {"desktop:read", "desktop:delete"}
            released = self._desktops.act_within(tx, replace(actor, scopes=scopes), desktop_id, Action.DELETE)
            before = {"desktop": tx.get_one(Desktop, desktop_id).name}
            self._audit.record(tx, actor, "pool:claim", "pool", pool.id, owner_id=actor.user_id, before=before)
            return released

    @retried_when_contended
    def _claim(self, actor: Actor, pool_id: str) -> tuple[str, Way]:
        now = self._clock.now()
        with self._db.transaction() as tx:
            pool, desktop_id = _pool_and_seat(tx, actor, pool_id)
            if desktop_id is not None:
                return desktop_id, Way.HAD
            ends_at = end_of(now, terms_in(tx, pool.organization_id, pool))
            for way, image_id in product((Way.READY, Way.COMING), rollout_book.images_to_give(tx, pool)):
                if pool_seats.give(tx, pool, actor.user_id, way, now, ends_at, image_id):
                    return self._seated(tx, actor, pool, way), way
            return self._built(tx, actor, pool_id), Way.BUILT

    def _seated(self, tx: Transaction, actor: Actor, pool: Pool, way: Way) -> str:
        given = pool_seats.given_to(tx, pool.id, actor.user_id)
        if given is None:
            raise Inconsistent("claim_lost", "The desktop that was just given is not there.")
        desktop, latest = given
        latest = self._wishes.connect_disk_of_claimant(tx, actor, desktop, latest)
        return self._recorded(tx, actor, pool, desktop, latest, way)

    def _built(self, tx: Transaction, actor: Actor, pool_id: str) -> str:
        # Only the pool's row is held, and read again: how many were built may have changed while another one had it.
        locking = select(Pool).where(*_is_theirs(actor, pool_id)).with_for_update()
        pool = tx.scalar(locking.execution_options(populate_existing=True))
        if pool is None:
            raise _no_such_pool()
        if not may_build_for_somebody(pool.capacity, pool_seats.counted(tx, [pool.id])[pool.id]):
            message = "All desktops of this pool are taken. Please try again later."
            raise LimitReached("pool_full", message, capacity=pool.capacity)
        image_id = rollout_book.image_for_somebody(tx, pool)
        desktop, operation = self._desktops.build_within(tx, actor, pool, claimant_id=actor.user_id, image_id=image_id)
        return self._recorded(tx, actor, pool, desktop, operation, Way.BUILT)

    def _recorded(self, tx: Transaction, actor: Actor, pool: Pool, desktop: Desktop, latest: Operation, way: Way) -> str:
        after = {"desktop": desktop.name, "way": way}
        self._audit.record(tx, actor, "pool:claim", "pool", pool.id, owner_id=actor.user_id, after=after)
        self._feed.desktop_changed(tx, desktop, latest)
        return desktop.id


def _is_theirs(actor: Actor, pool_id: str) -> tuple[ColumnElement[bool], ...]:
    return Pool.id == pool_id, Pool.organization_id == actor.organization_id, pool_seats.is_members(actor.user_id)


def _pool_and_seat(tx: Session, actor: Actor, pool_id: str) -> tuple[Pool, str | None]:
    """The pool, and which desktop of it the person has."""
    theirs = and_(Desktop.pool_id == Pool.id, Desktop.claimant_id == actor.user_id)
    row = tx.execute(select(Pool, Desktop.id).outerjoin(Desktop, theirs).where(*_is_theirs(actor, pool_id))).first()
    if row is None:
        raise _no_such_pool()
    return row[0], row[1]


def _no_such_pool() -> NotFound:
    return NotFound("pool_not_found", "There is no such pool.", verb="pool:claim")


def _offer(pool: Pool, image_name: str, counts: Counts, desktop_id: str | None) -> PoolOffer:
    is_ready = counts.ready > 0
    is_full = not is_ready and counts.coming == 0 and not may_build_for_somebody(pool.capacity, counts)
    return PoolOffer(
        id=pool.id,
        name=pool.name,
        kind=Kind(pool.kind),
        image_name=image_name,
        desktop_id=desktop_id,
        is_ready=is_ready,
        is_full=is_full and desktop_id is None,
    )
