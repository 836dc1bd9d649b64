"""Quotas as people see and set them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from yunzhuo.phoenix.common.errors import Forbidden, InvalidInput, NotFound
from yunzhuo.phoenix.db.models import Quota, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services.access import Actor, Scope, may, require
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.quota_book import QuotaBook
from yunzhuo.services.rules.quota import Allowance, Resource, Subject, tightest
from yunzhuo.services.stated import needs
from yunzhuo.services.subjects import subject_name

__all__ = ["Allowance", "QuotaService", "QuotaView", "Resource", "Subject"]

_MOST = 2**53 - 1  # what every JSON reader takes


@dataclass(frozen=True, slots=True)
class QuotaView:
    """A quota that somebody set. ``subject_name`` is an address, or a group's or the organization's name."""

    subject: Subject
    subject_id: str
    subject_name: str
    resource: Resource
    most: int


class QuotaService:
    """Tells people what is left for them, and lets administrators say how much there is for whom."""

    def __init__(self, db: Database, book: QuotaBook, audit: AuditLog) -> None:
        self._db = db
        self._book = book
        self._audit = audit

    @needs("quota:read")
    def mine(self, actor: Actor) -> Sequence[Allowance]:
        """What counts for the actor now: of each resource the limit that has the least left."""
        with self._db.reading() as tx:
            found = tightest(self._book.allowances(tx, actor.user_id, actor.organization_id))
        return [found[resource] for resource in Resource]

    @needs("quota:read")
    def of_user(self, actor: Actor, user_id: str) -> Sequence[Allowance]:
        """All that limits a person. Raises NotFound, also for whom the actor may not see."""
        with self._db.reading() as tx:
            user = tx.get(User, user_id)
            if user is None or user.deleted_at is not None:
                raise NotFound("user_not_found", "There is no such account.")
            if not may(actor, "quota:read", organization_id=user.organization_id, owner_id=user.id):
                raise NotFound("user_not_found", "There is no such account.")
            return self._book.allowances(tx, user.id, user.organization_id)

    @needs("quota:change")
    def list(self, actor: Actor) -> Sequence[QuotaView]:
        """All quotas that were set in the actor's organization, its own first."""
        query = select(Quota).where(Quota.organization_id == actor.organization_id)
        with self._db.reading() as tx:
            rows = tx.scalars(query.order_by(Quota.subject_kind, Quota.subject_id, Quota.resource)).all()
            found = [
                QuotaView(Subject(row.subject_kind), row.subject_id, name, Resource(row.resource), row.most)
                for row in rows
                # One whose subject is deleted is nobody's any more.
                if (name := subject_name(tx, row.subject_kind, row.subject_id, actor.organization_id)) is not None
            ]
        order = [Subject.ORGANIZATION, Subject.GROUP, Subject.USER]
        return sorted(found, key=lambda view: (order.index(view.subject), view.subject_name))

    @needs("quota:change")
    @retried_when_contended
    def put(self, actor: Actor, subject: Subject, subject_id: str, resource: Resource, most: int | None) -> None:
        """Say how much of a resource somebody may have; None takes the limit away. What is there already stays.

        Raises NotFound, InvalidInput, and Forbidden for the organization's own: that one is for operators.
        """
        with self._db.transaction() as tx:
            self.put_within(tx, actor, subject, subject_id, resource, most)

    def put_within(
        self,
        tx: Transaction,
        actor: Actor,
        subject: Subject,
        subject_id: str,
        resource: Resource,
        most: int | None,
        *,
        document: str | None = None,
    ) -> None:
        """As :meth:`put`, as part of another service's transaction. ``document``: what is new is set because that says so."""
        scope = require(actor, "quota:change")
        if subject is Subject.ORGANIZATION and scope is not Scope.INSTALLATION:
            raise Forbidden(
                "quota_is_operators", "How much an organization may have is for operators to say.", verb="quota:change"
            )
        if most is not None and not 0 <= most <= _MOST:
            raise InvalidInput("This is not an amount.", fields={"most": "A whole number from 0."})
        name = subject_name(tx, subject, subject_id, actor.organization_id)
        if name is None:
            raise NotFound("subject_not_found", "There is no such person, group or organization.")
        row = tx.get(Quota, (subject, subject_id, resource), with_for_update=True)
        before = row.most if row is not None else None
        if most is None and row is not None:
            tx.delete(row)
        elif most is not None and row is None:
            tx.add(
                Quota(
                    subject_kind=subject,
                    subject_id=subject_id,
                    resource=resource,
                    organization_id=actor.organization_id,
                    most=most,
                    document=document,
                )
            )
        elif most is not None and row is not None:
            row.most = most
        owner_id = subject_id if subject is Subject.USER else None
        what = {"of": subject, "name": name, "resource": resource}
        self._audit.record(
            tx,
            actor,
            "quota:change",
            "quota",
            subject_id,
            owner_id=owner_id,
            before={**what, "most": before},
            after={**what, "most": most},
        )
