"""Flavors of driver ``local``."""

from collections.abc import Sequence

from yunzhuo.phoenix.cloud.local import wire
from yunzhuo.phoenix.cloud.local.connection import Connection
from yunzhuo.phoenix.cloud.resources import Flavor


class LocalFlavors:
    """The sizes that the host's settings offer, in their order."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[Flavor]:
        return wire.FLAVORS.validate_json(self._connection.call("GET", "/flavors"))

    def get(self, flavor_id: str) -> Flavor:
        return wire.FLAVOR.validate_json(self._connection.call("GET", f"/flavors/{wire.to_segment(flavor_id)}"))
