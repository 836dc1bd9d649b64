"""Hosts of driver ``local``."""

from collections.abc import Sequence

from yunzhuo.phoenix.cloud.local import wire
from yunzhuo.phoenix.cloud.local.connection import Connection
from yunzhuo.phoenix.cloud.resources import Host


class LocalHosts:
    """One host: this computer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[Host]:
        return wire.HOSTS.validate_json(self._connection.call("GET", "/hosts"))
