"""What a session may do when two have a say in it."""

from collections.abc import Mapping

_FORBIDS = "view_only"


def stricter(one: Mapping[str, object], other: Mapping[str, object]) -> dict[str, object]:
    """What both allow. What is true or false says that something is allowed, but for ``view_only``, which says that nothing
    may be touched; of numbers, which are limits, the lower counts, and 0 is none."""
    return {name: _both(name, one.get(name), other.get(name)) for name in one.keys() | other.keys()}


def _both(name: str, one: object, other: object) -> object:
    if one is None or other is None:
        return other if one is None else one
    if isinstance(one, bool) and isinstance(other, bool):
        return one or other if name == _FORBIDS else one and other
    if isinstance(one, int) and isinstance(other, int):
        return min((limit for limit in (one, other) if limit), default=0)
    return one
