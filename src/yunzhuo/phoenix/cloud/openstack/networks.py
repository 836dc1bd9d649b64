"""Networks of driver ``openstack``."""

from collections.abc import Sequence

from yunzhuo.phoenix.cloud.openstack.catalog import Catalog
from yunzhuo.phoenix.cloud.openstack.connection import Connection
from yunzhuo.phoenix.cloud.resources import Network
from yunzhuo.phoenix.common.errors import InvalidInput, NotFound


class OpenStackNetworks:
    """The networks with subnets that the project can put servers on; the settings' one first."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._all = Catalog(self._ask, seconds=connection.settings.catalog_seconds)

    def list(self) -> Sequence[Network]:
        return self._all.items()

    def choose(self, network_id: str | None) -> Network:
        """The one asked for, else the first. Raises NotFound; InvalidInput when the project has none at all."""
        if network_id is None:
            found = next(iter(self._all.items()), None)
            if found is None:
                raise InvalidInput("The cloud has no network that desktops could be put on.", code="no_network")
            return found
        found = self._all.find(lambda network: network.id == network_id)
        if found is None:
            raise NotFound("network_not_found", "The cloud has no such network.", network_id=network_id)
        return found

    def _ask(self) -> Sequence[Network]:
        ask, project = self._connection, self._connection.project_id
        with_way_out = {
            interface["network_id"]
            for router in ask.pages("network", "/routers", "routers")
            if router.get("external_gateway_info")
            for interface in ask.pages(
                "network", f"/ports?device_id={router['id']}&device_owner=network:router_interface", "ports"
            )
        }
        found = [
            Network(each["id"], each["name"] or each["id"], each["router:external"] or each["id"] in with_way_out)
            for each in ask.pages("network", "/networks?status=ACTIVE&admin_state_up=true", "networks")
            # An external network is for floating IPs, unless the cloud shares it.
            if each["subnets"] and (each["shared"] or (each["project_id"] == project and not each["router:external"]))
        ]
        wanted = ask.settings.network
        if not wanted:
            return found
        first = [network for network in found if wanted in (network.id, network.name)]
        if not first:
            raise InvalidInput(f"The cloud has no network {wanted!r} ([openstack] network).", code="no_network")
        return [*first, *(network for network in found if network not in first)]
