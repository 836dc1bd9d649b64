"""The bin: what is deleted waits there, stopped, for a while, and can be taken out again."""

from sqlalchemy import func, select

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, LimitReached
from yunzhuo.phoenix.db.models import Desktop, Flavor
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.changes import ChangeFeed, facts_of
from yunzhuo.services.desktop_views import DesktopView, desktop_views, visible_desktop
from yunzhuo.services.lease_book import kind_of, terms_for
from yunzhuo.services.quota_book import QuotaBook, size_of
from yunzhuo.services.rules import leases, lifecycle
from yunzhuo.services.rules.lifecycle import Action, State
from yunzhuo.services.rules.quota import Resource
from yunzhuo.services.stated import needs
from yunzhuo.services.wishes import Accepted, WishBook, accepted, refused, require_unlocked


class BinService:
    """Puts desktops into the bin, in the transaction of whoever deletes them, and takes them out."""

    def __init__(
        self, db: Database, wishes: WishBook, feed: ChangeFeed, quotas: QuotaBook, audit: AuditLog, clock: Clock
    ) -> None:
        self._db = db
        self._wishes = wishes
        self._feed = feed
        self._quotas = quotas
        self._audit = audit
        self._clock = clock

    def put_within(self, tx: Transaction, actor: Actor, desktop_id: str, *, ended: bool = False) -> Accepted | None:
        """Put a desktop into the bin instead of deleting it; None: its terms have no bin for it, and it is to be deleted.

        ``ended``: nobody asked for it, its time was over. A desktop of a pool leaves it. Raises NotFound, Forbidden,
        LimitReached when the person's bin is full, Conflict when it is locked, or another system runs in it.
        """
        desktop, latest = visible_desktop(tx, actor, desktop_id, "desktop:delete")
        require_unlocked(desktop)
        facts = facts_of(desktop, latest)
        terms, now = terms_for(tx, desktop), self._clock.now()
        days = max(terms.bin_days, leases.LEAST_BIN_DAYS) if ended else terms.bin_days
        is_spare = desktop.pool_id is not None and desktop.claimant_id is None
        if is_spare or not leases.goes_to_bin(facts, kind_of(tx, desktop), days):
            return None
        if lifecycle.state(facts) is State.RESCUED:  # what is in the bin is stopped, and this cannot be
            raise refused(Action.DELETE, State.RESCUED)
        if not ended:
            self._check_room(tx, desktop.owner_id)
        until = leases.bin_until(now, terms, ended=ended)
        desktop.binned_at, desktop.bin_until = now, until
        desktop.pool_id = desktop.claimant_id = None
        latest = self._wishes.put_to_rest(tx, actor, desktop, latest)
        after = {"name": desktop.name, "in_bin_until": until.isoformat(), "ended": ended}
        self._audit.record(tx, actor, "desktop:delete", "desktop", desktop.id, owner_id=desktop.owner_id, after=after)
        self._feed.desktop_changed(tx, desktop, latest)
        return accepted(tx, actor, desktop, latest)

    @needs("desktop:undelete")
    @retried_when_contended
    def undelete(self, actor: Actor, desktop_id: str) -> DesktopView:
        """Take a desktop out of the bin; it is stopped. It ends a day from now at the soonest.

        Raises NotFound, Conflict when it is not in the bin, LimitReached when its person has no room for it any more.
        """
        with self._db.transaction() as tx:
            desktop, latest = visible_desktop(tx, actor, desktop_id, "desktop:undelete")
            if lifecycle.state(facts_of(desktop, latest)) is not State.BINNED:
                raise Conflict("not_in_bin", "This desktop is not in the bin.")
            size = size_of(tx.get_one(Flavor, desktop.flavor_id))
            wanted = {
                Resource.DESKTOPS: 1,
                Resource.VCPUS: size[Resource.VCPUS],
                Resource.MEMORY_MIB: size[Resource.MEMORY_MIB],
            }
            self._quotas.reserve(tx, desktop.owner_id, desktop.organization_id, wanted)
            desktop.binned_at = desktop.bin_until = desktop.warned_hours = desktop.warned_at = None
            desktop.ends_at = leases.end_after_bin(self._clock.now(), desktop.ends_at)
            after = {"name": desktop.name}
            self._audit.record(tx, actor, "desktop:undelete", "desktop", desktop.id, owner_id=desktop.owner_id, after=after)
            self._feed.desktop_changed(tx, desktop, latest)
            return desktop_views(tx, actor, [(desktop, latest)])[0]

    def _check_room(self, tx: Transaction, owner_id: str) -> None:
        theirs = (Desktop.owner_id == owner_id, Desktop.binned_at.is_not(None), Desktop.deleted_at.is_(None))
        if (tx.scalar(select(func.count()).where(*theirs)) or 0) >= leases.MOST_BINNED:
            message = f"There are {leases.MOST_BINNED} desktops in the bin already; empty it first."
            raise LimitReached("bin_full", message, limit=leases.MOST_BINNED)
