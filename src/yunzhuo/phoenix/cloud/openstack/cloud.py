"""The driver's parts, put together."""

from yunzhuo.phoenix.cloud import interface
from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.openstack.addresses import OpenStackAddresses
from yunzhuo.phoenix.cloud.openstack.connection import CREATE, Connection
from yunzhuo.phoenix.cloud.openstack.flavors import OpenStackFlavors
from yunzhuo.phoenix.cloud.openstack.guest import OpenStackGuest
from yunzhuo.phoenix.cloud.openstack.hosts import OpenStackHosts
from yunzhuo.phoenix.cloud.openstack.image_store import OpenStackImageStore
from yunzhuo.phoenix.cloud.openstack.images import OpenStackImages
from yunzhuo.phoenix.cloud.openstack.networks import OpenStackNetworks
from yunzhuo.phoenix.cloud.openstack.notices import OpenStackNotices
from yunzhuo.phoenix.cloud.openstack.routers import OpenStackRouters
from yunzhuo.phoenix.cloud.openstack.security_groups import OpenStackSecurityGroups
from yunzhuo.phoenix.cloud.openstack.server_lookup import ServerLookup
from yunzhuo.phoenix.cloud.openstack.servers import OpenStackServers
from yunzhuo.phoenix.cloud.openstack.volumes import OpenStackVolumes
from yunzhuo.phoenix.config.settings import OpenStackSettings

_NEEDED = tuple(int(part) for part in CREATE.split("."))


class OpenStackCloud:
    """One project of one OpenStack. May be used by several threads at once."""

    def __init__(self, settings: OpenStackSettings, *, timeout_seconds: float) -> None:
        self._connection = Connection(settings, timeout_seconds=timeout_seconds)
        lookup = ServerLookup(self._connection)
        flavors = OpenStackFlavors(self._connection)
        images = OpenStackImages(self._connection, flavors)
        networks = OpenStackNetworks(self._connection)
        self.servers: interface.Servers = OpenStackServers(self._connection, lookup, flavors, images, networks)
        self.volumes: interface.Volumes = OpenStackVolumes(self._connection, lookup)
        self.addresses: interface.Addresses = OpenStackAddresses(self._connection, lookup, networks)
        self.flavors: interface.Flavors = flavors
        self.images: interface.Images = images
        self.image_store: interface.ImageStore = OpenStackImageStore(self._connection, images.forget)
        self.networks: interface.Networks = networks
        self.routers: interface.Routers = OpenStackRouters(self._connection, networks.forget)
        self.security_groups: interface.SecurityGroups = OpenStackSecurityGroups(self._connection)
        self.hosts: interface.Hosts = OpenStackHosts(self._connection, lookup)
        self.guest: interface.Guest = OpenStackGuest(self._connection, lookup)
        self._notices = OpenStackNotices(settings, lambda: self._connection.project_id)
        self.notices: interface.Notices = self._notices

    def check(self) -> None:
        """Raises CloudUnavailable when the cloud does not answer, CloudNotOffered when its Nova is too old."""
        newest = self._connection.max_microversion()
        if newest < _NEEDED:
            raise CloudNotOffered(f"what desktops need: Nova's API {CREATE} (it has {newest[0]}.{newest[1]})")
        self._connection.get("compute", "/servers?limit=1")

    def close(self) -> None:
        """Give back connections; may be called twice."""
        self._notices.close()
        self._connection.close()
