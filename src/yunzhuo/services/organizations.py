"""Organizations: tenants that know nothing of each other, and the operators who run all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, NotFound
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.db.models import ApiToken, AuthSession, Desktop, Organization, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services.access import Actor, require, scope_of
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.placing import Placing, placing_of
from yunzhuo.services.reach import widened
from yunzhuo.services.rules import naming
from yunzhuo.services.stated import needs


@dataclass(frozen=True, slots=True)
class OrganizationView:
    """An organization with how many people and desktops it has. ``project_id`` is its own project in the cloud."""

    id: str
    name: str
    is_disabled: bool
    users: int
    desktops: int
    created_at: datetime
    placing: Placing = Placing.SHARED
    project_id: str | None = None


class OrganizationService:
    """What operators do with organizations. To work in one they go into it; then they see what its administrators see."""

    def __init__(self, db: Database, audit: AuditLog, clock: Clock, *, with_projects: bool = False) -> None:
        self._db = db
        self._with_projects = with_projects
        self._audit = audit
        self._clock = clock

    def widened(self, actor: Actor, organization: str | None = None) -> Actor:
        """The actor with all their rights, and in another organization (its id or name) if they may go into it.

        Raises NotFound: whoever may not go in is told that it is not there.
        """
        with self._db.reading() as tx:
            actor = widened(tx, actor, self._clock.now())
            if organization is None:
                return actor
            found = tx.scalar(
                select(Organization.id).where((Organization.id == organization) | (Organization.name == organization))
            )
        if found is not None and found == actor.organization_id:
            return actor
        if found is None or scope_of(actor, "organization:enter") is None:
            raise _missing()
        return replace(actor, organization_id=found, custom={}, delegated={}, is_visiting=True)

    def ids(self) -> Sequence[str]:
        """All organizations that are not disabled, for the installation's own use."""
        with self._db.reading() as tx:
            return tx.scalars(
                select(Organization.id).where(Organization.disabled_at.is_(None)).order_by(Organization.name)
            ).all()

    def by_name(self, name: str) -> str:
        """An organization's id, for the installation's own use. Raises NotFound."""
        with self._db.reading() as tx:
            found = tx.scalar(select(Organization.id).where(Organization.name == name))
        if found is None:
            raise _missing()
        return found

    @needs("organization:read")
    def list(self, actor: Actor) -> Sequence[OrganizationView]:
        """All organizations by name."""
        with self._db.reading() as tx:
            rows = tx.scalars(select(Organization).order_by(Organization.name)).all()
            return _views(tx, rows)

    @needs("organization:read")
    def get(self, actor: Actor, organization_id: str) -> OrganizationView:
        """One organization. Raises NotFound."""
        with self._db.reading() as tx:
            return _views(tx, [_found(tx, organization_id)])[0]

    @needs("organization:create")
    @retried_when_contended
    def create(self, actor: Actor, name: str) -> OrganizationView:
        """Make an organization with nobody in it. Raises InvalidInput, Conflict when the name is taken."""
        try:
            with self._db.transaction() as tx:
                return self.create_within(tx, actor, name)
        except IntegrityError as error:
            raise _name_taken(name) from error

    def create_within(self, tx: Transaction, actor: Actor, name: str) -> OrganizationView:
        """The same in the transaction of whoever asked for it; the database says when a name is taken. Raises InvalidInput."""
        require(actor, "organization:create")
        row = Organization(
            id=new_id(),
            name=naming.checked_name(name),
            is_default=False,
            has_own_project=self._with_projects,
            created_at=self._clock.now(),
        )
        tx.add(row)
        tx.flush()
        self._note(tx, actor, "organization:create", row, after={"name": row.name})
        return OrganizationView(row.id, row.name, False, 0, 0, row.created_at, placing_of(row))

    @needs("organization:rename")
    @retried_when_contended
    def rename(self, actor: Actor, organization_id: str, name: str) -> OrganizationView:
        """Give an organization another name. Raises NotFound, InvalidInput, Conflict when the name is taken."""
        try:
            with self._db.transaction() as tx:
                row = _found(tx, organization_id, locked=True)
                before, row.name = row.name, naming.checked_name(name)
                tx.flush()
                self._note(tx, actor, "organization:rename", row, before={"name": before}, after={"name": row.name})
                return _views(tx, [row])[0]
        except IntegrityError as error:
            raise _name_taken(name) from error

    @needs("organization:disable")
    @retried_when_contended
    def disable(self, actor: Actor, organization_id: str) -> OrganizationView:
        """Let nobody of an organization in from now on: all its sessions and tokens end. Desktops stay as they are.

        Raises NotFound, and Conflict for the actor's own. Twice is harmless.
        """
        now = self._clock.now()
        with self._db.transaction() as tx:
            row = _found(tx, organization_id, locked=True)
            home = tx.scalar(select(User.organization_id).where(User.id == actor.user_id)) or actor.organization_id
            if row.id == home:
                raise Conflict("own_organization", "This cannot be done to one's own organization.")
            if row.disabled_at is None:
                row.disabled_at = now
                self._note(tx, actor, "organization:disable", row, before={"disabled": False}, after={"disabled": True})
            open_sessions = (AuthSession.organization_id == row.id, AuthSession.ended_at.is_(None))
            tx.execute(update(AuthSession).where(*open_sessions).values(ended_at=now))
            valid_tokens = (ApiToken.organization_id == row.id, ApiToken.revoked_at.is_(None))
            tx.execute(update(ApiToken).where(*valid_tokens).values(revoked_at=now))
            return _views(tx, [row])[0]

    @needs("organization:enable")
    @retried_when_contended
    def enable(self, actor: Actor, organization_id: str) -> OrganizationView:
        """Let the people of a disabled organization in again. Raises NotFound. Twice is harmless."""
        with self._db.transaction() as tx:
            row = _found(tx, organization_id, locked=True)
            if row.disabled_at is not None:
                row.disabled_at = None
                self._note(tx, actor, "organization:enable", row, before={"disabled": True}, after={"disabled": False})
            return _views(tx, [row])[0]

    def _note(
        self,
        tx: Transaction,
        actor: Actor,
        verb: str,
        row: Organization,
        *,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
    ) -> None:
        # Kept where the operator is: an organization's own log tells what is done inside it.
        self._audit.record(tx, actor, verb, "organization", row.id, before=before, after=after)


def _found(tx: Session, organization_id: str, *, locked: bool = False) -> Organization:
    row = tx.get(Organization, organization_id, with_for_update=locked)
    if row is None:
        raise _missing()
    return row


def _views(tx: Session, rows: Sequence[Organization]) -> Sequence[OrganizationView]:
    ids = [row.id for row in rows]
    people = select(User.organization_id, func.count()).where(User.organization_id.in_(ids), User.deleted_at.is_(None))
    desktops = select(Desktop.organization_id, func.count()).where(
        Desktop.organization_id.in_(ids), Desktop.deleted_at.is_(None)
    )
    users = {row[0]: row[1] for row in tx.execute(people.group_by(User.organization_id))}
    theirs = {row[0]: row[1] for row in tx.execute(desktops.group_by(Desktop.organization_id))}
    return [
        OrganizationView(
            row.id,
            row.name,
            row.disabled_at is not None,
            users.get(row.id, 0),
            theirs.get(row.id, 0),
            row.created_at,
            placing_of(row),
            row.project_id,
        )
        for row in rows
    ]


def _missing() -> NotFound:
    return NotFound("organization_not_found", "There is no such organization.")


def _name_taken(name: str) -> Conflict:
    return Conflict("organization_name_taken", f"There is an organization {name} already.")
