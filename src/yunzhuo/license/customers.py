"""Customers: organizations of the license server, with the people to write to as their administrators."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select

from yunzhuo.license.installations import InstallationService
from yunzhuo.license.models import DeletedCustomer, LicensedInstallation
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, NotFound
from yunzhuo.phoenix.db.models import Organization
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.accounts import UserView
from yunzhuo.services.assembly import Services
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.organizations import OrganizationView
from yunzhuo.services.people import MAX_PAGE, NewAccess
from yunzhuo.services.stated import needs


class CustomerService:
    """What vendor administrators do with customers, in the words of the vendor."""

    def __init__(
        self, db: Database, accounts: Services, installations: InstallationService, audit: AuditLog, clock: Clock
    ) -> None:
        self._db = db
        self._accounts = accounts
        self._installations = installations
        self._audit = audit
        self._clock = clock

    @needs("organization:read")
    def list(self, actor: Actor) -> Sequence[OrganizationView]:
        """All customers by name; the vendor's own organization is none."""
        with self._db.reading() as tx:
            hidden = {self._vendor(), *tx.scalars(select(DeletedCustomer.customer_id))}
        return [each for each in self._accounts.organizations.list(actor) if each.id not in hidden]

    @needs("organization:read")
    def get(self, actor: Actor, customer_id: str) -> OrganizationView:
        """One customer. Raises NotFound."""
        with self._db.reading() as tx:
            if customer_id == self._vendor() or tx.get(DeletedCustomer, customer_id) is not None:
                raise _missing()
        try:
            return self._accounts.organizations.get(actor, customer_id)
        except NotFound as error:
            raise _missing() from error

    @needs("organization:create")
    def create(self, actor: Actor, name: str) -> OrganizationView:
        """Make a customer. Raises InvalidInput, Conflict when the name is taken."""
        return self._accounts.organizations.create(actor, name)

    @needs("organization:rename")
    def rename(self, actor: Actor, customer_id: str, name: str) -> OrganizationView:
        """Give a customer another name, which stands in licenses from the next one on. Raises as :meth:`create`, NotFound."""
        return self._accounts.organizations.rename(actor, self.get(actor, customer_id).id, name)

    @needs("organization:disable")
    def disable(self, actor: Actor, customer_id: str) -> OrganizationView:
        """Let none of a customer's people in any more; their licenses stay as they are. Raises NotFound."""
        return self._accounts.organizations.disable(actor, self.get(actor, customer_id).id)

    @needs("organization:enable")
    def enable(self, actor: Actor, customer_id: str) -> OrganizationView:
        """Let them in again. Raises NotFound."""
        return self._accounts.organizations.enable(actor, self.get(actor, customer_id).id)

    @needs("organization:disable")
    @retried_when_contended
    def delete(self, actor: Actor, customer_id: str) -> None:
        """Delete a customer with everybody in it and all its installations; its name and its people's addresses are free again.

        Raises NotFound, and Conflict while one of the installations has a license that counts. Licenses that were issued stay
        on record; a computer that has one goes on being told what counts for it.
        """
        found, now = self.get(actor, customer_id), self._clock.now()
        with self._db.transaction() as tx:
            row = tx.get_one(Organization, found.id, with_for_update=True)
            if tx.get(DeletedCustomer, row.id) is not None:
                raise _missing()
            theirs = select(LicensedInstallation).where(
                LicensedInstallation.customer_id == row.id, LicensedInstallation.deleted_at.is_(None)
            )
            for each in tx.scalars(theirs.order_by(LicensedInstallation.id).with_for_update()).all():
                self._installations.delete_within(tx, actor, each)
            self._accounts.people.delete_all_within(tx, replace(actor, organization_id=row.id))
            tx.add(DeletedCustomer(customer_id=row.id, name=row.name, deleted_at=now))
            before, row.name = {"name": row.name}, row.id
            row.disabled_at = row.disabled_at or now
            self._audit.record(
                tx, actor, "organization:disable", "organization", row.id, before=before, after={"deleted": True}
            )

    @needs("organization:enter")
    def contacts(self, actor: Actor, customer_id: str) -> Sequence[UserView]:
        """A customer's people by address, the first 200. Raises NotFound."""
        return self._people_of(self._inside(actor, customer_id))

    @needs("organization:enter")
    def add_contact(self, actor: Actor, customer_id: str, email: str, *, language: str | None = None) -> NewAccess:
        """An account for one of a customer's people, with a password to come in with once. Raises InvalidInput, Conflict."""
        there = self._inside(actor, customer_id)
        return self._accounts.people.create(there, email, Role.ADMINISTRATOR, language=language)

    @needs("organization:enter")
    def reset_contact(self, actor: Actor, customer_id: str, user_id: str) -> NewAccess:
        """Another password to come in with once, in the place of a contact's own. Raises NotFound."""
        return self._accounts.people.reset_password(self._inside(actor, customer_id), user_id)

    @needs("organization:enter")
    def delete_contact(self, actor: Actor, customer_id: str, user_id: str) -> None:
        """Delete a contact's account. Raises NotFound, and Conflict for the last one: such a customer is deleted whole."""
        try:
            self._accounts.people.delete(self._inside(actor, customer_id), user_id)
        except Conflict as error:
            if error.code != "last_administrator":
                raise
            raise Conflict("last_contact", "This is the customer's last contact; add another one first.") from error

    @needs("user:read")
    def vendors(self, actor: Actor) -> Sequence[UserView]:
        """The vendor's own administrators by address, the first 200."""
        return self._people_of(self._at_home(actor))

    @needs("user:create")
    def add_vendor(self, actor: Actor, email: str, *, language: str | None = None) -> NewAccess:
        """An account for one of the vendor's own administrators. Raises InvalidInput, Conflict."""
        return self._accounts.people.create(self._at_home(actor), email, Role.OPERATOR, language=language)

    @needs("user:reset_password")
    def reset_vendor(self, actor: Actor, user_id: str) -> NewAccess:
        """Another password to come in with once. Raises NotFound, Conflict for oneself."""
        return self._accounts.people.reset_password(self._at_home(actor), user_id)

    @needs("user:delete")
    def delete_vendor(self, actor: Actor, user_id: str) -> None:
        """Delete the account of one of the vendor's own. Raises NotFound, Conflict for oneself and the last one."""
        self._accounts.people.delete(self._at_home(actor), user_id)

    def _people_of(self, there: Actor) -> Sequence[UserView]:
        return [person.user for person in self._accounts.people.list(there, limit=MAX_PAGE).items]

    def _inside(self, actor: Actor, customer_id: str) -> Actor:
        return replace(actor, organization_id=self.get(actor, customer_id).id)

    def _at_home(self, actor: Actor) -> Actor:
        return replace(actor, organization_id=self._vendor())

    def _vendor(self) -> str:
        return self._accounts.accounts.default_organization_id()


def _missing() -> NotFound:
    return NotFound("customer_not_found", "There is no such customer.")
