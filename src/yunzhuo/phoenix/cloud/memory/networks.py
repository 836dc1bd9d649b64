"""Networks, and the addresses that servers get on them."""

from collections.abc import Sequence

from yunzhuo.phoenix.cloud.memory import store, topology
from yunzhuo.phoenix.cloud.memory.calls import Gate
from yunzhuo.phoenix.cloud.memory.faults import Plan
from yunzhuo.phoenix.cloud.memory.options import NetworkOption, Options
from yunzhuo.phoenix.cloud.memory.records import as_time
from yunzhuo.phoenix.cloud.memory.state import Transaction
from yunzhuo.phoenix.cloud.network_resources import NetworkDetails, SubnetRequest
from yunzhuo.phoenix.cloud.resources import Network, Port
from yunzhuo.phoenix.common.errors import NotFound

_FIRST_ADDRESS = 10
_ADDRESSES = 65536 - _FIRST_ADDRESS - 1


class Networks:
    """See :class:`yunzhuo.phoenix.cloud.interface.Networks`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def list(self) -> Sequence[Network]:
        return self._gate.perform("networks.list", lambda transaction, _: tuple(map(_as_network, _all(transaction))))

    def external(self) -> Sequence[Network]:
        return self._gate.perform(
            "networks.external", lambda transaction, _: tuple(map(_as_network, transaction.options.external_networks))
        )

    def ports(self, server_id: str | None = None) -> Sequence[Port]:
        def look(transaction: Transaction, _plan: Plan) -> Sequence[Port]:
            return tuple(port for port in _ports(transaction) if server_id in (None, port.server_id))

        return self._gate.perform("networks.ports", look, subject=server_id or "")

    def delete_port(self, port_id: str, server_id: str) -> None:
        def delete(transaction: Transaction) -> None:
            transaction.execute("DELETE FROM ports WHERE id = ? AND server_id = ?", port_id, server_id)

        self._gate.perform("networks.delete_port", lambda transaction, _: delete(transaction), subject=port_id)

    def details(self) -> Sequence[NetworkDetails]:
        return self._gate.perform("networks.details", lambda transaction, _: topology.details(transaction))

    def create(self, name: str, subnet: SubnetRequest) -> NetworkDetails:
        def make(transaction: Transaction, _plan: Plan) -> NetworkDetails:
            return topology.create(transaction, name, subnet)

        return self._gate.perform("networks.create", make, subject=name)

    def delete(self, network_id: str) -> None:
        def remove(transaction: Transaction, _plan: Plan) -> None:
            store.purge(transaction)
            topology.delete(transaction, network_id)

        self._gate.perform("networks.delete", remove, subject=network_id)

    def add_subnet(self, network_id: str, subnet: SubnetRequest) -> NetworkDetails:
        def add(transaction: Transaction, _plan: Plan) -> NetworkDetails:
            return topology.add_subnet(transaction, network_id, subnet)

        return self._gate.perform("networks.add_subnet", add, subject=network_id)

    def delete_subnet(self, subnet_id: str) -> None:
        def remove(transaction: Transaction, _plan: Plan) -> None:
            topology.delete_subnet(transaction, subnet_id)

        self._gate.perform("networks.delete_subnet", remove, subject=subnet_id)


def _all(transaction: Transaction) -> Sequence[NetworkOption]:
    return (*transaction.options.networks, *topology.made_networks(transaction))


def choose_network(transaction: Transaction, network_id: str | None) -> NetworkOption:
    """The network with this id, for None the first. Raises NotFound."""
    for network in _all(transaction):
        if network_id in (None, network.id):
            return network
    raise NotFound("network_not_found", "The cloud has no such network.", network_id=network_id)


def choose_external(options: Options, network_id: str | None) -> NetworkOption:
    """The external network with this id, for None the first. Raises NotFound."""
    for network in options.external_networks:
        if network_id in (None, network.id):
            return network
    raise NotFound("network_not_found", "The cloud has no such external network.", network_id=network_id)


def next_address(transaction: Transaction, network: NetworkOption) -> str:
    """An address of the network; it comes again only after all others were given."""
    number = _FIRST_ADDRESS + transaction.next_number(f"address:{network.id}") % _ADDRESSES
    return f"{network.address_prefix}{number // 256}.{number % 256}"


def _as_network(network: NetworkOption) -> Network:
    return Network(id=network.id, name=network.name, reaches_internet=network.reaches_internet)


def _ports(transaction: Transaction) -> Sequence[Port]:
    """Each server's, and what was left behind of servers that are gone."""
    store.purge(transaction)
    of_servers = transaction.rows(
        """SELECT id, record ->> '$.address', record ->> '$.created_at', COALESCE(record ->> '$.is_plugged', 1) FROM servers"""
    )
    left = transaction.rows(
        "SELECT id, server_id, address, created_at FROM ports WHERE server_id NOT IN (SELECT id FROM servers)"
    )
    return (
        *(
            Port(f"port-{server_id}", server_id, address, as_time(float(made_at)), is_up=bool(is_plugged))
            for server_id, address, made_at, is_plugged in of_servers
        ),
        *(Port(port_id, server_id, address, as_time(made_at)) for port_id, server_id, address, made_at in left),
    )
