"""What may be done on a screen, when several have a say in it."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeAlias


class Permission(StrEnum):
    """What a policy allows (true) or forbids (false)."""

    CLIPBOARD_TO_DESKTOP = "clipboard_to_desktop"
    CLIPBOARD_FROM_DESKTOP = "clipboard_from_desktop"
    FILE_TRANSFER = "file_transfer"
    USB = "usb"


class Bound(StrEnum):
    """What a policy bounds by a number; 0 is no bound."""

    SESSION_SECONDS = "session_seconds"
    KIB_PER_SECOND = "kib_per_second"


#: Only to look, not to touch: true forbids.
VIEW_ONLY = "view_only"
#: A whole policy, or what somebody says of one: what they do not name is for others to say.
Policy: TypeAlias = Mapping[str, object]
#: The largest number that a bound may be.
MOST = 2**31 - 1
_TOUCH = (Permission.CLIPBOARD_TO_DESKTOP, Permission.FILE_TRANSFER, Permission.USB)


def stricter(one: Policy, other: Policy) -> dict[str, object]:
    """What both allow. What is true or false says that something is allowed, but for ``view_only``, which says that nothing
    may be touched; of numbers, which are limits, the lower counts, and 0 is none."""
    return {name: _both(name, one.get(name), other.get(name)) for name in one.keys() | other.keys()}


def strictest(policies: Iterable[Policy]) -> dict[str, object]:
    """What all of them allow. Whoever may only look carries nothing into a desktop either."""
    found: dict[str, object] = {}
    for policy in policies:
        found = stricter(found, policy)
    if found.get(VIEW_ONLY) is True:
        found |= dict.fromkeys(_TOUCH, False)
    return found


def _both(name: str, one: object, other: object) -> object:
    if one is None or other is None:
        return other if one is None else one
    if isinstance(one, bool) and isinstance(other, bool):
        return one or other if name == VIEW_ONLY else one and other
    if isinstance(one, int) and isinstance(other, int):
        return min((limit for limit in (one, other) if limit), default=0)
    return one
