"""Desktops as people ask for them: wishes are written down in one short transaction, and made true by operations."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from yunzhuo.phoenix.cloud.resources import RebootKind
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.db.models import Desktop, Flavor, IdempotencyKey, Image, Operation, Pool, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services import disk_claims, fitting, pool_seats
from yunzhuo.services.access import Actor, require
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.bin import BinService
from yunzhuo.services.changes import ChangeFeed, OperationView, facts_of
from yunzhuo.services.desktop_views import (
    DesktopView,
    Order,
    Page,
    desktop_views,
    read_page,
    seen_operation,
    verb_for,
    visible_desktop,
    visible_operation,
)
from yunzhuo.services.lease_book import terms_in
from yunzhuo.services.new_desktop import NewDesktop
from yunzhuo.services.placing import in_cloud, project_for
from yunzhuo.services.quota_book import SWITCHED_ON, QuotaBook, size_of
from yunzhuo.services.reach import within_reach
from yunzhuo.services.rules import lifecycle, naming
from yunzhuo.services.rules.leases import end_of
from yunzhuo.services.rules.lifecycle import Action, Observed, State, Wanted
from yunzhuo.services.rules.quota import Resource
from yunzhuo.services.stated import needs
from yunzhuo.services.wishes import Accepted, Arguments, WishBook, accepted, refused, require_unlocked

# RebootKind is for routes, which know no clouds; NewDesktop is what is asked of this service.
__all__ = ["Accepted", "DesktopService", "NewDesktop", "RebootKind"]

# What an action needs is only known with it; whoever may none of them is refused at once.
ACTION_VERBS = tuple(sorted({verb_for(action) for action in Action}))
_NEED_MORE = frozenset(
    {
        *(Action.RESIZE, Action.REBUILD, Action.SNAPSHOT, Action.ROLL_BACK, Action.DELETE_SNAPSHOT),
        *(Action.CONNECT_DISK, Action.DISCONNECT_DISK, Action.RESTORE_DISK),
        *(Action.ASSIGN_ADDRESS, Action.RELEASE_ADDRESS),
    }
)


class DesktopService:
    """What people do with their desktops."""

    def __init__(
        self,
        db: Database,
        wishes: WishBook,
        feed: ChangeFeed,
        audit: AuditLog,
        clock: Clock,
        quotas: QuotaBook,
        bin_service: BinService,
    ) -> None:
        self._db = db
        self._wishes = wishes
        self._feed = feed
        self._audit = audit
        self._clock = clock
        self._quotas = quotas
        self._bin = bin_service

    @needs("desktop:create")
    @retried_when_contended
    def request(
        self,
        actor: Actor,
        *,
        image_id: str,
        flavor_id: str,
        name: str | None = None,
        idempotency_key: str | None = None,
        owner_id: str | None = None,
    ) -> Accepted:
        """Ask for a new desktop; answers at once with the operation that builds it.

        The same ``idempotency_key`` with the same wish answers with the first one's desktop. ``owner_id``: for somebody else
        of the organization (permission ``desktop:create_for``), within their quota. Raises InvalidInput (name, image, flavor,
        owner, key), LimitReached, Conflict (the key was used for another wish).
        """
        wish = NewDesktop(image_id, flavor_id, name, owner_id)
        key = naming.checked_idempotency_key(idempotency_key) if idempotency_key is not None else None
        try:
            with self._db.transaction() as tx:
                return self.request_within(tx, actor, wish, key)
        except IntegrityError:
            # The same key came in twice at the same moment and the other was first.
            with self._db.transaction() as tx:
                earlier = self._earlier(tx, actor, key, wish.checked())
                if earlier is None:
                    raise
                return earlier

    def request_within(self, tx: Transaction, actor: Actor, wish: "NewDesktop", key: str | None = None) -> Accepted:
        """As :meth:`request`, as part of another service's transaction."""
        require(actor, "desktop:create")
        checked = wish.checked()
        earlier = self._earlier(tx, actor, key, checked)
        return earlier if earlier is not None else self._create(tx, actor, checked, key)

    @needs("desktop:read")
    def get(self, actor: Actor, desktop_id: str) -> DesktopView:
        """One desktop. Raises NotFound, also for what is not the actor's."""
        with self._db.reading() as tx:
            desktop, operation = visible_desktop(tx, actor, desktop_id, "desktop:read")
            return desktop_views(tx, actor, [(desktop, operation)])[0]

    @needs("desktop:read")
    def list(
        self,
        actor: Actor,
        *,
        limit: int = 50,
        cursor: str | None = None,
        search: str | None = None,
        state: State | None = None,
        owner_id: str | None = None,
        order: Order = Order.CREATED,
        is_descending: bool = True,
    ) -> Page:
        """The actor's desktops (an administrator: the organization's), newest first, ``limit`` at most at a time.

        What is in the bin is only told when that is the ``state`` asked for. ``search`` is part of a name, ``state`` one of the
        computed states, ``owner_id`` whose they are. Raises InvalidInput for a foreign cursor, or one of another order.
        """
        query = (
            select(Desktop, Operation)
            .join(Operation, Operation.id == Desktop.operation_id)
            .where(within_reach(actor, "desktop:read", Desktop.organization_id, Desktop.owner_id), Desktop.deleted_at.is_(None))
        )
        query = query.where(Desktop.binned_at.is_not(None) if state is State.BINNED else Desktop.binned_at.is_(None))
        if owner_id is not None:
            query = query.where(Desktop.owner_id == owner_id)
        if search:
            query = query.where(func.lower(Desktop.name).contains(search.lower(), autoescape=True))
        with self._db.reading() as tx:
            return read_page(
                tx, actor, query, limit=limit, cursor=cursor, state=state, order=order, is_descending=is_descending
            )

    @needs("desktop:update")
    @retried_when_contended
    def rename(self, actor: Actor, desktop_id: str, name: str) -> DesktopView:
        """Give a desktop another name. Raises InvalidInput, NotFound."""
        with self._db.transaction() as tx:
            desktop, operation = visible_desktop(tx, actor, desktop_id, "desktop:update")
            before, desktop.name = desktop.name, naming.checked_name(name)
            self._audit.record(
                tx,
                actor,
                "desktop:update",
                "desktop",
                desktop.id,
                owner_id=desktop.owner_id,
                before={"name": before},
                after={"name": desktop.name},
            )
            self._feed.desktop_changed(tx, desktop, operation)
            return desktop_views(tx, actor, [(desktop, operation)])[0]

    @needs(*ACTION_VERBS)
    @retried_when_contended
    def act(
        self,
        actor: Actor,
        desktop_id: str,
        action: Action,
        *,
        reboot_kind: RebootKind = RebootKind.SOFT,
        for_good: bool = False,
    ) -> Accepted:
        """Ask for a change that needs to know nothing else (permission ``desktop:ACTION``); answers at once.

        ``CREATE`` tries a failed create again. What is broken is rebooted hard, whatever is said. ``DELETE`` puts it into the
        bin where its terms have one, unless it is meant ``for_good``, or is there already. Raises NotFound, InvalidInput for a
        change that needs more, LimitReached when the bin is full, and Conflict when the state does not allow it now.
        """
        with self._db.transaction() as tx:
            return self.act_within(tx, actor, desktop_id, action, reboot_kind=reboot_kind, for_good=for_good)

    def act_within(
        self,
        tx: Transaction,
        actor: Actor,
        desktop_id: str,
        action: Action,
        *,
        reboot_kind: RebootKind = RebootKind.SOFT,
        for_good: bool = False,
    ) -> Accepted:
        """As :meth:`act`, as part of another service's transaction."""
        if action is Action.DELETE and not for_good:
            binned = self._bin.put_within(tx, actor, desktop_id)
            if binned is not None:
                return binned
        if action in _NEED_MORE:
            raise InvalidInput("This change needs to know more.", fields={"action": f"{action} has a way of its own."})

        def arguments(desktop: Desktop) -> Arguments:
            if action is not Action.REBOOT:
                return {}
            is_broken = desktop.observed_status == Observed.ERROR
            return {"kind": str(RebootKind.HARD if is_broken else reboot_kind)}

        return self._wishes.change(tx, actor, desktop_id, action, arguments)

    @needs("desktop:rebuild")
    @retried_when_contended
    def rebuild(self, actor: Actor, desktop_id: str, *, image_id: str | None = None) -> Accepted:
        """Ask to put a desktop back to its image, or to another one (permission ``desktop:rebuild``); its disk is lost.

        Raises NotFound, Conflict, InvalidInput when there is no such image or the desktop is too small for it.
        """
        with self._db.transaction() as tx:
            return self.rebuild_within(tx, actor, desktop_id, image_id=image_id)

    def rebuild_within(self, tx: Transaction, actor: Actor, desktop_id: str, *, image_id: str | None = None) -> Accepted:
        """As :meth:`rebuild`, as part of another service's transaction."""

        def choose(desktop: Desktop) -> Arguments:
            return {"image": fitting.image_to_rebuild_from(tx, desktop, image_id or desktop.image_id).id}

        return self._wishes.change(tx, actor, desktop_id, Action.REBUILD, choose)

    @needs("desktop:resize")
    @retried_when_contended
    def resize(self, actor: Actor, desktop_id: str, flavor_id: str) -> Accepted:
        """Ask for another flavor (permission ``desktop:resize``); a running desktop is restarted.

        Raises NotFound, Conflict, InvalidInput when there is no such flavor, when it is the present one, smaller than the
        image's minimum, or has a smaller disk.
        """
        with self._db.transaction() as tx:

            def choose(desktop: Desktop) -> Arguments:
                present, flavor = tx.get_one(Flavor, desktop.flavor_id), fitting.flavor_to_resize_to(tx, desktop, flavor_id)
                more = {each: amount - size_of(present)[each] for each, amount in size_of(flavor).items()}
                self._quotas.reserve(tx, desktop.owner_id, desktop.organization_id, more)
                return {"flavor": flavor.id}

            return self._wishes.change(tx, actor, desktop_id, Action.RESIZE, choose)

    @needs("desktop:read")
    def sizes(self, actor: Actor, desktop_id: str) -> Sequence[str]:
        """Ids of the flavors that :meth:`resize` would take for this desktop, smallest first. Raises NotFound."""
        with self._db.reading() as tx:
            desktop, _ = visible_desktop(tx, actor, desktop_id, "desktop:read")
            return [flavor.id for flavor in fitting.flavors_to_resize_to(tx, desktop)]

    def hand_over_within(self, tx: Transaction, actor: Actor, desktop_id: str, new_owner_id: str) -> None:
        """Give a desktop to somebody else of its organization, whatever their quota. Its old owner sees it no more.

        Raises NotFound, and Conflict while it is being deleted, or when it is a pool's of which they have one.
        """
        desktop, latest = visible_desktop(tx, actor, desktop_id, "desktop:hand_over")
        if desktop.wanted == Wanted.GONE:
            raise refused(Action.DELETE, lifecycle.state(facts_of(desktop, latest)))
        if disk_claims.at_desktop(tx, desktop.id) is not None:
            require_unlocked(desktop)
            # A personal disk stays with its person. What is open on it is theirs, and they are not asked any more.
            if latest.status in lifecycle.ACTIVE:
                raise refused(Action.DISCONNECT_DISK, lifecycle.state(facts_of(desktop, latest)))
            latest, _ = self._wishes.add(tx, actor, desktop, Action.DISCONNECT_DISK, {"force": "yes"})
        if desktop.pool_id is not None:
            pool_seats.seat(tx, desktop, new_owner_id, self._clock.now())
        before, desktop.owner_id = desktop.owner_id, new_owner_id
        self._audit.record(
            tx,
            actor,
            "desktop:hand_over",
            "desktop",
            desktop.id,
            owner_id=before,
            before={"owner": before},
            after={"owner": new_owner_id},
        )
        self._feed.desktop_changed(tx, desktop, latest)

    @needs("desktop:read")
    def operation(self, actor: Actor, operation_id: str) -> OperationView:
        """One operation of a desktop that the actor can see. Raises NotFound."""
        with self._db.reading() as tx:
            return seen_operation(tx, actor, *visible_operation(tx, actor, operation_id))

    def build_within(
        self, tx: Transaction, actor: Actor, pool: Pool, *, claimant_id: str | None = None, image_id: str | None = None
    ) -> tuple[Desktop, Operation]:
        """Ask for a desktop of a pool, whose row is locked: a spare, or one for ``claimant_id``, whatever their quota.
        ``image_id``: made from the image that is rolled out, instead of the pool's own.

        Raises InvalidInput when image, flavor, network or a security group are gone, LimitReached for the organization's quota.
        """
        image, flavor = fitting.image_and_flavor(tx, actor, image_id or pool.image_id, pool.flavor_id)
        place = in_cloud(tx, pool)
        wanted = {Resource.DESKTOPS: 1, **SWITCHED_ON, **size_of(flavor)}
        self._quotas.reserve_for_pool(tx, pool.organization_id, wanted)
        pool.built += 1
        name, owner_id = naming.default_name(pool.name, pool.built), claimant_id or pool.account_id
        return self._write(tx, actor, name, image, flavor, owner_id, place, pool=pool, claimant_id=claimant_id)

    def _create(self, tx: Transaction, actor: Actor, wish: "NewDesktop", key: str | None) -> Accepted:
        image, flavor = fitting.image_and_flavor(tx, actor, wish.image_id, wish.flavor_id)
        owner_id = self._owner(tx, actor, wish.owner_id)
        wanted = {Resource.DESKTOPS: 1, **SWITCHED_ON, **size_of(flavor)}
        self._quotas.reserve(tx, owner_id, actor.organization_id, wanted)
        name = wish.name or naming.default_name(image.name, self._owned(tx, owner_id) + 1)
        desktop, operation = self._write(tx, actor, name, image, flavor, owner_id, {})
        if key is not None:
            tx.add(
                IdempotencyKey(
                    user_id=actor.user_id,
                    key=key,
                    organization_id=actor.organization_id,
                    request_digest=wish.digest(),
                    desktop_id=desktop.id,
                    operation_id=operation.id,
                    created_at=self._clock.now(),
                )
            )
        return accepted(tx, actor, desktop, operation)

    def _write(
        self,
        tx: Transaction,
        actor: Actor,
        name: str,
        image: Image,
        flavor: Flavor,
        owner_id: str,
        place: Arguments,
        *,
        pool: Pool | None = None,
        claimant_id: str | None = None,
    ) -> tuple[Desktop, Operation]:
        desktop_id, now = new_id(), self._clock.now()
        is_spare = pool is not None and claimant_id is None
        desktop = Desktop(
            id=desktop_id,
            organization_id=actor.organization_id,
            owner_id=owner_id,
            name=name,
            hostname=naming.hostname(name, desktop_id),
            image_id=image.id,
            flavor_id=flavor.id,
            wanted=Wanted.RUNNING,
            project_id=project_for(tx, actor.organization_id),
            operation_id="",
            pool_id=pool.id if pool is not None else None,
            claimant_id=claimant_id,
            claimed_at=now if claimant_id else None,
            ends_at=None if is_spare else end_of(now, terms_in(tx, actor.organization_id, pool)),
            extended=0,
            created_at=now,
        )
        tx.add(desktop)
        operation, _ = self._wishes.add(tx, actor, desktop, Action.CREATE, place)
        after = {"name": desktop.name, "image": image.name, "flavor": flavor.name}
        self._audit.record(tx, actor, "desktop:create", "desktop", desktop.id, owner_id=desktop.owner_id, after=after)
        self._feed.desktop_changed(tx, desktop, operation)
        tx.flush()
        return desktop, operation

    def _earlier(self, tx: Transaction, actor: Actor, key: str | None, wish: "NewDesktop") -> Accepted | None:
        row = tx.get(IdempotencyKey, (actor.user_id, key)) if key is not None else None
        if row is None:
            return None
        if row.request_digest != wish.digest():
            raise Conflict("idempotency_key_reused", "This Idempotency-Key was used for another request.")
        desktop, operation = tx.get_one(Desktop, row.desktop_id), tx.get_one(Operation, row.operation_id)
        return accepted(tx, actor, desktop, operation)

    def _owner(self, tx: Session, actor: Actor, owner_id: str | None) -> str:
        if owner_id is None or owner_id == actor.user_id:
            return actor.user_id
        require(actor, "desktop:create_for")
        owner = tx.get(User, owner_id)
        if owner is None or owner.organization_id != actor.organization_id or owner.disabled_at or owner.deleted_at:
            raise InvalidInput("The desktop cannot be made for this person.", fields={"owner": "There is no such account."})
        return owner.id

    def _owned(self, tx: Session, owner_id: str) -> int:
        there = (Desktop.deleted_at.is_(None), Desktop.binned_at.is_(None))
        query = select(func.count()).where(Desktop.owner_id == owner_id, *there)
        return tx.scalar(query) or 0
