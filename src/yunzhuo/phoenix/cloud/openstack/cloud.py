"""The driver's parts, put together."""

from urllib.parse import quote

from yunzhuo.phoenix.cloud import interface
from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.openstack.changed_servers import ChangedServers
from yunzhuo.phoenix.cloud.openstack.connection import CREATE, Connection
from yunzhuo.phoenix.cloud.openstack.domain import Domain
from yunzhuo.phoenix.cloud.openstack.image_store import OpenStackImageStore
from yunzhuo.phoenix.cloud.openstack.notices import OpenStackNotices
from yunzhuo.phoenix.cloud.openstack.places import Places
from yunzhuo.phoenix.cloud.openstack.projects import OpenStackProjects
from yunzhuo.phoenix.cloud.openstack.spread_care import SpreadCare
from yunzhuo.phoenix.cloud.openstack.spread_networks import SpreadAddresses, SpreadNetworks, SpreadVolumes
from yunzhuo.phoenix.cloud.openstack.spread_servers import SpreadGuest, SpreadHosts, SpreadServers
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
        """Raises CloudUnavailable when the cloud does not answer, CloudNotOffered when its Nova is too old.

        And InvalidInput for a key pair or server group of the settings that is not there: no server could be made.
        """
        newest = self._connection.max_microversion()
        if newest < _NEEDED:
            raise CloudNotOffered(f"what desktops need: Nova's API {CREATE} (it has {newest[0]}.{newest[1]})")
        self._connection.get("compute", "/servers?limit=1")
        self._check_key_pair()
        self._places.home.server_groups.check()

    def close(self) -> None:
        """Give back connections; may be called twice."""
        self._notices.close()
        self._places.close()

    def _check_key_pair(self) -> None:
        name = self._connection.settings.key_name
        if name:
            path = f"/os-keypairs/{quote(name, safe='')}"
            self._connection.ask("compute", "GET", path, refusals={404: lambda _said, **_details: _no_key_pair(name)})


def _no_key_pair(name: str) -> InvalidInput:
    return InvalidInput(f"Our account has no key pair {name!r} in the cloud ([openstack] key_name).", code="no_key_pair")
