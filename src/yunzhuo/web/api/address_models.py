"""Floating IPs as JSON."""

from datetime import datetime

from pydantic import BaseModel, Field

from yunzhuo.services.addresses import AddressState
from yunzhuo.web.api.rights_models import Shown
from yunzhuo.webkit.bodies import Id


class Address(Shown):
    """A floating IP. ``since`` is when it came to lead where it does, or to be free."""

    id: Id
    address: str | None = Field(description="Null: the cloud has not made it yet.")
    state: AddressState
    desktop_id: Id | None
    desktop_name: str | None
    owner_email: str | None
    since: datetime | None
    created_at: datetime


class AddressList(BaseModel):
    """Floating IPs: those that desktops have, then those that nobody has."""

    items: list[Address]
    next_cursor: None = None
