"""The driver's parts, put together."""

from collections.abc import Sequence
from pathlib import Path

from yunzhuo.phoenix.cloud.local.addresses import LocalAddresses
from yunzhuo.phoenix.cloud.local.care import LocalCare
from yunzhuo.phoenix.cloud.local.connection import Connection
from yunzhuo.phoenix.cloud.local.flavors import LocalFlavors
from yunzhuo.phoenix.cloud.local.guest import LocalGuest
from yunzhuo.phoenix.cloud.local.hosts import LocalHosts
from yunzhuo.phoenix.cloud.local.image_store import LocalImageStore
from yunzhuo.phoenix.cloud.local.images import LocalImages
from yunzhuo.phoenix.cloud.local.networks import LocalNetworks
from yunzhuo.phoenix.cloud.local.notices import LocalNotices
from yunzhuo.phoenix.cloud.local.projects import LocalProjects
from yunzhuo.phoenix.cloud.local.servers import LocalServers
from yunzhuo.phoenix.cloud.local.topology import LocalRouters, LocalSecurityGroups
from yunzhuo.phoenix.cloud.local.volumes import LocalVolumes
from yunzhuo.phoenix.cloud.resources import Lack


class LocalCloud:
    """This computer as a cloud. May be used by several threads at once."""

    def __init__(self, socket: Path, *, timeout_seconds: float) -> None:
        self._connection = Connection(socket, timeout_seconds=timeout_seconds)
        self.servers = LocalServers(self._connection)
        self.care = LocalCare()
        self.volumes = LocalVolumes(self._connection)
        self.addresses = LocalAddresses()
        self.flavors = LocalFlavors(self._connection)
        self.images = LocalImages(self._connection)
        self.image_store = LocalImageStore()
        self.networks = LocalNetworks(self._connection)
        self.routers = LocalRouters()
        self.security_groups = LocalSecurityGroups()
        self.hosts = LocalHosts(self._connection)
        self.guest = LocalGuest(self._connection)
        self.projects = LocalProjects()
        self.notices = LocalNotices()

    def check(self) -> None:
        """Raises CloudUnavailable when the host process does not answer."""
        self._connection.call("GET", "/check")

    def lacks(self) -> Sequence[Lack]:
        """Nothing: what servers need is made here."""
        return ()

    def close(self) -> None:
        """Give back connections; may be called twice."""
        self._connection.close()
