"""Hosts of driver ``local``."""

from collections.abc import Sequence

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.local import wire
from yunzhuo.phoenix.cloud.local.connection import Connection
from yunzhuo.phoenix.cloud.resources import Host


class LocalHosts:
    """One host: this computer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[Host]:
        return wire.HOSTS.validate_json(self._connection.call("GET", "/hosts"))

    def disable(self, host_id: str, reason: str) -> None:
        raise CloudNotOffered("changing hosts")

    def enable(self, host_id: str) -> None:
        raise CloudNotOffered("changing hosts")

    def force_down(self, host_id: str) -> None:
        raise CloudNotOffered("changing hosts")

    def live_migrate(self, server_id: str, host_id: str | None = None) -> None:
        raise CloudNotOffered("changing hosts")

    def migrate(self, server_id: str) -> None:
        raise CloudNotOffered("changing hosts")

    def evacuate(self, server_id: str) -> None:
        raise CloudNotOffered("changing hosts")
