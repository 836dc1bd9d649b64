"""Another host: where a server is put that an earlier host did not make.

Nova lets whoever has the right name a hypervisor, and its scheduler still says whether the server fits there
(`hypervisor_hostname`, microversion 2.74). Without the right, or where no other host is known to be like those, Nova chooses.
"""

from zlib import crc32

from yunzhuo.phoenix.cloud.openstack.connection import Connection
from yunzhuo.phoenix.cloud.openstack.hosts import OpenStackHosts
from yunzhuo.phoenix.cloud.openstack.server_lookup import ServerLookup
from yunzhuo.phoenix.cloud.resources import Flavor, ServerRequest


class Elsewhere:
    """Chooses among the hosts that the cloud lets us see."""

    def __init__(self, connection: Connection, lookup: ServerLookup) -> None:
        self._hosts = OpenStackHosts(connection, lookup)

    def choose(self, request: ServerRequest, flavor: Flavor) -> str | None:
        """A host that is not to be avoided, of the same zone and aggregates as one that is, with memory to spare.

        None: let Nova choose, who knows how far hosts may be overbooked.

        The same for the same request. Of several the emptier half is chosen from, so that those who leave one host do not all
        meet on the next.
        """
        if not request.avoid_hosts:
            return None
        hosts = self._hosts.list()
        kinds = {host.kind for host in hosts if host.id in request.avoid_hosts}
        left = [
            host
            for host in hosts
            if host.takes_servers
            and host.id not in request.avoid_hosts
            and host.kind in kinds
            and host.memory_free_mib >= flavor.memory_mib
        ]
        left.sort(key=lambda host: (-host.memory_free_mib, host.id))
        emptier = left[: (len(left) + 1) // 2]
        return emptier[crc32(request.desktop_id.encode()) % len(emptier)].id if emptier else None
