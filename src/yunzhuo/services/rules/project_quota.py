"""How much an organization's project may use in the cloud, by what the organization may have here."""

from collections.abc import Mapping

from yunzhuo.services.rules.quota import Resource

#: What a cloud counts in volumes, of which it takes no limit below what is used.
OF_VOLUMES = frozenset({Resource.PERSONAL_DISKS, Resource.PERSONAL_DISK_MIB, Resource.PERSONAL_DISK_SNAPSHOTS})
#: What a cloud can limit too. Desktops' disks and snapshots, running machines and hours it does not count as we do.
LIMITED = (Resource.DESKTOPS, Resource.VCPUS, Resource.MEMORY_MIB, Resource.ADDRESSES, *sorted(OF_VOLUMES))
_MIB_OF_GIB = 1024


def wanted(
    limits: Mapping[Resource, int], gone_here: Mapping[Resource, int], used: Mapping[Resource, int]
) -> dict[Resource, int]:
    """What the cloud is to be told of what it counts (``used``): the limits, and what counts no more here and is there still
    (``gone_here``: in the bin, or about to be removed); of volumes in whole GiB, and no less than is used.
    """
    found = {}
    for resource in (each for each in LIMITED if each in limits and each in used):
        most = limits[resource] + gone_here.get(resource, 0)
        if resource is Resource.PERSONAL_DISK_MIB:
            most = -(-most // _MIB_OF_GIB) * _MIB_OF_GIB
        found[resource] = max(most, used[resource]) if resource in OF_VOLUMES else most
    return found


def changes(
    wanted: Mapping[Resource, int], present: Mapping[Resource, int | None], told_before: Mapping[Resource, int]
) -> dict[Resource, int | None]:
    """What differs; None: back to what the cloud gives by itself.

    That is said only of what we had said something of before: whoever runs the cloud may limit the rest.
    """
    differing: dict[Resource, int | None] = {each: most for each, most in wanted.items() if present.get(each) != most}
    return differing | {each: None for each in told_before if each not in wanted}
