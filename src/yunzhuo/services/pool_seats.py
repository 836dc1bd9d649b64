"""Which desktops of a pool are ready, coming, or somebody's; and the one statement that gives one to a person.

What is fresh is computed: the last thing that was done to a spare is that it was made, with success, from what the pool is
made of now. Whatever else was done to it, nobody is given it any more.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, false, func, or_, select, update
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import Session, aliased

from yunzhuo.phoenix.common.errors import Conflict
from yunzhuo.phoenix.db.models import Desktop, GroupMember, Operation, Pool, PoolMember
from yunzhuo.phoenix.db.session import Transaction
from yunzhuo.services.rules import lifecycle
from yunzhuo.services.rules.lifecycle import Action, Observed, OperationStatus, Wanted
from yunzhuo.services.rules.pools import Counts, Way

_Condition = ColumnElement[bool]
_BY_CLAIMANT = "uq_desktops_pool_id_claimant_id"
_ACTIVE = [status.value for status in lifecycle.ACTIVE]


def is_members(user_id: str) -> _Condition:
    """The condition under which a pool is one that the person is a member of, by themselves or in a group."""
    groups = select(GroupMember.group_id).where(GroupMember.user_id == user_id)
    theirs = or_(PoolMember.holder_id == user_id, PoolMember.holder_id.in_(groups))
    return Pool.id.in_(select(PoolMember.pool_id).where(theirs))


def had_by(tx: Session, pool_id: str, user_id: str) -> Desktop | None:
    """The desktop of a pool that a person was given."""
    return tx.scalar(select(Desktop).where(Desktop.pool_id == pool_id, Desktop.claimant_id == user_id))


def given_to(tx: Session, pool_id: str, user_id: str) -> tuple[Desktop, Operation] | None:
    """The desktop of a pool that a person was given, with its latest operation."""
    query = select(Desktop, Operation).join(Operation, Operation.id == Desktop.operation_id)
    row = tx.execute(query.where(Desktop.pool_id == pool_id, Desktop.claimant_id == user_id)).first()
    return (row[0], row[1]) if row is not None else None


def give(
    tx: Transaction,
    pool: Pool,
    user_id: str,
    way: Way,
    now: datetime,
    ends_at: datetime | None = None,
    image_id: str | None = None,
) -> bool:
    """Give a person one of the pool's spares, if there is one that is ready (``Way.READY``) or being built (``COMING``), until
    ``ends_at`` (None: without an end). ``image_id``: one of the image that is rolled out, instead of the pool's own.

    One statement: whoever's it is changes with the row of the desktop, under the condition that it is nobody's. Who asks for
    the same spare a moment later finds that it is somebody's and takes the next one. Raises IntegrityError when the person
    has one already: the unique index on pool and claimant says so.
    """
    given = update(Desktop).values(claimant_id=user_id, owner_id=user_id, claimed_at=now, ends_at=ends_at)
    given = given.execution_options(synchronize_session=False)
    image_id = image_id or pool.image_id
    if tx.get_bind().dialect.name == "sqlite":  # which knows no LIMIT there; whoever writes is alone
        spare = aliased(Desktop)
        first = select(spare.id).where(*_free(spare, pool, image_id, way)).limit(1).scalar_subquery()
        given = given.where(Desktop.id == first)
    else:
        # Everybody comes to the rows by one index, which the statement changes: by two, they would wait for each other.
        given = given.with_hint(f"FORCE INDEX ({_BY_CLAIMANT})").where(*_free(Desktop, pool, image_id, way)).ext(mysql.limit(1))
    return getattr(tx.execute(given), "rowcount", 0) == 1


def seat(tx: Session, desktop: Desktop, user_id: str, now: datetime) -> None:
    """Note that a desktop of a pool is somebody else's now. Raises Conflict when they have one of that pool."""
    if had_by(tx, desktop.pool_id or "", user_id) is not None:
        raise Conflict("has_one_of_pool", "This person has a desktop of that pool already.")
    desktop.claimant_id, desktop.claimed_at = user_id, now


def counted(tx: Session, pool_ids: Sequence[str], *only: _Condition) -> Mapping[str, Counts]:
    """How many desktops of each pool (``only`` some of them) are what; one question for all of them."""
    is_nobodys, is_wanted = Desktop.claimant_id.is_(None), Desktop.wanted != Wanted.GONE
    has_its_image = or_(Desktop.image_id == Pool.image_id, Desktop.image_id == Pool.rolling_image_id)
    is_made_alike = and_(func.coalesce(has_its_image, false()), Desktop.flavor_id == Pool.flavor_id)
    is_ready = and_(is_nobodys, is_made_alike, *_is_up(Desktop), _was_made(Way.READY))
    is_coming = and_(is_nobodys, is_made_alike, is_wanted, _was_made(Way.COMING))
    is_leaving = and_(is_nobodys, Desktop.wanted == Wanted.GONE)
    is_broken = and_(is_nobodys, is_wanted, Operation.status == OperationStatus.FAILED)
    query = (
        select(
            Desktop.pool_id,
            *(_sum(each) for each in (is_ready, is_coming, Desktop.claimant_id.is_not(None), is_leaving, is_broken)),
            func.count(),
        )
        .join(Pool, Pool.id == Desktop.pool_id)
        .join(Operation, Operation.id == Desktop.operation_id)
        .where(Desktop.pool_id.in_(pool_ids), Desktop.deleted_at.is_(None), *only)
        .group_by(Desktop.pool_id)
    )
    found = {pool_id: Counts() for pool_id in pool_ids}
    for pool_id, *sums, there in tx.execute(query):
        ready, coming, in_use, leaving, broken = (int(each) for each in sums)
        useful = ready + coming + in_use + leaving + broken
        found[str(pool_id)] = Counts(ready, coming, in_use, leaving, broken, lost=int(there) - useful)
    return found


def _free(spare: Any, pool: Pool, image_id: str, way: Way) -> tuple[_Condition, ...]:
    """What a desktop has to be to be given away. ``spare`` is the table, or an alias of it."""
    latest = exists().where(Operation.id == spare.operation_id, _was_made(way))
    is_up = _is_up(spare) if way is Way.READY else (spare.wanted == Wanted.RUNNING,)
    return (
        spare.pool_id == pool.id,
        spare.claimant_id.is_(None),
        spare.deleted_at.is_(None),
        spare.image_id == image_id,
        spare.flavor_id == pool.flavor_id,
        *is_up,
        latest,
    )


def _is_up(desktop: Any) -> tuple[_Condition, ...]:
    return (
        desktop.wanted == Wanted.RUNNING,
        desktop.observed_status == Observed.RUNNING,
        desktop.ready_at.is_not(None),
    )


def _was_made(way: Way) -> _Condition:
    """Whether a desktop's latest operation is its making: done, or still going on."""
    status = Operation.status == OperationStatus.SUCCEEDED if way is Way.READY else Operation.status.in_(_ACTIVE)
    return and_(Operation.action == Action.CREATE, status)


def _sum(condition: _Condition) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)
