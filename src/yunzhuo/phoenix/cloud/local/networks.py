"""Networks of driver ``local``."""

from collections.abc import Sequence

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.local import wire
from yunzhuo.phoenix.cloud.local.connection import Connection
from yunzhuo.phoenix.cloud.network_resources import NetworkDetails, SubnetRequest
from yunzhuo.phoenix.cloud.resources import Network, Port


class LocalNetworks:
    """One network, on which each machine is alone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[Network]:
        return wire.NETWORKS.validate_json(self._connection.call("GET", "/networks"))

    def external(self) -> Sequence[Network]:
        return ()

    def ports(self, server_id: str | None = None) -> Sequence[Port]:
        raise CloudNotOffered("ports")

    def delete_port(self, port_id: str, server_id: str) -> None:
        raise CloudNotOffered("ports")

    def details(self) -> Sequence[NetworkDetails]:
        raise CloudNotOffered("making networks")

    def create(self, name: str, subnet: SubnetRequest) -> NetworkDetails:
        raise CloudNotOffered("making networks")

    def delete(self, network_id: str) -> None:
        raise CloudNotOffered("making networks")

    def add_subnet(self, network_id: str, subnet: SubnetRequest) -> NetworkDetails:
        raise CloudNotOffered("making networks")

    def delete_subnet(self, subnet_id: str) -> None:
        raise CloudNotOffered("making networks")
