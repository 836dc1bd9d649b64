"""Floating IPs as people deal with them: a desktop is given one, gives it back, and administrators see who has which."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import or_, select

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict
from yunzhuo.phoenix.db.models import Address, Desktop, User
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.services import address_claims
from yunzhuo.services.access import Actor, Scope, scope_of
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.quota_book import QuotaBook
from yunzhuo.services.reach import within_reach
from yunzhuo.services.rules.lifecycle import Action
from yunzhuo.services.rules.quota import Resource
from yunzhuo.services.stated import needs
from yunzhuo.services.wishes import Accepted, Arguments, WishBook


class AddressState(StrEnum):
    """What a floating IP is about; computed, never stored."""

    COMING = "coming"
    """It is being made, or does not lead to its desktop yet."""
    IN_USE = "in_use"
    FREE = "free"
    LEAVING = "leaving"
    """It may lead somewhere still, or is missed in the cloud: nobody gets it."""


@dataclass(frozen=True, slots=True)
class AddressView:
    """A floating IP; ``address`` None: the cloud has not made it yet. ``since`` is when it came to lead where it does."""

    id: str
    address: str | None
    state: AddressState
    desktop_id: str | None
    desktop_name: str | None
    owner_email: str | None
    since: datetime | None
    created_at: datetime


class AddressService:
    """Writes down who is to have an address; the cloud hears of it by operations."""

    def __init__(self, db: Database, wishes: WishBook, audit: AuditLog, clock: Clock, quotas: QuotaBook) -> None:
        self._db = db
        self._wishes = wishes
        self._audit = audit
        self._clock = clock
        self._quotas = quotas

    @needs("desktop:assign_address")
    @retried_when_contended
    def assign(self, actor: Actor, desktop_id: str) -> Accepted:
        """Ask to give a desktop a floating IP, within its owner's quota.

        Raises NotFound, LimitReached, CloudNotOffered, and Conflict when it has one already or is changing.
        """
        with self._db.transaction() as tx:

            def take(desktop: Desktop) -> Arguments:
                network_id = address_claims.offered(tx)
                if network_id is None:
                    raise CloudNotOffered("floating IPs")
                if address_claims.of_desktop(tx, desktop.id) is not None:
                    raise Conflict("address_there", "This desktop has an address already.")
                self._quotas.reserve(tx, desktop.owner_id, desktop.organization_id, {Resource.ADDRESSES: 1})
                address_claims.take(tx, desktop, network_id, self._clock.now())
                return {}

            return self._wishes.change(tx, actor, desktop_id, Action.ASSIGN_ADDRESS, take)

    @needs("desktop:release_address")
    @retried_when_contended
    def release(self, actor: Actor, desktop_id: str) -> Accepted:
        """Ask to take a desktop's floating IP away; the next one who needs one may get it. Raises NotFound, Conflict."""
        with self._db.transaction() as tx:

            def check(desktop: Desktop) -> Arguments:
                if address_claims.of_desktop(tx, desktop.id) is None:
                    raise Conflict("no_address", "This desktop has no address.")
                return {}

            return self._wishes.change(tx, actor, desktop_id, Action.RELEASE_ADDRESS, check)

    @needs("address:read")
    def list(self, actor: Actor) -> Sequence[AddressView]:
        """Those of the organization's desktops; for operators also those that nobody has. By who has them, then by address."""
        query = (
            select(Address, Desktop, User.email)
            .outerjoin(Desktop, Desktop.id == Address.desktop_id)
            .outerjoin(User, User.id == Desktop.owner_id)
            .where(Address.given_up_at.is_(None))
            .order_by(Address.desktop_id.is_(None), Address.address, Address.id)
        )
        theirs = within_reach(actor, "address:read", Desktop.organization_id, Desktop.owner_id)
        sees_free = scope_of(actor, "address:read") is Scope.INSTALLATION
        query = query.where(or_(theirs, Address.desktop_id.is_(None)) if sees_free else theirs)
        with self._db.reading() as tx:
            return [_view(address, desktop, email) for address, desktop, email in tx.execute(query)]

    @needs("address:read")
    def is_offered(self, actor: Actor) -> bool:
        """Whether this cloud has floating IPs for us, as far as is known."""
        with self._db.reading() as tx:
            return address_claims.offered(tx) is not None


def _view(address: Address, desktop: Desktop | None, email: str | None) -> AddressView:
    if address.leaving_server_id or address.missing_since:
        state = AddressState.LEAVING
    elif desktop is None:
        state = AddressState.FREE
    else:
        state = AddressState.COMING if address.attached_at is None else AddressState.IN_USE
    return AddressView(
        id=address.id,
        address=address.address,
        state=state,
        desktop_id=desktop.id if desktop else None,
        desktop_name=desktop.name if desktop else None,
        owner_email=email,
        since=address.attached_at or address.free_since,
        created_at=address.created_at,
    )
