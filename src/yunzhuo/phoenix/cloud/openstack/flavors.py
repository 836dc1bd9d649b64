"""Flavors of driver ``openstack``."""

from collections.abc import Sequence

from yunzhuo.phoenix.cloud.errors import FlavorNotFound
from yunzhuo.phoenix.cloud.openstack.catalog import Catalog, chosen
from yunzhuo.phoenix.cloud.openstack.connection import Connection, Json
from yunzhuo.phoenix.cloud.resources import Flavor

_MIB_OF_GIB = 1024


class OpenStackFlavors:
    """The project's flavors that the settings offer, smallest first. One without a disk needs a volume to boot from.

    Where the settings want such volumes, a flavor's disk is the volume.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._all = Catalog(self._ask, seconds=connection.settings.catalog_seconds)

    def list(self) -> Sequence[Flavor]:
        return self._all.items()

    def get(self, flavor_id: str) -> Flavor:
        found = self._all.find(lambda flavor: flavor.id == flavor_id)
        if found is None:
            raise FlavorNotFound(flavor_id)
        return found

    def _ask(self) -> Sequence[Flavor]:
        volume_gib = self._connection.settings.boot_volume_gib
        all_there = self._connection.pages("compute", "/flavors/detail", "flavors")
        found = [_read(each, volume_gib or each["disk"]) for each in all_there if volume_gib or each["disk"]]
        offered = chosen(found, self._connection.settings.flavors, lambda flavor: (flavor.id, flavor.name))
        return sorted(offered, key=lambda flavor: (flavor.memory_mib, flavor.vcpus, flavor.disk_mib, flavor.name))


def _read(found: Json, disk_gib: int) -> Flavor:
    return Flavor(found["id"], found["name"], found["vcpus"], found["ram"], disk_gib * _MIB_OF_GIB)
