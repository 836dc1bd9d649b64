"""Whether a 403 of Nova's means "not allowed" or "your quota is used up": it says both with the same status."""

from yunzhuo.phoenix.cloud.errors import NoCapacity
from yunzhuo.phoenix.cloud.openstack.connection import Connection
from yunzhuo.phoenix.cloud.resources import Flavor
from yunzhuo.phoenix.common.errors import Forbidden

_UNLIMITED = -1


def judge(connection: Connection, refused: Forbidden, flavor: Flavor) -> NoCapacity | Forbidden:
    """The error to raise for a refused server of this size: the limits are asked for and compared."""
    limits = connection.get("compute", "/limits")["limits"]["absolute"]
    wants = (
        ("servers", "maxTotalInstances", "totalInstancesUsed", 1),
        ("vCPU", "maxTotalCores", "totalCoresUsed", flavor.vcpus),
        ("MiB of memory", "maxTotalRAMSize", "totalRAMUsed", flavor.memory_mib),
    )
    for what, maximum, used, wanted in wants:
        if limits[maximum] != _UNLIMITED and limits[used] + wanted > limits[maximum]:
            message = f"The project's quota in the cloud is used up: {limits[used]} of {limits[maximum]} {what}."
            return NoCapacity(message, **refused.details)
    return refused
