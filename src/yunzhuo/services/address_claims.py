"""Who has a floating IP: at most one desktop, by the database, before anything is asked of the cloud.

Always inside the transaction of a wish, or of one that begins or ends a step of a desktop's operation. Whoever holds both has
locked the desktop's row before the address's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from yunzhuo.phoenix.cloud.resources import FloatingIp
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.db.models import Address, Desktop, ExternalNetwork, Operation
from yunzhuo.phoenix.db.session import Transaction
from yunzhuo.services.rules.lifecycle import Action, Step

ADDRESS_STEPS = frozenset({Step.MAKE_ADDRESS, Step.CONNECT_ADDRESS, Step.RELEASE_ADDRESS})
_TRIES = 8


@dataclass(frozen=True, slots=True)
class ClaimedAddress:
    """The address that a step is about; ``is_tolerant``: the operation goes on when it cannot be taken away."""

    id: str
    cloud_id: str | None
    network_id: str
    project_id: str | None = None
    is_tolerant: bool = False


@dataclass(frozen=True, slots=True)
class AddressOutcome:
    """What came of it: the cloud's address if it was asked for one; whether it leads to the server, or nowhere any more."""

    ip: FloatingIp | None = None
    is_attached: bool = False
    is_released: bool = False
    detail: str | None = None


def offered(tx: Session) -> str | None:
    """The network that floating IPs are taken from; None: this cloud has none for us."""
    return tx.scalar(select(ExternalNetwork.cloud_id).limit(1))


def of_desktop(tx: Session, desktop_id: str, *, locked: bool = False) -> Address | None:
    """The address that is given to a desktop."""
    query = select(Address).where(Address.desktop_id == desktop_id)
    return tx.scalars(query.with_for_update() if locked else query).first()


def of_desktops(tx: Session, desktop_ids: Sequence[str]) -> Mapping[str, Address]:
    """The addresses that are given to several desktops, in one query."""
    found = tx.scalars(select(Address).where(Address.desktop_id.in_(desktop_ids)))
    return {address.desktop_id: address for address in found if address.desktop_id is not None}


def take(tx: Transaction, desktop: Desktop, network_id: str, now: datetime) -> Address:
    """Give a desktop an address: the one of the pool that has been nobody's for longest, or one that is still to be made.

    Rows that others are taking at this moment are passed over, not waited for.
    """
    free = (
        select(Address.id)
        .where(Address.desktop_id.is_(None), Address.free_since.is_not(None), Address.network_id == network_id)
        .where(Address.project_id.is_not_distinct_from(desktop.project_id))
        .where(Address.leaving_server_id.is_(None), Address.missing_since.is_(None), Address.given_up_at.is_(None))
        .order_by(Address.free_since, Address.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    for _ in range(_TRIES):
        address_id = tx.scalar(free)
        if address_id is None:
            break
        taken = tx.execute(
            update(Address)
            .where(Address.id == address_id, Address.desktop_id.is_(None))
            .values(desktop_id=desktop.id, free_since=None)
        )
        if getattr(taken, "rowcount", 0) == 1:
            return tx.get_one(Address, address_id, populate_existing=True)
    made = Address(id=new_id(), network_id=network_id, project_id=desktop.project_id, desktop_id=desktop.id, created_at=now)
    tx.add(made)
    tx.flush()
    return made


def begin(tx: Session, desktop: Desktop, operation: Operation, step: Step) -> ClaimedAddress | None:
    """What a step is about; None: there is nothing to do for it."""
    address = of_desktop(tx, desktop.id) if step in ADDRESS_STEPS else None
    if address is None:
        return None
    is_tolerant = operation.action == Action.DELETE
    return ClaimedAddress(address.id, address.cloud_id, address.network_id, address.project_id, is_tolerant)


def settle(tx: Transaction, desktop: Desktop, came: AddressOutcome | None, now: datetime) -> None:
    """Write down what a step that is done has made of it."""
    address = of_desktop(tx, desktop.id, locked=True) if came is not None else None
    if address is None or came is None:
        return
    if came.ip is not None:
        address.cloud_id, address.address = came.ip.id, came.ip.address
    if came.is_attached:
        address.attached_at = address.attached_at or now
    if came.is_released:
        _put_back(address, now)


def fail(tx: Transaction, desktop: Desktop, operation: Operation, now: datetime) -> None:
    """What could not be assigned is nobody's again. Whether it leads to the desktop all the same, the next round sees.

    One that the desktop had before, and that was only to be led there again, stays the desktop's.
    """
    if operation.action == Action.ASSIGN_ADDRESS and "wanted_before" in operation.arguments:
        let_go(tx, desktop, now)


def let_go(tx: Transaction, desktop: Desktop, now: datetime) -> None:
    """Whatever address a desktop has is nobody's from now on; it is given to no other while it may lead to its server."""
    address = of_desktop(tx, desktop.id, locked=True)
    if address is not None:
        _put_back(address, now, leaving_server_id=desktop.server_id)


def _put_back(address: Address, now: datetime, *, leaving_server_id: str | None = None) -> None:
    address.desktop_id = address.attached_at = None
    address.leaving_server_id = leaving_server_id
    if address.cloud_id is None:
        address.given_up_at = now  # the cloud may have made it all the same: it is found by its tag, and removed
    else:
        address.free_since = now
