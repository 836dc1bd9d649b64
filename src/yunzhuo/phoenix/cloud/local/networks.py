"""Networks of driver ``local``."""

from collections.abc import Sequence

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.local import wire
from yunzhuo.phoenix.cloud.local.connection import Connection
from yunzhuo.phoenix.cloud.resources import Network, Port


class LocalNetworks:
    """One network, on which each machine is alone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[Network]:
        return wire.NETWORKS.validate_json(self._connection.call("GET", "/networks"))

    def external(self) -> Sequence[Network]:
        return ()

    def ports(self) -> Sequence[Port]:
        raise CloudNotOffered("ports")

    def delete_port(self, port_id: str, server_id: str) -> None:
        raise CloudNotOffered("ports")
