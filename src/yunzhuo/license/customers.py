"""Customers: organizations of the license server, with the people to write to as their administrators."""

from collections.abc import Sequence
from dataclasses import replace

from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.accounts import UserView
from yunzhuo.services.assembly import Services
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.organizations import OrganizationView
from yunzhuo.services.people import MAX_PAGE, NewAccess
from yunzhuo.services.stated import needs


class CustomerService:
    """What vendor administrators do with customers, in the words of the vendor."""

    def __init__(self, accounts: Services, audit: AuditLog) -> None:
        self._accounts = accounts
        self._audit = audit

    @needs("organization:read")
    def list(self, actor: Actor) -> Sequence[OrganizationView]:
        """All customers by name; the vendor's own organization is none."""
        return [each for each in self._accounts.organizations.list(actor) if each.id != self._vendor()]

    @needs("organization:read")
    def get(self, actor: Actor, customer_id: str) -> OrganizationView:
        """One customer. Raises NotFound."""
        if customer_id == self._vendor():
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

    @needs("organization:enter")
    def contacts(self, actor: Actor, customer_id: str) -> Sequence[UserView]:
        """A customer's people by address, the first 200. Raises NotFound."""
        there = self._inside(actor, customer_id)
        return [person.user for person in self._accounts.people.list(there, limit=MAX_PAGE).items]

    @needs("organization:enter")
    def add_contact(self, actor: Actor, customer_id: str, email: str, *, language: str | None = None) -> NewAccess:
        """An account for one of a customer's people, with a password to come in with once. Raises InvalidInput, Conflict."""
        return self._accounts.people.create(self._inside(actor, customer_id), email, Role.ADMINISTRATOR, language=language)

    @needs("user:create")
    def add_vendor(self, actor: Actor, email: str) -> NewAccess:
        """An account for one of the vendor's own administrators. Raises InvalidInput, Conflict."""
        return self._accounts.people.create(replace(actor, organization_id=self._vendor()), email, Role.OPERATOR)

    def _inside(self, actor: Actor, customer_id: str) -> Actor:
        return replace(actor, organization_id=self.get(actor, customer_id).id)

    def _vendor(self) -> str:
        return self._accounts.accounts.default_organization_id()


def _missing() -> NotFound:
    return NotFound("customer_not_found", "There is no such customer.")
