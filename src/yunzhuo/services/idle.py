"""What is done about desktops that nobody uses, as administrators say it: for the organization, and for a pool instead."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from sqlalchemy import select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.phoenix.db.models import IdleTerms, Organization, Pool
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.leases import TermsOf
from yunzhuo.services.rules.idle import IdleDeed, Terms
from yunzhuo.services.stated import needs

NONE = Terms()


@dataclass(frozen=True, slots=True)
class IdleTermsView:
    """What holds for an organization or a pool. ``is_set`` False: none of its own, so what is said here holds anyway."""

    subject_id: str
    kind: TermsOf
    name: str
    terms: Terms
    is_set: bool


class IdleService:
    """What administrators say about idle desktops."""

    def __init__(self, db: Database, audit: AuditLog) -> None:
        self._db = db
        self._audit = audit

    @needs("lease:read")
    def list(self, actor: Actor) -> Sequence[IdleTermsView]:
        """The organization's rules, then those of its pools by name."""
        with self._db.reading() as tx:
            found = terms_by_subject(tx, actor.organization_id)
            organization = tx.get_one(Organization, actor.organization_id)
            pools = tx.scalars(select(Pool).where(Pool.organization_id == organization.id).order_by(Pool.name)).all()
            own = found.get(organization.id, NONE)
            return [
                IdleTermsView(organization.id, TermsOf.ORGANIZATION, organization.name, own, organization.id in found),
                *(IdleTermsView(one.id, TermsOf.POOL, one.name, found.get(one.id, own), one.id in found) for one in pools),
            ]

    @needs("lease:update")
    @retried_when_contended
    def put(self, actor: Actor, subject_id: str, wish: Terms) -> IdleTermsView:
        """Say what is done about idle desktops of the organization, or of a pool. Raises NotFound, InvalidInput."""
        checked = wish.checked()
        with self._db.transaction() as tx:
            kind, name = _subject(tx, actor, subject_id)
            row = tx.get(IdleTerms, subject_id, with_for_update=True)
            before = asdict(terms_of(row)) if row is not None else None
            values = asdict(checked)
            if row is None:
                tx.add(IdleTerms(subject_id=subject_id, subject_kind=kind, organization_id=actor.organization_id, **values))
            else:
                for column, value in values.items():
                    setattr(row, column, value)
            self._audit.record(tx, actor, "lease:update", "idle", subject_id, before=before, after=values)
            return IdleTermsView(subject_id, kind, name, checked, is_set=True)

    @needs("lease:update")
    @retried_when_contended
    def drop(self, actor: Actor, subject_id: str) -> None:
        """Let what is said elsewhere hold again. Twice is harmless. Raises NotFound."""
        with self._db.transaction() as tx:
            _subject(tx, actor, subject_id)
            row = tx.get(IdleTerms, subject_id)
            if row is not None:
                self._audit.record(tx, actor, "lease:update", "idle", subject_id, before=asdict(terms_of(row)))
                tx.delete(row)


def terms_of(row: IdleTerms) -> Terms:
    """The rules as they are decided upon."""
    said = {each.name: getattr(row, each.name) for each in fields(Terms)}
    deeds = {name: IdleDeed(said[name]) for name in ("disconnected_deed", "no_input_deed")}
    return Terms(**{**said, **deeds})


def terms_by_subject(tx: Session, organization_id: str | None = None) -> Mapping[str, Terms]:
    """All rules that were set, of one organization or of all."""
    query = select(IdleTerms)
    if organization_id is not None:
        query = query.where(IdleTerms.organization_id == organization_id)
    return {row.subject_id: terms_of(row) for row in tx.scalars(query)}


def _subject(tx: Session, actor: Actor, subject_id: str) -> tuple[TermsOf, str]:
    if subject_id == actor.organization_id:
        return TermsOf.ORGANIZATION, tx.get_one(Organization, subject_id).name
    pool = tx.get(Pool, subject_id)
    if pool is None or pool.organization_id != actor.organization_id:
        raise NotFound("idle_subject_not_found", "There is no such organization or pool.", verb="lease:update")
    return TermsOf.POOL, pool.name
