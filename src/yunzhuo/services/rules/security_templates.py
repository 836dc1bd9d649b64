"""Security groups that are ready-made: what desktops are usually let do. Pure."""

from collections.abc import Sequence
from enum import StrEnum
from ipaddress import ip_network

from yunzhuo.phoenix.cloud.network_resources import Direction, RuleProtocol, SecurityRule

_RDP = 3389
_SSH = 22
_DHCP = (67, 68)
_DNS = 53
_WEB = (80, 443)


class Template(StrEnum):
    """What a group of its kind lets through."""

    CLOSED = "closed"
    """Nothing in, all out."""
    REMOTE_DESKTOP = "remote_desktop"
    """Remote Desktop and secure shell from the named networks (gateways) alone, all out."""
    EXAM = "exam"
    """Nothing in; out only to the named networks, for addresses and for names."""
    OPEN = "open"
    """All in, all out."""


#: Templates that need to be told networks.
WITH_NETWORKS = frozenset({Template.REMOTE_DESKTOP, Template.EXAM})


def rules_of(template: Template, networks: Sequence[str] = ()) -> Sequence[SecurityRule]:
    """The rules of a template. ``networks`` are CIDRs, checked by whoever asks."""
    everything_out = [SecurityRule(Direction.OUT), SecurityRule(Direction.OUT, is_ipv6=True)]
    match template:
        case Template.CLOSED:
            return everything_out
        case Template.OPEN:
            return [*everything_out, SecurityRule(Direction.IN), SecurityRule(Direction.IN, is_ipv6=True)]
        case Template.REMOTE_DESKTOP:
            doors = ((RuleProtocol.TCP, _RDP), (RuleProtocol.UDP, _RDP), (RuleProtocol.TCP, _SSH))
            return [
                *everything_out,
                *(_to(Direction.IN, protocol, port, port, network) for network in networks for protocol, port in doors),
            ]
        case Template.EXAM:
            return [
                SecurityRule(Direction.OUT, RuleProtocol.UDP, *_DHCP),
                SecurityRule(Direction.OUT, RuleProtocol.UDP, _DNS, _DNS),
                *(_to(Direction.OUT, RuleProtocol.TCP, port, port, network) for network in networks for port in _WEB),
            ]


def _to(direction: Direction, protocol: RuleProtocol, first: int, last: int, network: str) -> SecurityRule:
    is_ipv6 = ip_network(network).version == 6  # noqa: PLR2004
    return SecurityRule(direction, protocol, first, last, remote=network, is_ipv6=is_ipv6)
