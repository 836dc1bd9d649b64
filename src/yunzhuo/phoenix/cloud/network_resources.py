"""What a cloud's networks are made of, as frozen values; ids are the cloud's own."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Subnet:
    """A range of addresses on a network. ``addresses`` is how many may be given out, None where the cloud does not tell."""

    id: str
    name: str
    cidr: str
    gateway: str | None
    has_dhcp: bool
    addresses: int | None = None
    addresses_used: int | None = None


@dataclass(frozen=True, slots=True)
class NetworkDetails:
    """A network as its operators see it. ``is_ours``: of our project, so that it can be changed."""

    id: str
    name: str
    is_ours: bool
    is_shared: bool
    is_external: bool
    subnets: tuple[Subnet, ...]


@dataclass(frozen=True, slots=True)
class SubnetRequest:
    """What is needed to make a subnet. ``gateway`` None: the first address of ``cidr``."""

    name: str
    cidr: str
    gateway: str | None = None
    has_dhcp: bool = True
    dns_servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Router:
    """What leads from one network to others. ``external_network_id`` is where its gateway is, None: it has none."""

    id: str
    name: str
    external_network_id: str | None
    external_address: str | None
    subnet_ids: tuple[str, ...]


class Direction(StrEnum):
    """Seen from the server."""

    IN = "in"
    OUT = "out"


class RuleProtocol(StrEnum):
    """What a rule is about."""

    ANY = "any"
    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"


@dataclass(frozen=True, slots=True)
class SecurityRule:
    """What is let through; all else is not. ``remote`` is a CIDR, ``remote_group_id`` a security group; neither: everybody.

    ``first_port`` and ``last_port`` are for TCP and UDP. ``id`` is empty in a request.
    """

    direction: Direction
    protocol: RuleProtocol = RuleProtocol.ANY
    first_port: int | None = None
    last_port: int | None = None
    remote: str | None = None
    remote_group_id: str | None = None
    is_ipv6: bool = False
    id: str = ""


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """A named set of rules that servers can be put in."""

    id: str
    name: str
    description: str
    rules: tuple[SecurityRule, ...]
