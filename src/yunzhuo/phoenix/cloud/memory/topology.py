"""What networks are made of: subnets, and routers between them. Those of the options are there from the beginning, and stay."""

from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeVar

from yunzhuo.phoenix.cloud.errors import NetworkInUse, NetworkNotFound, RouterNotFound
from yunzhuo.phoenix.cloud.memory import things
from yunzhuo.phoenix.cloud.memory.calls import Gate
from yunzhuo.phoenix.cloud.memory.options import NetworkOption
from yunzhuo.phoenix.cloud.memory.state import Transaction
from yunzhuo.phoenix.cloud.memory.things import Thing
from yunzhuo.phoenix.cloud.network_resources import NetworkDetails, Router, Subnet, SubnetRequest
from yunzhuo.phoenix.common.errors import InvalidInput

_Result = TypeVar("_Result")
# The network's own, and the one that everybody is told by.
_NOT_GIVEN_OUT = 2


class MadeSubnet(Thing):
    """A range of addresses."""

    network_id: str
    name: str
    cidr: str
    gateway: str | None
    has_dhcp: bool


class MadeNetwork(Thing):
    """A network that somebody made."""

    name: str


class MadeRouter(Thing):
    """A router that somebody made."""

    name: str
    external_network_id: str | None
    subnet_ids: tuple[str, ...] = ()


def made_networks(transaction: Transaction) -> Sequence[NetworkOption]:
    """Those that somebody made, as servers are put on them."""
    ways_out = {
        each for router in things.read_all(transaction, MadeRouter) if router.external_network_id for each in router.subnet_ids
    }
    options = []
    for network in things.read_all(transaction, MadeNetwork):
        subnets = _subnets(transaction, network.id)
        first = next((each.cidr for each in subnets if ":" not in each.cidr), "10.66.0.0/16")
        prefix = ".".join(first.split(".")[:2]) + "."
        leads_out = any(each.id in ways_out for each in subnets)
        options.append(NetworkOption(id=network.id, name=network.name, reaches_internet=leads_out, address_prefix=prefix))
    return options


def details(transaction: Transaction) -> Sequence[NetworkDetails]:
    """All networks, by name."""
    given = [
        NetworkDetails(
            each.id, each.name, is_ours=False, is_shared=not is_external, is_external=is_external, subnets=(_of(each),)
        )
        for is_external, of in ((False, transaction.options.networks), (True, transaction.options.external_networks))
        for each in of
    ]
    made = [_details(transaction, each) for each in things.read_all(transaction, MadeNetwork)]
    return tuple(sorted((*given, *made), key=lambda network: (network.name, network.id)))


def create(transaction: Transaction, name: str, subnet: SubnetRequest) -> NetworkDetails:
    _checked(subnet)
    network = MadeNetwork(id=transaction.draw_id(), name=name)
    things.write(transaction, network)
    return add_subnet(transaction, network.id, subnet)


def add_subnet(transaction: Transaction, network_id: str, subnet: SubnetRequest) -> NetworkDetails:
    network = things.read(transaction, MadeNetwork, network_id)
    if network is None:
        raise NetworkNotFound(network_id)
    cidr = _checked(subnet)
    known = [ip_network(each.cidr) for each in _subnets(transaction, network_id)]
    if any(cidr.version == other.version and cidr.overlaps(other) for other in known):
        raise _refused(f"The range {cidr} overlaps with another one of the network.")
    gateway = subnet.gateway or str(cidr[1])
    things.write(
        transaction,
        MadeSubnet(
            id=transaction.draw_id(),
            network_id=network_id,
            name=subnet.name,
            cidr=str(cidr),
            gateway=gateway,
            has_dhcp=subnet.has_dhcp,
        ),
    )
    return _details(transaction, network)


def delete(transaction: Transaction, network_id: str) -> None:
    taken = transaction.row("SELECT 1 FROM servers WHERE record ->> '$.network_id' = ?", network_id)
    if taken:
        raise NetworkInUse("Servers are on the network.", object_id=network_id)
    for subnet in _subnets(transaction, network_id):
        delete_subnet(transaction, subnet.id)
    things.remove(transaction, MadeNetwork, network_id)


def delete_subnet(transaction: Transaction, subnet_id: str) -> None:
    if any(subnet_id in router.subnet_ids for router in things.read_all(transaction, MadeRouter)):
        raise NetworkInUse("A router leads to the subnet.", object_id=subnet_id)
    things.remove(transaction, MadeSubnet, subnet_id)


class Routers:
    """See :class:`yunzhuo.phoenix.cloud.interface.Routers`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def list(self) -> Sequence[Router]:
        def read(transaction: Transaction) -> Sequence[Router]:
            found = sorted(things.read_all(transaction, MadeRouter), key=lambda router: (router.name, router.id))
            return tuple(map(_as_router, found))

        return self._perform("list", "", read)

    def create(self, name: str, external_network_id: str | None = None) -> Router:
        def make(transaction: Transaction) -> Router:
            _check_external(transaction, external_network_id)
            router = MadeRouter(id=transaction.draw_id(), name=name, external_network_id=external_network_id)
            things.write(transaction, router)
            return _as_router(router)

        return self._perform("create", name, make)

    def set_gateway(self, router_id: str, external_network_id: str | None) -> None:
        def change(transaction: Transaction) -> None:
            router = _router(transaction, router_id)
            _check_external(transaction, external_network_id)
            things.write(transaction, router.model_copy(update={"external_network_id": external_network_id}))

        self._perform("set_gateway", router_id, change)

    def connect(self, router_id: str, subnet_id: str) -> None:
        def change(transaction: Transaction) -> None:
            router = _router(transaction, router_id)
            if subnet_id in router.subnet_ids:
                return
            if things.read(transaction, MadeSubnet, subnet_id) is None:
                raise NetworkNotFound(subnet_id)
            if any(subnet_id in other.subnet_ids for other in things.read_all(transaction, MadeRouter)):
                raise NetworkInUse("Another router leads to the subnet.", object_id=subnet_id)
            things.write(transaction, router.model_copy(update={"subnet_ids": (*router.subnet_ids, subnet_id)}))

        self._perform("connect", router_id, change)

    def disconnect(self, router_id: str, subnet_id: str) -> None:
        def change(transaction: Transaction) -> None:
            router = things.read(transaction, MadeRouter, router_id)
            if router is not None:
                left = tuple(each for each in router.subnet_ids if each != subnet_id)
                things.write(transaction, router.model_copy(update={"subnet_ids": left}))

        self._perform("disconnect", router_id, change)

    def delete(self, router_id: str) -> None:
        def remove(transaction: Transaction) -> None:
            router = things.read(transaction, MadeRouter, router_id)
            if router is not None and router.subnet_ids:
                raise NetworkInUse("The router leads to subnets.", object_id=router_id)
            things.remove(transaction, MadeRouter, router_id)

        self._perform("delete", router_id, remove)

    def _perform(self, verb: str, subject: str, action: Callable[[Transaction], _Result]) -> _Result:
        return self._gate.perform(f"routers.{verb}", lambda transaction, _plan: action(transaction), subject=subject)


def _router(transaction: Transaction, router_id: str) -> MadeRouter:
    router = things.read(transaction, MadeRouter, router_id)
    if router is None:
        raise RouterNotFound(router_id)
    return router


def _as_router(router: MadeRouter) -> Router:
    return Router(router.id, router.name, router.external_network_id, None, tuple(sorted(router.subnet_ids)))


def _check_external(transaction: Transaction, network_id: str | None) -> None:
    if network_id is not None and all(network.id != network_id for network in transaction.options.external_networks):
        raise NetworkNotFound(network_id)


def _subnets(transaction: Transaction, network_id: str) -> Sequence[MadeSubnet]:
    return [each for each in things.read_all(transaction, MadeSubnet) if each.network_id == network_id]


def _details(transaction: Transaction, network: MadeNetwork) -> NetworkDetails:
    used = transaction.rows("SELECT id FROM servers WHERE record ->> '$.network_id' = ?", network.id)
    subnets = [
        Subnet(each.id, each.name, each.cidr, each.gateway, each.has_dhcp, _given_out(ip_network(each.cidr)), len(used))
        for each in _subnets(transaction, network.id)
    ]
    in_order = tuple(sorted(subnets, key=lambda subnet: subnet.cidr))
    return NetworkDetails(network.id, network.name, is_ours=True, is_shared=False, is_external=False, subnets=in_order)


def _of(network: NetworkOption) -> Subnet:
    cidr = ip_network(f"{network.address_prefix}0.0/16")
    return Subnet(f"{network.id}-subnet", network.name, str(cidr), str(cidr[1]), has_dhcp=True)


def _given_out(cidr: IPv4Network | IPv6Network) -> int:
    return max(0, cidr.num_addresses - _NOT_GIVEN_OUT)


def _checked(subnet: SubnetRequest) -> IPv4Network | IPv6Network:
    try:
        cidr = ip_network(subnet.cidr)
        is_inside = subnet.gateway is None or ip_address(subnet.gateway) in cidr
    except ValueError as error:
        raise _refused(str(error)) from error
    if not is_inside or _given_out(cidr) == 0:
        raise _refused("The gateway is outside of the range, or the range has no addresses.")
    return cidr


def _refused(why: str) -> InvalidInput:
    return InvalidInput(f"The cloud refused: {why}", code="cloud_refused")
