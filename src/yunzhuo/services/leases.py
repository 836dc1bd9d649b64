"""Leases: for how long desktops are given, putting the end off, and what ends when."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, LimitReached, NotFound
from yunzhuo.phoenix.db.models import Desktop, LeaseTerms, Organization, Pool, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services.access import Actor, Scope, scope_of
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.changes import ChangeFeed
from yunzhuo.services.desktop_views import DesktopView, desktop_views, visible_desktop
from yunzhuo.services.lease_book import NONE, terms_for, terms_of
from yunzhuo.services.rules import leases
from yunzhuo.services.rules.leases import Terms
from yunzhuo.services.rules.lifecycle import Wanted
from yunzhuo.services.rules.pools import Kind
from yunzhuo.services.stated import needs

MAX_ENDINGS = 2000
LONGEST_VIEW = timedelta(days=62)


class TermsOf(StrEnum):
    """Whose terms."""

    ORGANIZATION = "organization"
    POOL = "pool"


class EndingKind(StrEnum):
    """What happens then: a desktop ends, or it is removed from the bin."""

    ENDS = "ends"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class TermsView:
    """The terms of an organization or a pool. ``is_set`` False: none of its own, so what is said here holds anyway."""

    subject_id: str
    kind: TermsOf
    name: str
    terms: Terms
    is_set: bool


@dataclass(frozen=True, slots=True)
class Ending:
    """What ends when."""

    at: datetime
    kind: EndingKind
    desktop_id: str
    desktop_name: str
    owner_email: str


class LeaseService:
    """What people do about the ends of their desktops, and administrators about everybody's."""

    def __init__(self, db: Database, feed: ChangeFeed, audit: AuditLog, clock: Clock) -> None:
        self._db = db
        self._feed = feed
        self._audit = audit
        self._clock = clock

    @needs("desktop:extend")
    @retried_when_contended
    def extend(self, actor: Actor, desktop_id: str) -> DesktopView:
        """Put the end off once, by what the terms say. Administrators may at any time and as often as they like.

        Raises NotFound, Forbidden, Conflict when it has no end, is in the bin, or its end is not near yet, LimitReached when
        it was put off often enough.
        """
        with self._db.transaction() as tx:
            desktop, _ = visible_desktop(tx, actor, desktop_id, "desktop:extend")
            terms, now = terms_for(tx, desktop), self._clock.now()
            if desktop.ends_at is None or desktop.binned_at is not None:
                raise Conflict("has_no_end", "This desktop has no end that could be put off.")
            if scope_of(actor, "desktop:extend") not in (Scope.ORGANIZATION, Scope.INSTALLATION):
                if not leases.extensions_left(terms, desktop.extended):
                    message = "The end of this desktop cannot be put off any more. Ask your administrator."
                    raise LimitReached("no_extensions_left", message, limit=terms.extend_times)
                if not leases.is_ending(now, desktop.ends_at, terms):
                    raise Conflict("end_not_near", "The end of this desktop is not near yet.")
            return self._changed(tx, actor, desktop_id, "desktop:extend", leases.extended_end(now, desktop.ends_at, terms))

    @needs("desktop:set_end")
    @retried_when_contended
    def set_end(self, actor: Actor, desktop_id: str, ends_at: datetime | None) -> DesktopView:
        """Say when a desktop ends (None: never). Its person is warned of it anew, and may put it off as often as of a new one.

        Raises NotFound, Forbidden, InvalidInput for a time that has passed, Conflict for what is in the bin.
        """
        if ends_at is not None and ends_at <= self._clock.now():
            raise InvalidInput("The end is not valid.", fields={"ends_at": "A time to come."})
        with self._db.transaction() as tx:
            desktop, _ = visible_desktop(tx, actor, desktop_id, "desktop:set_end")
            if desktop.binned_at is not None:
                raise Conflict("in_bin", "This desktop is in the bin.")
            return self._changed(tx, actor, desktop_id, "desktop:set_end", ends_at)

    @needs("lease:read")
    def terms(self, actor: Actor) -> Sequence[TermsView]:
        """The organization's terms, then those of its pools by name."""
        with self._db.reading() as tx:
            query = select(LeaseTerms).where(LeaseTerms.organization_id == actor.organization_id)
            rows = {row.subject_id: terms_of(row) for row in tx.scalars(query)}
            organization = tx.get_one(Organization, actor.organization_id)
            pools = tx.scalars(select(Pool).where(Pool.organization_id == organization.id).order_by(Pool.name)).all()
            own = rows.get(organization.id, NONE)
            first = TermsView(organization.id, TermsOf.ORGANIZATION, organization.name, own, organization.id in rows)
            others = [
                TermsView(
                    pool.id,
                    TermsOf.POOL,
                    pool.name,
                    rows.get(pool.id, NONE if pool.kind == Kind.FLOATING else own),
                    pool.id in rows,
                )
                for pool in pools
            ]
            return [first, *others]

    @needs("lease:update")
    @retried_when_contended
    def put_terms(self, actor: Actor, subject_id: str, wish: Terms, *, for_present: bool = False) -> TermsView:
        """Say for how long the desktops of the organization, or of a pool, are given from now on.

        ``for_present``: those that are there without an end get one, counted from now. Raises NotFound, InvalidInput (also for
        a floating pool with a bin: what it gave is replaced).
        """
        checked = wish.checked()
        with self._db.transaction() as tx:
            kind, name, pool = _subject(tx, actor, subject_id)
            if pool is not None and pool.kind == Kind.FLOATING and checked.bin_days:
                raise InvalidInput("The terms are not valid.", fields={"bin_days": "A floating pool has no bin."})
            row = tx.get(LeaseTerms, subject_id)
            before = asdict(terms_of(row)) if row is not None else None
            values = {**asdict(checked), "warn_hours": list(checked.warn_hours)}
            if row is None:
                row = LeaseTerms(subject_id=subject_id, subject_kind=kind, organization_id=actor.organization_id, **values)
                tx.add(row)
            for column, value in values.items():
                setattr(row, column, value)
            ends_at = leases.end_of(self._clock.now(), checked)
            if for_present and ends_at is not None:
                _give_ends(tx, actor.organization_id, pool, ends_at)
            after = {**values, "for_present": for_present}
            self._audit.record(tx, actor, "lease:update", "lease", subject_id, before=before, after=after)
            return TermsView(subject_id, kind, name, checked, is_set=True)

    @needs("lease:update")
    @retried_when_contended
    def drop_terms(self, actor: Actor, subject_id: str) -> None:
        """Let what is said elsewhere hold again; ends that were given stay. Twice is harmless. Raises NotFound."""
        with self._db.transaction() as tx:
            _subject(tx, actor, subject_id)
            row = tx.get(LeaseTerms, subject_id)
            if row is not None:
                self._audit.record(tx, actor, "lease:update", "lease", subject_id, before=asdict(terms_of(row)))
                tx.delete(row)

    @needs("lease:read")
    def calendar(self, actor: Actor, since: datetime, until: datetime) -> Sequence[Ending]:
        """What ends from ``since`` until before ``until``, in order; at most :data:`MAX_ENDINGS`. Raises InvalidInput for
        more than two months."""
        if not timedelta(0) <= until - since <= LONGEST_VIEW:
            raise InvalidInput("This is no such span of time.", fields={"until": "At most 62 days after `since`."})
        query = (
            select(Desktop.id, Desktop.name, User.email, Desktop.ends_at, Desktop.bin_until, Desktop.binned_at)
            .join(User, User.id == Desktop.owner_id)
            .where(Desktop.organization_id == actor.organization_id, Desktop.deleted_at.is_(None))
            .where(Desktop.wanted != Wanted.GONE)
            .where(or_(Desktop.ends_at.between(since, until), Desktop.bin_until.between(since, until)))
            .order_by(Desktop.ends_at, Desktop.id)
            .limit(MAX_ENDINGS)
        )
        found = []
        with self._db.reading() as tx:
            for desktop_id, name, email, ends_at, bin_until, binned_at in tx.execute(query):
                at, kind = (ends_at, EndingKind.ENDS) if binned_at is None else (bin_until, EndingKind.REMOVED)
                if at is not None and since <= at < until:
                    found.append(Ending(at, kind, desktop_id, name, email))
        return sorted(found, key=lambda each: (each.at, each.desktop_id))

    def _changed(self, tx: Transaction, actor: Actor, desktop_id: str, verb: str, ends_at: datetime | None) -> DesktopView:
        desktop, latest = visible_desktop(tx, actor, desktop_id, verb)
        before = {"ends_at": desktop.ends_at.isoformat() if desktop.ends_at else None}
        desktop.extended = desktop.extended + 1 if verb == "desktop:extend" else 0
        desktop.ends_at, desktop.warned_hours, desktop.warned_at = ends_at, None, None
        after = {"ends_at": ends_at.isoformat() if ends_at else None}
        self._audit.record(tx, actor, verb, "desktop", desktop.id, owner_id=desktop.owner_id, before=before, after=after)
        self._feed.desktop_changed(tx, desktop, latest)
        return desktop_views(tx, actor, [(desktop, latest)])[0]


def _subject(tx: Session, actor: Actor, subject_id: str) -> tuple[TermsOf, str, Pool | None]:
    if subject_id == actor.organization_id:
        return TermsOf.ORGANIZATION, tx.get_one(Organization, subject_id).name, None
    pool = tx.get(Pool, subject_id)
    if pool is None or pool.organization_id != actor.organization_id:
        raise NotFound("lease_subject_not_found", "There is no such organization or pool.", verb="lease:update")
    return TermsOf.POOL, pool.name, pool


def _give_ends(tx: Transaction, organization_id: str, pool: Pool | None, ends_at: datetime) -> None:
    """Give an end to those without one: a pool's that are somebody's, or all that are of no pool."""
    which = (
        (Desktop.pool_id == pool.id, Desktop.claimant_id.is_not(None))
        if pool is not None
        else (Desktop.organization_id == organization_id, Desktop.pool_id.is_(None))
    )
    there = (Desktop.deleted_at.is_(None), Desktop.binned_at.is_(None), Desktop.wanted != Wanted.GONE)
    tx.execute(update(Desktop).where(*which, *there, Desktop.ends_at.is_(None)).values(ends_at=ends_at))
