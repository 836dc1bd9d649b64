"""How much anybody may have: whether a wish still fits, decided upon what is used and what is allowed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Resource(StrEnum):
    """What is counted. ``HOURS`` are those that desktops ran in the present month (UTC).

    ``PERSONAL_DISK_MIB`` is of personal disks together with their snapshots, each as large as its disk.
    """

    DESKTOPS = "desktops"
    RUNNING = "running"
    VCPUS = "vcpus"
    MEMORY_MIB = "memory_mib"
    DISK_MIB = "disk_mib"
    SNAPSHOTS = "snapshots"
    ADDRESSES = "addresses"
    PERSONAL_DISKS = "personal_disks"
    PERSONAL_DISK_MIB = "personal_disk_mib"
    PERSONAL_DISK_SNAPSHOTS = "personal_disk_snapshots"
    HOURS = "hours"


class Subject(StrEnum):
    """For whom a quota is: one person, a group's people together, everybody in an organization."""

    USER = "user"
    GROUP = "group"
    ORGANIZATION = "organization"


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much of a resource a subject uses, and the most that it may; None: as much as there is."""

    subject: Subject
    subject_id: str
    resource: Resource
    used: int
    most: int | None

    @property
    def left(self) -> int | None:
        """How much is left, never less than nothing; None: no end."""
        return None if self.most is None else max(self.most - self.used, 0)


def first_exceeded(allowances: Iterable[Allowance], wanted: Mapping[Resource, int]) -> Allowance | None:
    """The first allowance that a wish does not fit in; None when it fits in all. What is not wanted more of always fits."""
    for allowance in allowances:
        more = wanted.get(allowance.resource, 0)
        if more > 0 and allowance.most is not None and allowance.used + more > allowance.most:
            return allowance
    return None


def tightest(allowances: Iterable[Allowance]) -> dict[Resource, Allowance]:
    """Of each resource the allowance that has the least left."""
    found: dict[Resource, Allowance] = {}
    for allowance in allowances:
        known = found.get(allowance.resource)
        if known is None or _room(allowance) < _room(known):
            found[allowance.resource] = allowance
    return found


def _room(allowance: Allowance) -> float:
    return float("inf") if allowance.left is None else allowance.left
