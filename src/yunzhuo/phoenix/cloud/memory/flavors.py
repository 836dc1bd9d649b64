"""Sizes."""

from collections.abc import Sequence

from yunzhuo.phoenix.cloud.errors import FlavorNotFound
from yunzhuo.phoenix.cloud.memory.calls import Gate
from yunzhuo.phoenix.cloud.memory.options import FlavorOption, Options
from yunzhuo.phoenix.cloud.resources import Flavor


class Flavors:
    """See :class:`yunzhuo.phoenix.cloud.interface.Flavors`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def list(self) -> Sequence[Flavor]:
        return self._gate.perform(
            "flavors.list", lambda transaction, _: tuple(map(_as_flavor, sorted(transaction.options.flavors, key=_size)))
        )

    def get(self, flavor_id: str) -> Flavor:
        return self._gate.perform(
            "flavors.get", lambda transaction, _: _as_flavor(choose_flavor(transaction.options, flavor_id)), subject=flavor_id
        )


def choose_flavor(options: Options, flavor_id: str) -> FlavorOption:
    """The flavor with this id. Raises FlavorNotFound."""
    for flavor in options.flavors:
        if flavor.id == flavor_id:
            return flavor
    raise FlavorNotFound(flavor_id)


def _size(flavor: FlavorOption) -> tuple[int, int, int, str]:
    return (flavor.memory_mib, flavor.vcpus, flavor.disk_mib, flavor.id)


def _as_flavor(flavor: FlavorOption) -> Flavor:
    return Flavor(id=flavor.id, name=flavor.name, vcpus=flavor.vcpus, memory_mib=flavor.memory_mib, disk_mib=flavor.disk_mib)
