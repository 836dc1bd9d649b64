"""Which size a desktop can be changed to."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Size:
    """What a flavor gives, or an image needs at least."""

    vcpus: int
    memory_mib: int
    disk_mib: int


class Misfit(StrEnum):
    """Why a flavor does not fit."""

    SAME = "same"
    TOO_SMALL = "too_small"
    DISK_SHRINKS = "disk_shrinks"


def why_not_resize(present: Size, wished: Size, minimum: Size) -> Misfit | None:
    """Why a desktop cannot be changed from one size to another; None when it can.

    A disk never shrinks, since what lies at its end would be cut off, and the image's minimum holds for every size.
    """
    if wished == present:
        return Misfit.SAME
    if wished.memory_mib < minimum.memory_mib or wished.disk_mib < minimum.disk_mib:
        return Misfit.TOO_SMALL
    if wished.disk_mib < present.disk_mib:
        return Misfit.DISK_SHRINKS
    return None
