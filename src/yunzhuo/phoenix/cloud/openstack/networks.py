"""Networks of driver ``openstack``."""

import re
from collections.abc import Sequence

from yunzhuo.phoenix.cloud.errors import CloudUnavailable
from yunzhuo.phoenix.cloud.network_resources import NetworkDetails, SubnetRequest
from yunzhuo.phoenix.cloud.openstack.catalog import Catalog
from yunzhuo.phoenix.cloud.openstack.connection import Connection, Refusals
from yunzhuo.phoenix.cloud.openstack.network_details import NetworkKeeping
from yunzhuo.phoenix.cloud.openstack.server_states import read_time
from yunzhuo.phoenix.cloud.resources import Network, Port
from yunzhuo.phoenix.common.errors import InvalidInput, NotFound

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FIELDS = ("id", "device_id", "device_owner", "fixed_ips", "created_at", "status")
# What Nova makes for a server is owned by `compute:` and the server's availability zone.
_OF_SERVERS = "compute:"


class OpenStackNetworks:
    """The networks with subnets that the project can put servers on; the settings' one first.

    ``has_own``: it is an organization's project, in which its own networks come before that.
    """

    def __init__(self, connection: Connection, *, has_own: bool = False) -> None:
        self._connection = connection
        self._has_own = has_own
        self._all = Catalog(self._ask, seconds=connection.settings.catalog_seconds)
        self._external = Catalog(self._ask_for_external, seconds=connection.settings.catalog_seconds)
        self._keeping = NetworkKeeping(connection)

    def list(self) -> Sequence[Network]:
        return self._all.items()

    def external(self) -> Sequence[Network]:
        return self._external.items()

    def choose_external(self, network_id: str | None) -> Network:
        """The one asked for, else the first. Raises NotFound."""
        found = self._external.find(lambda network: network_id in (None, network.id))
        if found is None:
            raise NotFound("network_not_found", "The cloud has no such external network.", network_id=network_id)
        return found

    def ports(self, server_id: str | None = None) -> Sequence[Port]:
        if server_id is not None and not _ID.fullmatch(server_id):
            return ()
        fields = "&".join(f"fields={name}" for name in _FIELDS)
        only = "" if server_id is None else f"&device_id={server_id}"
        path = f"/ports?project_id={self._connection.project_id}&{fields}{only}"
        found = {each["id"]: each for each in self._connection.pages("network", path, "ports")}
        return tuple(
            Port(
                id=each["id"],
                server_id=each["device_id"],
                address=next((fixed["ip_address"] for fixed in each["fixed_ips"]), ""),
                created_at=read_time(each["created_at"]),
                # BUILD is on its way, N/A is not told.
                is_up=each["status"] != "DOWN",
            )
            for each in found.values()
            if each["device_owner"].startswith(_OF_SERVERS) and each["device_id"]
        )

    def delete_port(self, port_id: str, server_id: str) -> None:
        if not _ID.fullmatch(port_id):
            return
        ask = self._connection.ask
        try:
            found = ask("network", "GET", f"/ports/{port_id}", refusals={404: _no_port})["port"]
            if found["device_id"] == server_id and found["device_owner"].startswith(_OF_SERVERS):
                refusals: Refusals = {404: _no_port, 412: _overtaken}
                path, revision = f"/ports/{port_id}", int(found["revision_number"])
                ask("network", "DELETE", path, refusals=refusals, revision=revision)
        except NotFound:
            return

    def details(self) -> Sequence[NetworkDetails]:
        return self._keeping.details()

    def create(self, name: str, subnet: SubnetRequest) -> NetworkDetails:
        made = self._keeping.create(name, subnet)
        self.forget()
        return made

    def delete(self, network_id: str) -> None:
        self._keeping.delete(network_id)
        self.forget()

    def add_subnet(self, network_id: str, subnet: SubnetRequest) -> NetworkDetails:
        made = self._keeping.add_subnet(network_id, subnet)
        self.forget()
        return made

    def delete_subnet(self, subnet_id: str) -> None:
        self._keeping.delete_subnet(subnet_id)
        self.forget()

    def forget(self) -> None:
        """What was listed is not believed any more: it was changed from here."""
        self._all.forget()
        self._external.forget()

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
        usable = [
            each
            for each in ask.pages("network", "/networks?status=ACTIVE&admin_state_up=true", "networks")
            # An external network is for floating IPs, unless the cloud shares it.
            if each["subnets"] and (each["shared"] or (each["project_id"] == project and not each["router:external"]))
        ]
        wanted = ask.settings.network
        if self._has_own:
            usable.sort(key=lambda each: (each["project_id"] != project, wanted not in (each["id"], each["name"])))
        found = [
            Network(each["id"], each["name"] or each["id"], each["router:external"] or each["id"] in with_way_out)
            for each in usable
        ]
        if not wanted or self._has_own:
            return found
        first = [network for network in found if wanted in (network.id, network.name)]
        if not first:
            raise InvalidInput(f"The cloud has no network {wanted!r} ([openstack] network).", code="no_network")
        return [*first, *(network for network in found if network not in first)]

    def _ask_for_external(self) -> Sequence[Network]:
        ask, wanted = self._connection, self._connection.settings.external_network
        routers = ask.pages("network", "/routers", "routers")
        ways_out = {(router.get("external_gateway_info") or {}).get("network_id") for router in routers}
        found = [
            Network(each["id"], each["name"] or each["id"], True)
            for each in ask.pages("network", "/networks?status=ACTIVE&router:external=true", "networks")
        ]
        if wanted and all(wanted not in (network.id, network.name) for network in found):
            raise InvalidInput(
                f"The cloud has no external network {wanted!r} ([openstack] external_network).", code="no_network"
            )
        # Of others, one that a router of ours leads to comes first.
        return sorted(found, key=lambda network: (wanted not in (network.id, network.name), network.id not in ways_out))


def _no_port(_said: str, **_details: object) -> NotFound:
    return NotFound("port_not_found", "The cloud has no such port.")


def _overtaken(said: str, **details: object) -> CloudUnavailable:
    return CloudUnavailable(f"The port was changed by somebody else at the same moment: {said}", **details)
