"""Projects, a part of the cloud for each organization, as frozen values; ids are the cloud's own."""

from dataclasses import dataclass
from enum import StrEnum


class QuotaKind(StrEnum):
    """What a project can have no more than so much of."""

    SERVERS = "servers"
    VCPUS = "vcpus"
    MEMORY_MIB = "memory_mib"
    ADDRESSES = "addresses"
    VOLUMES = "volumes"
    VOLUMES_MIB = "volumes_mib"
    """Of volumes together with their snapshots, in whole GiB."""
    VOLUME_SNAPSHOTS = "volume_snapshots"


#: Of these there may be no less than there is: the cloud refuses it.
OF_VOLUMES = frozenset({QuotaKind.VOLUMES, QuotaKind.VOLUMES_MIB, QuotaKind.VOLUME_SNAPSHOTS})


@dataclass(frozen=True, slots=True)
class Project:
    """An organization's part of the cloud. One that is not enabled was closed by whoever runs the cloud."""

    id: str
    organization_id: str
    name: str
    description: str
    is_enabled: bool


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """How much of something a project uses, and the most that it may; None: no end."""

    used: int
    most: int | None
