"""Roles: the built-in ones, and those that an organization puts together from verbs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, NotFound
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.db.models import CustomRole, Group, RoleGrant, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services.access import GRANTS, Actor, Scope, covers, grants_of
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.rules import naming
from yunzhuo.services.stated import needs
from yunzhuo.services.verbs import VERBS

_GIVEN_SCOPES = (Scope.OWN, Scope.GROUP, Scope.ORGANIZATION)


@dataclass(frozen=True, slots=True)
class RoleView:
    """A role and how far its verbs reach. ``is_built_in``: everybody has one of those, and nobody changes them."""

    id: str
    name: str
    grants: Mapping[str, Scope]
    is_built_in: bool


class RoleService:
    """What administrators do with their organization's own roles. Nobody makes or gives a role that may more than they."""

    def __init__(self, db: Database, audit: AuditLog, clock: Clock) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock

    @needs("role:read")
    def list(self, actor: Actor) -> Sequence[RoleView]:
        """The built-in roles, then the organization's own by name."""
        query = select(CustomRole).where(CustomRole.organization_id == actor.organization_id).order_by(CustomRole.name)
        built_in = [RoleView(role, role, grants, is_built_in=True) for role, grants in GRANTS.items()]
        with self._db.reading() as tx:
            return [*built_in, *(_view(row) for row in tx.scalars(query))]

    @needs("role:read")
    def holders(self, actor: Actor, role_id: str) -> Sequence[str]:
        """Ids of the people and groups that have a role of the organization's own. Raises NotFound."""
        with self._db.reading() as tx:
            _found(tx, actor, role_id)
            return tx.scalars(select(RoleGrant.holder_id).where(RoleGrant.role_id == role_id)).all()

    @needs("role:create")
    @retried_when_contended
    def create(self, actor: Actor, name: str, grants: Mapping[str, str]) -> RoleView:
        """Put a role together. Raises InvalidInput for verbs or scopes that there are not, Forbidden for more than one's own
        rights, Conflict when the name is taken."""
        checked = _checked(actor, grants)
        row = CustomRole(
            id=new_id(),
            organization_id=actor.organization_id,
            name=naming.checked_name(name),
            grants=dict(checked),
            created_at=self._clock.now(),
        )
        if row.name in GRANTS:
            raise _name_taken(row.name)
        try:
            with self._db.transaction() as tx:
                tx.add(row)
                after = {"name": row.name, "grants": dict(checked)}
                self._audit.record(tx, actor, "role:create", "role", row.id, after=after)
        except IntegrityError as error:
            raise _name_taken(row.name) from error
        return _view(row)

    @needs("role:update")
    @retried_when_contended
    def change(self, actor: Actor, role_id: str, grants: Mapping[str, str]) -> RoleView:
        """Let a role allow something else from now on. Raises as :meth:`create`, and NotFound."""
        checked = _checked(actor, grants)
        with self._db.transaction() as tx:
            row = _found(tx, actor, role_id, locked=True)
            _require_to_cover(actor, row)
            before, row.grants = row.grants, dict(checked)
            self._audit.record(
                tx, actor, "role:update", "role", row.id, before={"grants": before}, after={"grants": dict(checked)}
            )
            return _view(row)

    @needs("role:delete")
    @retried_when_contended
    def delete(self, actor: Actor, role_id: str) -> None:
        """Forget a role; whoever had it has it no more. Raises NotFound, Forbidden."""
        with self._db.transaction() as tx:
            row = _found(tx, actor, role_id, locked=True)
            _require_to_cover(actor, row)
            tx.execute(delete(RoleGrant).where(RoleGrant.role_id == row.id))
            self._audit.record(tx, actor, "role:delete", "role", row.id, before={"name": row.name, "grants": row.grants})
            tx.delete(row)

    @needs("role:grant")
    @retried_when_contended
    def grant(self, actor: Actor, role_id: str, holder_id: str) -> None:
        """Give a role to a person or to everybody in a group. Raises NotFound, Forbidden. Twice is harmless."""
        with self._db.transaction() as tx:
            row = _found(tx, actor, role_id, locked=True)
            _require_to_cover(actor, row)
            _require_holder(tx, actor, holder_id)
            if tx.get(RoleGrant, (holder_id, row.id)) is None:
                tx.add(RoleGrant(holder_id=holder_id, role_id=row.id))
                after = {"role": row.name, "holder": holder_id}
                self._audit.record(tx, actor, "role:grant", "role", row.id, after=after)

    @needs("role:grant")
    @retried_when_contended
    def withdraw(self, actor: Actor, role_id: str, holder_id: str) -> None:
        """Take a role from a person or a group; who does not have it is no error. Raises NotFound, Forbidden."""
        with self._db.transaction() as tx:
            row = _found(tx, actor, role_id, locked=True)
            _require_to_cover(actor, row)
            _require_holder(tx, actor, holder_id)
            found = tx.get(RoleGrant, (holder_id, row.id))
            if found is not None:
                tx.delete(found)
                before = {"role": row.name, "holder": holder_id}
                self._audit.record(tx, actor, "role:grant", "role", row.id, before=before)


def _found(tx: Session, actor: Actor, role_id: str, *, locked: bool = False) -> CustomRole:
    row = tx.get(CustomRole, role_id, with_for_update=locked)
    if row is None or row.organization_id != actor.organization_id:
        raise NotFound("role_not_found", "There is no such role.")
    return row


def _require_holder(tx: Transaction, actor: Actor, holder_id: str) -> None:
    holder = tx.get(User, holder_id) or tx.get(Group, holder_id)
    if holder is None or holder.organization_id != actor.organization_id:
        raise NotFound("holder_not_found", "There is no such person or group.")


def _require_to_cover(actor: Actor, row: CustomRole) -> None:
    if not covers(grants_of(actor), _view(row).grants):
        raise Forbidden("more_rights", "This role may do more than you; ask somebody who may as much.")


def _checked(actor: Actor, grants: Mapping[str, str]) -> Mapping[str, Scope]:
    unknown = sorted(verb for verb in grants if verb not in VERBS)
    if unknown or not grants:
        raise InvalidInput("There are no such verbs.", fields={"grants": ", ".join(unknown) or "Name at least one."})
    if any(scope not in _GIVEN_SCOPES for scope in grants.values()):
        raise InvalidInput("There is no such scope.", fields={"grants": f"One of {', '.join(_GIVEN_SCOPES)}."})
    checked = {verb: Scope(scope) for verb, scope in grants.items()}
    if not covers(grants_of(actor), checked):
        missing = sorted(verb for verb, scope in checked.items() if not covers(grants_of(actor), {verb: scope}))
        raise Forbidden("more_rights", f"You cannot give away what you do not have: {', '.join(missing)}.", missing=missing)
    return checked


def _view(row: CustomRole) -> RoleView:
    # A verb of an earlier release that is no more allows nothing.
    grants = {verb: Scope(scope) for verb, scope in row.grants.items() if verb in VERBS}
    return RoleView(row.id, row.name, grants, is_built_in=False)


def _name_taken(name: str) -> Conflict:
    return Conflict("role_name_taken", f"There is a role {name} already.")
