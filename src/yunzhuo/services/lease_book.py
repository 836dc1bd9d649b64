"""The terms that hold for a desktop: its pool's own, else its organization's, else none."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.db.models import Desktop, LeaseTerms, Pool
from yunzhuo.services.rules.leases import Terms
from yunzhuo.services.rules.pools import Kind

NONE = Terms()


def terms_of(row: LeaseTerms) -> Terms:
    """The terms as rules know them."""
    return Terms(row.days, row.extend_days, row.extend_times, tuple(row.warn_hours), row.bin_days)


def terms_for(tx: Session, desktop: Desktop) -> Terms:
    """What holds for one desktop."""
    return terms_for_many(tx, [desktop])[desktop.id]


def terms_for_many(tx: Session, desktops: Sequence[Desktop]) -> Mapping[str, Terms]:
    """What holds for each of several desktops, by its id."""
    subjects = {desktop.organization_id for desktop in desktops} | {each.pool_id for each in desktops if each.pool_id}
    rows = {row.subject_id: terms_of(row) for row in tx.scalars(select(LeaseTerms).where(LeaseTerms.subject_id.in_(subjects)))}
    if not rows:
        return {desktop.id: NONE for desktop in desktops}
    floating = _floating(tx, {desktop.pool_id for desktop in desktops if desktop.pool_id})
    return {desktop.id: _chosen(rows, desktop.organization_id, desktop.pool_id, floating) for desktop in desktops}


def terms_in(tx: Session, organization_id: str, pool: Pool | None) -> Terms:
    """What holds for a desktop that is made now, of a pool or of none."""
    pool_id, floating = (pool.id, {pool.id} if pool.kind == Kind.FLOATING else set()) if pool is not None else (None, set())
    subjects = [organization_id, *([pool_id] if pool_id else [])]
    rows = {row.subject_id: terms_of(row) for row in tx.scalars(select(LeaseTerms).where(LeaseTerms.subject_id.in_(subjects)))}
    return _chosen(rows, organization_id, pool_id, floating)


def kind_of(tx: Session, desktop: Desktop) -> Kind | None:
    """What becomes of a desktop after use; None: it is of no pool."""
    pool = tx.get(Pool, desktop.pool_id) if desktop.pool_id is not None else None
    return Kind(pool.kind) if pool is not None else None


def _chosen(rows: Mapping[str, Terms], organization_id: str, pool_id: str | None, floating: set[str]) -> Terms:
    if pool_id is not None and pool_id in rows:
        return rows[pool_id]
    # What a floating pool gives is replaced after use anyway: the organization's end is not meant for it.
    return NONE if pool_id in floating else rows.get(organization_id, NONE)


def _floating(tx: Session, pool_ids: set[str]) -> set[str]:
    query = select(Pool.id).where(Pool.id.in_(pool_ids), Pool.kind == Kind.FLOATING)
    return set(tx.scalars(query)) if pool_ids else set()
