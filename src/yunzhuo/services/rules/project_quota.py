"""How much an organization's project may use in the cloud, by what the organization may have here."""

from collections.abc import Mapping

from yunzhuo.services.rules.quota import Resource

#: What a cloud can limit too. Disks, running machines, snapshots and hours it does not count as we do.
LIMITED = (Resource.DESKTOPS, Resource.VCPUS, Resource.MEMORY_MIB, Resource.ADDRESSES)


def wanted(limits: Mapping[Resource, int], binned: Mapping[Resource, int]) -> dict[Resource, int]:
    """What the cloud is to be told: the limits, and what is in the bin, which counts no more here and is there still."""
    return {resource: limits[resource] + binned.get(resource, 0) for resource in LIMITED if resource in limits}


def changes(
    wanted: Mapping[Resource, int], present: Mapping[Resource, int | None], told_before: Mapping[Resource, int]
) -> dict[Resource, int | None]:
    """What differs; None: back to what the cloud gives by itself.

    That is said only of what we had said something of before: whoever runs the cloud may limit the rest.
    """
    differing: dict[Resource, int | None] = {each: most for each, most in wanted.items() if present.get(each) != most}
    return differing | {each: None for each in told_before if each not in wanted}
