"""The driver's parts, put together."""

from collections.abc import Sequence
from functools import partial

from yunzhuo.phoenix.cloud import interface
from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.openstack.changed_servers import ChangedServers
from yunzhuo.phoenix.cloud.openstack.connection import CREATE, Connection
from yunzhuo.phoenix.cloud.openstack.domain import Domain
from yunzhuo.phoenix.cloud.openstack.image_store import OpenStackImageStore
from yunzhuo.phoenix.cloud.openstack.key_pairs import check_key_pair
from yunzhuo.phoenix.cloud.openstack.notices import OpenStackNotices
from yunzhuo.phoenix.cloud.openstack.places import Places
from yunzhuo.phoenix.cloud.openstack.projects import OpenStackProjects
from yunzhuo.phoenix.cloud.openstack.spread_care import SpreadCare
from yunzhuo.phoenix.cloud.openstack.spread_networks import SpreadAddresses, SpreadNetworks, SpreadVolumes
from yunzhuo.phoenix.cloud.openstack.spread_servers import SpreadGuest, SpreadHosts, SpreadServers
from yunzhuo.phoenix.cloud.resources import Lack
from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.config.settings import OpenStackSettings

_NEEDED = tuple(int(part) for part in CREATE.split("."))


class OpenStackCloud:
    """One project of one OpenStack, and those of organizations. May be used by several threads at once."""

    def __init__(self, settings: OpenStackSettings, *, timeout_seconds: float) -> None:
        self._connection = Connection(settings, timeout_seconds=timeout_seconds)
        domain = Domain(self._connection)
        self._places = Places(self._connection, domain)
        home = self._places.home
        self.servers: interface.Servers = SpreadServers(self._places)
        self.care: interface.ServerCare = SpreadCare(self._places)
        self.volumes: interface.Volumes = SpreadVolumes(self._places)
        self.addresses: interface.Addresses = SpreadAddresses(self._places)
        self.flavors: interface.Flavors = self._places.flavors
        self.images: interface.Images = self._places.images
        self.image_store: interface.ImageStore = OpenStackImageStore(self._connection, self._places.images.forget)
        self.networks: interface.Networks = SpreadNetworks(self._places)
        self.routers: interface.Routers = home.routers
        self.security_groups: interface.SecurityGroups = home.security_groups
        self.hosts: interface.Hosts = SpreadHosts(self._places)
        self.guest: interface.Guest = SpreadGuest(self._places)
        self.projects: interface.Projects = OpenStackProjects(domain, self._places)
        self._notices = (
            OpenStackNotices(settings, lambda: self._connection.project_id, self._places.told_id)
            if settings.notifications_url
            else ChangedServers(self._places)
        )
        self.notices: interface.Notices = self._notices

    def check(self) -> None:
        """Raises CloudUnavailable when the cloud does not answer, CloudNotOffered when its Nova is too old."""
        newest = self._connection.max_microversion()
        if newest < _NEEDED:
            raise CloudNotOffered(f"what desktops need: Nova's API {CREATE} (it has {newest[0]}.{newest[1]})")
        self._connection.get("compute", "/servers?limit=1")

    def lacks(self) -> Sequence[Lack]:
        """A key pair or a server group that the settings name."""
        found = []
        for check in (partial(check_key_pair, self._connection), self._places.home.server_groups.check):
            try:
                check()
            except InvalidInput as lack:
                found.append(Lack.of(lack))
        return tuple(found)

    def close(self) -> None:
        """Give back connections; may be called twice."""
        self._notices.close()
        self._places.close()
