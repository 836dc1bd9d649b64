"""What Neutron's refusals mean: the same for networks, routers and security groups."""

import re
from collections.abc import Callable

from yunzhuo.phoenix.cloud.errors import NetworkInUse, NoCapacity
from yunzhuo.phoenix.cloud.openstack.connection import Refusals
from yunzhuo.phoenix.common.errors import InvalidInput, YunzhuoError

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_id(text: str) -> bool:
    """Whether anything in Neutron can have this id; what cannot is not asked for."""
    return _ID.fullmatch(text) is not None


def gone(kind: Callable[[str], YunzhuoError], object_id: str) -> Callable[..., YunzhuoError]:
    """404: what was named is not there."""
    return lambda _said, **_details: kind(object_id)


def in_use(what: str, object_id: str) -> Callable[..., YunzhuoError]:
    """409 of a change or removal: something stands on it."""

    def refusal(said: str, **details: object) -> NetworkInUse:
        return NetworkInUse(f"The {what} is in use: {said}", object_id=object_id, **details)

    return refusal


def _invalid(said: str, **details: object) -> InvalidInput:
    error = InvalidInput(f"The cloud refused: {said}", code="cloud_refused")
    error.details = {**error.details, **details}
    return error


def _no_quota(said: str, **details: object) -> NoCapacity:
    return NoCapacity(f"The cloud has no room for it: {said}", **details)


#: Of what is made: 409 is Neutron's word for a used up quota there.
MAKING: Refusals = {400: _invalid, 409: _no_quota}
