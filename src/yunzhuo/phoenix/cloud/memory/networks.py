"""Networks, and the addresses that servers get on them."""

from collections.abc import Sequence

from yunzhuo.phoenix.cloud.memory.calls import Gate
from yunzhuo.phoenix.cloud.memory.options import NetworkOption, Options
from yunzhuo.phoenix.cloud.memory.state import Transaction
from yunzhuo.phoenix.cloud.resources import Network
from yunzhuo.phoenix.common.errors import NotFound

_FIRST_ADDRESS = 10
_ADDRESSES = 65536 - _FIRST_ADDRESS - 1


class Networks:
    """See :class:`yunzhuo.phoenix.cloud.interface.Networks`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def list(self) -> Sequence[Network]:
        return self._gate.perform("networks.list", lambda transaction, _: tuple(map(_as_network, transaction.options.networks)))


def choose_network(options: Options, network_id: str | None) -> NetworkOption:
    """The network with this id, for None the first. Raises NotFound."""
    for network in options.networks:
        if network_id in (None, network.id):
            return network
    raise NotFound("network_not_found", "The cloud has no such network.", network_id=network_id)


def next_address(transaction: Transaction, network: NetworkOption) -> str:
    """An address of the network; it comes again only after all others were given."""
    number = _FIRST_ADDRESS + transaction.next_number(f"address:{network.id}") % _ADDRESSES
    return f"{network.address_prefix}{number // 256}.{number % 256}"


def _as_network(network: NetworkOption) -> Network:
    return Network(id=network.id, name=network.name, reaches_internet=network.reaches_internet)
