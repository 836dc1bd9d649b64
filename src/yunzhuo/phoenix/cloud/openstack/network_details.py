"""Making and removing networks and their subnets on OpenStack. Only those of our own project are ever changed."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from yunzhuo.phoenix.cloud.errors import NetworkNotFound
from yunzhuo.phoenix.cloud.network_resources import NetworkDetails, Subnet, SubnetRequest
from yunzhuo.phoenix.cloud.openstack.connection import Connection, Json, Refusals
from yunzhuo.phoenix.cloud.openstack.network_refusals import MAKING, gone, in_use, is_id
from yunzhuo.phoenix.common.errors import Forbidden, NotFound, YunzhuoError

_UNSEEN: Refusals = {404: lambda said, **details: NotFound("not_told", said, **details)}


class NetworkKeeping:
    """The part of ``OpenStackNetworks`` that is about what networks are made of."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def details(self) -> Sequence[NetworkDetails]:
        return self._details("", "")

    def create(self, name: str, subnet: SubnetRequest) -> NetworkDetails:
        made = self._ask("POST", "/networks", {"network": {"name": name}}, MAKING)["network"]
        try:
            return self.add_subnet(made["id"], subnet)
        except YunzhuoError:
            with suppress(YunzhuoError):
                self.delete(made["id"])
            raise

    def delete(self, network_id: str) -> None:
        if self._ours(network_id) is None:
            return
        refusals: Refusals = {404: gone(NetworkNotFound, network_id), 409: in_use("network", network_id)}
        with suppress(NotFound):
            self._ask("DELETE", f"/networks/{network_id}", None, refusals)

    def add_subnet(self, network_id: str, subnet: SubnetRequest) -> NetworkDetails:
        if self._ours(network_id) is None:
            raise NetworkNotFound(network_id)
        wanted: dict[str, object] = {
            "network_id": network_id,
            "name": subnet.name,
            "ip_version": 6 if ":" in subnet.cidr else 4,
            "cidr": subnet.cidr,
            "enable_dhcp": subnet.has_dhcp,
            "dns_nameservers": list(subnet.dns_servers),
        }
        if subnet.gateway is not None:
            wanted["gateway_ip"] = subnet.gateway
        self._ask("POST", "/subnets", {"subnet": wanted}, {**MAKING, 404: gone(NetworkNotFound, network_id)})
        found = self._details(f"&id={network_id}", f"&network_id={network_id}")
        if not found:
            raise NetworkNotFound(network_id)
        return found[0]

    def delete_subnet(self, subnet_id: str) -> None:
        if not is_id(subnet_id):
            return
        refusals: Refusals = {404: gone(NetworkNotFound, subnet_id), 409: in_use("subnet", subnet_id)}
        with suppress(NotFound):
            found = self._ask("GET", f"/subnets/{subnet_id}", None, refusals)["subnet"]
            if found["project_id"] == self._connection.project_id:
                self._ask("DELETE", f"/subnets/{subnet_id}", None, refusals)

    def _details(self, which: str, which_subnets: str) -> Sequence[NetworkDetails]:
        ask = self._connection
        subnets: dict[str, list[Json]] = {}
        for each in ask.pages("network", f"/subnets?limit=500{which_subnets}", "subnets"):
            subnets.setdefault(each["network_id"], []).append(each)
        used = self._use()
        found = [
            NetworkDetails(
                id=each["id"],
                name=each["name"] or each["id"],
                is_ours=each["project_id"] == ask.project_id,
                is_shared=bool(each["shared"]),
                is_external=bool(each["router:external"]),
                subnets=tuple(
                    sorted((_read(subnet, used) for subnet in subnets.get(each["id"], ())), key=lambda one: one.cidr)
                ),
            )
            for each in ask.pages("network", f"/networks?limit=500{which}", "networks")
        ]
        return sorted(found, key=lambda network: (network.name, network.id))

    def _use(self) -> Mapping[str, tuple[int, int]]:
        """How many addresses each subnet has and gave out, where the cloud lets our account see it."""
        try:
            found = self._connection.ask("network", "GET", "/network-ip-availabilities", refusals=_UNSEEN)
        except (Forbidden, NotFound):
            return {}
        return {
            subnet["subnet_id"]: (int(subnet["total_ips"]), int(subnet["used_ips"]))
            for network in found.get("network_ip_availabilities", ())
            for subnet in network["subnet_ip_availability"]
        }

    def _ours(self, network_id: str) -> Json | None:
        """A network of our project, or None."""
        if not is_id(network_id):
            return None
        try:
            found = self._ask("GET", f"/networks/{network_id}", None, {404: gone(NetworkNotFound, network_id)})["network"]
        except NotFound:
            return None
        return found if found["project_id"] == self._connection.project_id else None

    def _ask(self, method: str, path: str, body: Json | None, refusals: Refusals) -> Json:
        return self._connection.ask("network", method, path, body, refusals=refusals)


def _read(found: Json, used: Mapping[str, tuple[int, int]]) -> Subnet:
    addresses, taken = used.get(found["id"], (None, None))
    return Subnet(
        id=found["id"],
        name=found["name"] or found["cidr"],
        cidr=found["cidr"],
        gateway=found["gateway_ip"],
        has_dhcp=bool(found["enable_dhcp"]),
        addresses=addresses,
        addresses_used=taken,
    )
