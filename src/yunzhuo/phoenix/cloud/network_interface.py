"""The parts of the interface that are about networks; see ``interface.py`` for the promises common to all."""

from collections.abc import Sequence
from typing import Protocol

from yunzhuo.phoenix.cloud.network_resources import NetworkDetails, Router, SecurityGroup, SecurityRule, SubnetRequest
from yunzhuo.phoenix.cloud.resources import FloatingIp, Network, Port


class Addresses(Protocol):
    """Floating IPs of ours; those of others are never listed, returned or touched.

    One leads to one server at most, and a server has one at most: whatever is asked for, and however many ask at once.
    """

    def create(self, address_id: str, *, network_id: str | None = None, project_id: str | None = None) -> FloatingIp:
        """Get an address from the cloud, or return the one that already carries ``address_id``, our tag.

        ``network_id`` is one of ``networks.external``; None: the first of them. Raises NoCapacity when the network or our quota
        has none left, NotFound (``network_not_found``), ProjectNotFound.
        """
        ...

    def find(self, address_id: str, project_id: str | None = None) -> FloatingIp | None:
        """The floating IP tagged with ``address_id`` in this project, or None. Looked up before every create."""
        ...

    def list(self) -> Sequence[FloatingIp]:
        """All floating IPs of ours, in one call, in no particular order."""
        ...

    def associate(self, ip_id: str, server_id: str) -> None:
        """Lead the address to a server, whatever that one's status. Twice is harmless.

        Of several who ask at once for different servers one at most is told that it does; nobody may get it then.
        Raises FloatingIpBusy when it leads to another server or the server has another one, FloatingIpUnreachable, and
        ServerBusy while the server is being built or deleted, OtherProject.
        """
        ...

    def dissociate(self, ip_id: str, server_id: str) -> None:
        """Let the address lead nowhere. One that does not lead to this server, or is not there, is no error and is left.

        A server that is deleted has let go of its address.
        """
        ...

    def delete(self, ip_id: str) -> None:
        """Give the address back; one that is not there is no error. Raises FloatingIpBusy while it leads anywhere."""
        ...


class Networks(Protocol):
    """Networks that servers can be put on, the one that a request without a network gets first."""

    def list(self) -> Sequence[Network]: ...

    def external(self) -> Sequence[Network]:
        """Networks that floating IPs are taken from, the one to be used first; none: this cloud has no floating IPs for us."""
        ...

    def ports(self, server_id: str | None = None) -> Sequence[Port]:
        """All places on networks that our project has for servers, be these ours, others' or gone, in one call.

        With ``server_id`` that server's alone, none for one that is not there.
        """
        ...

    def delete_port(self, port_id: str, server_id: str) -> None:
        """Remove what a server left behind. One that is not there, or is not this server's by now, is no error and is left."""
        ...

    def details(self) -> Sequence[NetworkDetails]:
        """All networks that our project sees, with their subnets and how many addresses of these are taken."""
        ...

    def create(self, name: str, subnet: SubnetRequest) -> NetworkDetails:
        """Make a network with a subnet, or nothing. Raises InvalidInput (``cloud_refused``), NoCapacity (quota)."""
        ...

    def delete(self, network_id: str) -> None:
        """Remove a network of ours and its subnets; one that is not there is no error. Raises NetworkInUse."""
        ...

    def add_subnet(self, network_id: str, subnet: SubnetRequest) -> NetworkDetails:
        """Another range on a network of ours. Raises NetworkNotFound, InvalidInput, NoCapacity."""
        ...

    def delete_subnet(self, subnet_id: str) -> None:
        """Remove a range; one that is not there is no error. Raises NetworkInUse."""
        ...


class Routers(Protocol):
    """Routers of our project; those of others are never listed, returned or touched."""

    def list(self) -> Sequence[Router]: ...

    def create(self, name: str, external_network_id: str | None = None) -> Router:
        """Make a router, with a gateway on an external network or none. Raises NetworkNotFound, NoCapacity."""
        ...

    def set_gateway(self, router_id: str, external_network_id: str | None) -> None:
        """Put the gateway elsewhere, or take it away. Raises RouterNotFound, NetworkNotFound, NetworkInUse (floating IPs)."""
        ...

    def connect(self, router_id: str, subnet_id: str) -> None:
        """Lead to and from a subnet. Twice is harmless. Raises RouterNotFound, NetworkNotFound, NetworkInUse."""
        ...

    def disconnect(self, router_id: str, subnet_id: str) -> None:
        """The opposite; what is not connected is no error. Raises NetworkInUse while floating IPs lead there."""
        ...

    def delete(self, router_id: str) -> None:
        """Remove a router; one that is not there is no error. Raises NetworkInUse while it leads anywhere."""
        ...


class SecurityGroups(Protocol):
    """Security groups of our project. What a group's rules do not let through is not let through."""

    def list(self) -> Sequence[SecurityGroup]: ...

    def create(self, name: str, description: str, rules: Sequence[SecurityRule]) -> SecurityGroup:
        """Make a group with exactly these rules, or nothing. Names need not be unique. Raises InvalidInput, NoCapacity."""
        ...

    def add_rule(self, group_id: str, rule: SecurityRule) -> SecurityRule:
        """Let more through, unless it is already. Raises SecurityGroupNotFound, InvalidInput, NoCapacity."""
        ...

    def delete_rule(self, group_id: str, rule_id: str) -> None:
        """Let that through no more; one that is not there is no error."""
        ...

    def delete(self, group_id: str) -> None:
        """Remove a group; one that is not there is no error. Raises NetworkInUse while a server is in it."""
        ...
