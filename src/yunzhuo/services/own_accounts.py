"""Accounts that pools and schedules have for what they ask for: nobody signs in with one, and no list shows it.

Everything that is done to a desktop is done for somebody: rights, turns in the queue and the history all want an account.
"""

from datetime import datetime

from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.db.models import User
from yunzhuo.services.access import Actor, Role


def own_account(organization_id: str, address: str, now: datetime) -> User:
    """A new account, deleted from its first moment. ``address`` stands where people have theirs."""
    return User(
        id=new_id(),
        organization_id=organization_id,
        email=address,
        role=Role.USER,
        password_hash="",  # nosec B106 # none: nobody signs in with it
        must_change_password=False,
        is_service=True,
        created_at=now,
        deleted_at=now,
    )


def address_of(kind: str, name: str, object_id: str) -> str:
    """What such an account is called where an address stands; no address is like it."""
    return f"{name} ({kind} {object_id[:8]})"


def acting_as(account: User) -> Actor:
    """The account as one who asks for changes of its organization's desktops."""
    return Actor(account.id, account.organization_id, account.email, Role.ADMINISTRATOR)
