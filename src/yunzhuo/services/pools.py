"""Pools as administrators run them: what they are made of, how many stand ready at which hours, and who may have one."""

from collections.abc import Callable, Mapping, Sequence, Set
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, NotFound
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.db.models import (
    CloudPlace,
    Desktop,
    Flavor,
    Group,
    IdleTerms,
    Image,
    Network,
    Operation,
    Pool,
    PoolMember,
    PoolRollout,
    PoolSample,
    ScreenPolicy,
    SecurityGroup,
    User,
)
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services import fitting, pool_seats
from yunzhuo.services.access import Actor, require
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.license_book import LicenseBook
from yunzhuo.services.own_accounts import acting_as, address_of, own_account
from yunzhuo.services.pool_wishes import UTC_ZONE, PoolMemberView, PoolView, PoolWish
from yunzhuo.services.rules import pools
from yunzhuo.services.rules.licensing import Feature
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, Wanted
from yunzhuo.services.rules.pools import Kind
from yunzhuo.services.stated import needs
from yunzhuo.services.wishes import WishBook

# What routes and pages know of a pool.
__all__ = ["UTC_ZONE", "PoolMemberView", "PoolService", "PoolView", "PoolWish"]


class PoolService:
    """What administrators do with pools. All methods but the first two raise NotFound."""

    def __init__(self, db: Database, wishes: WishBook, audit: AuditLog, clock: Clock, license_book: LicenseBook) -> None:
        self._license = license_book
        self._db = db
        self._wishes = wishes
        self._audit = audit
        self._clock = clock

    @needs("pool:read")
    def list(self, actor: Actor) -> Sequence[PoolView]:
        """The organization's pools by name."""
        with self._db.reading() as tx:
            rows = tx.scalars(select(Pool).where(Pool.organization_id == actor.organization_id).order_by(Pool.name)).all()
            return pool_views(tx, rows, self._clock.now())

    @needs("pool:create")
    @retried_when_contended
    def create(self, actor: Actor, wish: PoolWish) -> PoolView:
        """Make a pool; its spares are built from then on. Raises InvalidInput, Conflict when the name is taken,
        LimitReached when the license has no pools."""
        checked = wish.checked()
        try:
            with self._db.transaction() as tx:
                return self.create_within(tx, actor, checked)
        except IntegrityError as error:
            raise _name_taken(checked.name) from error

    def create_within(self, tx: Transaction, actor: Actor, wish: PoolWish, *, document: str | None = None) -> PoolView:
        """As :meth:`create`, as part of another service's transaction, which hears IntegrityError when the name is taken.
        ``document``: it is made because that says so."""
        require(actor, "pool:create")
        checked, now, pool_id = wish.checked(), self._clock.now(), new_id()
        self._license.require_feature(tx, Feature.POOLS)
        fitting.image_and_flavor(tx, actor, checked.image_id, checked.flavor_id)
        if checked.network_id or checked.security_group_ids:
            _require_place(tx, actor, checked)
        account = own_account(actor.organization_id, address_of("pool", checked.name, pool_id), now)
        tx.add(account)
        tx.flush()
        pool = Pool(
            id=pool_id,
            organization_id=actor.organization_id,
            account_id=account.id,
            built=0,
            failures=0,
            problem=None,
            document=document,
            created_at=now,
            **_columns(checked),
        )
        tx.add(pool)
        self._audit.record(tx, actor, "pool:create", "pool", pool_id, after=_columns(checked))
        tx.flush()
        return pool_views(tx, [pool], now)[0]

    @needs("pool:read")
    def get(self, actor: Actor, pool_id: str) -> PoolView:
        """One pool."""
        with self._db.reading() as tx:
            return pool_views(tx, [_found(tx, actor, pool_id, "pool:read")], self._clock.now())[0]

    @needs("pool:update")
    @retried_when_contended
    def change(self, actor: Actor, pool_id: str, changed: Callable[[PoolWish], PoolWish]) -> PoolView:
        """Make a pool what ``changed`` makes of what it is.

        With another image, flavor, network or other security groups, spares are replaced, and desktops that people have stay as
        they are. Network and groups are for who may see the cloud's. Raises InvalidInput, Forbidden, Conflict when the name is
        taken, for another kind, or for another image or flavor while a roll-out goes on.
        """
        try:
            with self._db.transaction() as tx:
                return self.change_within(tx, actor, pool_id, changed)
        except IntegrityError as error:
            raise Conflict("pool_name_taken", "There is a pool of this name already.") from error

    def change_within(self, tx: Transaction, actor: Actor, pool_id: str, changed: Callable[[PoolWish], PoolWish]) -> PoolView:
        """As :meth:`change`, as part of another service's transaction, which hears IntegrityError when the name is taken."""
        require(actor, "pool:update")
        pool = _found(tx, actor, pool_id, "pool:update", locked=True)
        present = pool_views(tx, [pool], self._clock.now())[0].as_wish()
        wish = changed(present).checked()
        if wish.kind is not present.kind:
            raise Conflict("pool_kind_stays", "A pool stays dedicated or floating; make another one.")
        if (wish.image_id, wish.flavor_id) != (present.image_id, present.flavor_id):
            if pool.rolling_image_id is not None:
                message = "A roll-out goes on in this pool; let it end, or go back, before you change image or size."
                raise Conflict("rollout_goes_on", message)
            fitting.image_and_flavor(tx, actor, wish.image_id, wish.flavor_id)
            pool.failures, pool.problem = 0, None
        is_elsewhere = (wish.network_id, wish.security_group_ids) != (present.network_id, present.security_group_ids)
        if is_elsewhere:
            _require_place(tx, actor, wish)
        before, after = _columns(present), _columns(wish)
        for name, value in after.items():
            setattr(pool, name, value)
        if is_elsewhere:
            self._remove_spares(tx, pool)
        tx.get_one(User, pool.account_id).email = address_of("pool", pool.name, pool.id)
        different = {name for name in after if before[name] != after[name]}
        self._audit.record(
            tx,
            actor,
            "pool:update",
            "pool",
            pool.id,
            before={name: before[name] for name in different},
            after={name: after[name] for name in different},
        )
        tx.flush()
        return pool_views(tx, [pool], self._clock.now())[0]

    @needs("pool:delete")
    @retried_when_contended
    def delete(self, actor: Actor, pool_id: str) -> None:
        """Forget a pool and delete its spares. Desktops that people have stay with them, as any other desktop of theirs."""
        with self._db.transaction() as tx:
            self.delete_within(tx, actor, pool_id)

    def delete_within(self, tx: Transaction, actor: Actor, pool_id: str) -> None:
        """As :meth:`delete`, as part of another service's transaction."""
        require(actor, "pool:delete")
        pool = _found(tx, actor, pool_id, "pool:delete", locked=True)
        for desktop in self._remove_spares(tx, pool):
            desktop.pool_id = desktop.claimant_id = desktop.renews_at = None
        for part in (PoolMember, PoolRollout, PoolSample):
            tx.execute(delete(part).where(part.pool_id == pool.id))
        tx.execute(delete(IdleTerms).where(IdleTerms.subject_id == pool.id))
        tx.execute(delete(ScreenPolicy).where(ScreenPolicy.subject_kind == "pool", ScreenPolicy.subject_id == pool.id))
        self._audit.record(tx, actor, "pool:delete", "pool", pool.id, before={"name": pool.name})
        tx.delete(pool)

    def _remove_spares(self, tx: Transaction, pool: Pool) -> Sequence[Desktop]:
        """Answers all that the pool has, its people's and those that leave among them."""
        there = (Desktop.pool_id == pool.id, Desktop.deleted_at.is_(None))
        desktops = tx.scalars(select(Desktop).where(*there).order_by(Desktop.id).with_for_update()).all()
        for desktop in desktops:
            if desktop.claimant_id is None and desktop.wanted != Wanted.GONE:
                self._wishes.change(tx, acting_for(tx, pool), desktop.id, Action.DELETE)
        return desktops

    @needs("pool:read")
    def members(self, actor: Actor, pool_id: str) -> Sequence[PoolMemberView]:
        """Who may have a desktop of a pool: groups first, each by name."""
        with self._db.reading() as tx:
            return _members(tx, _found(tx, actor, pool_id, "pool:read"))

    @needs("pool:update")
    @retried_when_contended
    def put_member(self, actor: Actor, pool_id: str, holder_id: str) -> Sequence[PoolMemberView]:
        """Let a person, or everybody in a group, have a desktop of a pool; answers who may. Twice is harmless."""
        with self._db.transaction() as tx:
            pool = self.put_member_within(tx, actor, pool_id, holder_id)
            return _members(tx, pool)

    def put_member_within(self, tx: Transaction, actor: Actor, pool_id: str, holder_id: str) -> Pool:
        """As :meth:`put_member`, as part of another service's transaction."""
        require(actor, "pool:update")
        pool = _found(tx, actor, pool_id, "pool:update", locked=True)
        name = _holder_name(tx, actor, holder_id)
        if tx.get(PoolMember, (pool.id, holder_id)) is None:
            tx.add(PoolMember(pool_id=pool.id, holder_id=holder_id))
            self._audit.record(tx, actor, "pool:update", "pool", pool.id, after={"member": name})
        tx.flush()
        return pool

    @needs("pool:update")
    @retried_when_contended
    def drop_member(self, actor: Actor, pool_id: str, holder_id: str) -> None:
        """Let a person or a group have none any more; what they have of it they keep. One who is no member is no error."""
        with self._db.transaction() as tx:
            self.drop_member_within(tx, actor, pool_id, holder_id)

    def drop_member_within(self, tx: Transaction, actor: Actor, pool_id: str, holder_id: str) -> None:
        """As :meth:`drop_member`, as part of another service's transaction."""
        require(actor, "pool:update")
        pool = _found(tx, actor, pool_id, "pool:update", locked=True)
        row = tx.get(PoolMember, (pool.id, holder_id))
        if row is not None:
            tx.delete(row)
            self._audit.record(tx, actor, "pool:update", "pool", pool.id, before={"member": holder_id})


def acting_for(tx: Session, pool: Pool) -> Actor:
    """The pool itself, as the one who asks for its spares to be built and removed."""
    return acting_as(tx.get_one(User, pool.account_id))


def wanted_now(pool: Pool, now: datetime) -> int:
    """How many spares should stand ready at this hour."""
    return pools.spares_wanted(now, ZoneInfo(pool.time_zone), pool.spares, pools.windows_of(pool.hours))


def pool_views(tx: Session, rows: Sequence[Pool], now: datetime) -> Sequence[PoolView]:
    """Views of several pools in a few queries."""
    pool_ids = [row.id for row in rows]
    counts = pool_seats.counted(tx, pool_ids)
    images = {row.id: row for row in tx.scalars(select(Image).where(Image.id.in_({row.image_id for row in rows})))}
    flavors = {row.id: row for row in tx.scalars(select(Flavor).where(Flavor.id.in_({row.flavor_id for row in rows})))}
    sizes = select(PoolMember.pool_id, func.count()).where(PoolMember.pool_id.in_(pool_ids)).group_by(PoolMember.pool_id)
    members = {row[0]: row[1] for row in tx.execute(sizes)}
    networks = _names(tx, Network, {row.network_id for row in rows if row.network_id})
    groups = _names(tx, SecurityGroup, {each for row in rows for each in row.security_group_ids})
    problems = _problems(tx, pool_ids)
    return [
        PoolView(
            id=row.id,
            name=row.name,
            kind=Kind(row.kind),
            image_id=row.image_id,
            image_name=images[row.image_id].name,
            flavor_id=row.flavor_id,
            flavor_name=flavors[row.flavor_id].name,
            capacity=row.capacity,
            spares=row.spares,
            hours=row.hours,
            time_zone=row.time_zone,
            release_after_minutes=row.release_after_minutes,
            counts=counts[row.id],
            wanted_now=wanted_now(row, now),
            members=members.get(row.id, 0),
            problem=row.problem or problems.get(row.id),
            created_at=row.created_at,
            goal_seconds=row.goal_seconds,
            rolling_image_id=row.rolling_image_id,
            network_id=row.network_id,
            network_name=networks.get(row.network_id) if row.network_id else None,
            security_groups={each: groups[each] for each in row.security_group_ids},
        )
        for row in rows
    ]


def _names(tx: Session, kind: type[CloudPlace], ids: Set[str]) -> Mapping[str, str]:
    """Nothing is asked where no pool names any."""
    return {row.id: row.name for row in tx.scalars(select(kind).where(kind.id.in_(ids)))} if ids else {}


def _problems(tx: Session, pool_ids: Sequence[str]) -> Mapping[str, str]:
    """Why the latest spare of each pool that stands broken failed."""
    query = (
        select(Desktop.pool_id, Operation.error_message)
        .join(Operation, Operation.id == Desktop.operation_id)
        .where(Desktop.pool_id.in_(pool_ids), Desktop.claimant_id.is_(None), Desktop.deleted_at.is_(None))
        .where(Operation.status == OperationStatus.FAILED)
        .order_by(Operation.ended_at)
    )
    return {str(pool_id): message for pool_id, message in tx.execute(query) if message}


def _members(tx: Session, pool: Pool) -> Sequence[PoolMemberView]:
    holders = select(PoolMember.holder_id).where(PoolMember.pool_id == pool.id)
    groups = tx.scalars(select(Group).where(Group.id.in_(holders)).order_by(Group.name))
    people = tx.scalars(select(User).where(User.id.in_(holders)).order_by(User.email))
    return [
        *(PoolMemberView(group.id, group.name, is_group=True) for group in groups),
        *(PoolMemberView(person.id, person.email, is_group=False) for person in people),
    ]


def _holder_name(tx: Session, actor: Actor, holder_id: str) -> str:
    group = tx.get(Group, holder_id)
    if group is not None and group.organization_id == actor.organization_id:
        return group.name
    person = tx.get(User, holder_id)
    if person is None or person.deleted_at is not None or person.organization_id != actor.organization_id:
        raise NotFound("user_not_found", "There is no such account or group.")
    return person.email


def _found(tx: Session | Transaction, actor: Actor, pool_id: str, verb: str, *, locked: bool = False) -> Pool:
    query = select(Pool).where(Pool.id == pool_id, Pool.organization_id == actor.organization_id)
    pool = tx.scalar(query.with_for_update() if locked else query)
    if pool is None:
        raise NotFound("pool_not_found", "There is no such pool.", verb=verb)
    return pool


def _columns(wish: PoolWish) -> dict[str, object]:
    return {
        "name": wish.name,
        "kind": str(wish.kind),
        "image_id": wish.image_id,
        "flavor_id": wish.flavor_id,
        "capacity": wish.capacity,
        "spares": wish.spares,
        "hours": list(wish.hours),
        "time_zone": wish.time_zone,
        "release_after_minutes": wish.release_after_minutes,
        "goal_seconds": wish.goal_seconds,
        "network_id": wish.network_id,
        "security_group_ids": list(wish.security_group_ids),
    }


def _require_place(tx: Session, actor: Actor, wish: PoolWish) -> None:
    """An organization's administrators do not choose among networks that may be another organization's."""
    require(actor, "network:read")
    fitting.network_and_groups(tx, wish.network_id, wish.security_group_ids)


def _name_taken(name: str) -> Conflict:
    return Conflict("pool_name_taken", f"There is a pool {name} already.")
