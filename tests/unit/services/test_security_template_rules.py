"""What ready-made security groups let through, asked packet by packet."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as some

from yunzhuo.phoenix.cloud.network_resources import Direction, RuleProtocol, SecurityRule
from yunzhuo.services.rules.security_templates import WITH_NETWORKS, Template, rules_of

Address = IPv4Address | IPv6Address
NETWORKS = ("10.20.0.0/16", "192.168.7.0/24", "2001:db8:7::/48")
PORTS = some.sampled_from([22, 53, 67, 68, 80, 443, 3389]) | some.integers(1, 65535)
PROTOCOLS = some.sampled_from([RuleProtocol.TCP, RuleProtocol.UDP])
WITHIN = some.sampled_from(NETWORKS).flatmap(lambda network: some.ip_addresses(network=network))
ADDRESSES = some.ip_addresses() | WITHIN
CHOSEN = some.lists(some.sampled_from(NETWORKS), unique=True)
DOORS = {(RuleProtocol.TCP, 3389), (RuleProtocol.UDP, 3389), (RuleProtocol.TCP, 22)}


def is_let_through(
    rules: Sequence[SecurityRule], direction: Direction, protocol: RuleProtocol, port: int, other: Address
) -> bool:
    """As Neutron decides about one packet; ``other`` is who is at the far end."""
    return any(
        rule.direction is direction
        and rule.is_ipv6 is (other.version == 6)
        and rule.protocol in (RuleProtocol.ANY, protocol)
        and (rule.first_port is None or rule.last_port is None or rule.first_port <= port <= rule.last_port)
        and (rule.remote is None or other in ip_network(rule.remote))
        for rule in rules
    )


@given(chosen=CHOSEN, direction=some.sampled_from(Direction), protocol=PROTOCOLS, port=PORTS, other=ADDRESSES)
def test_each_template_lets_through_what_it_says(
    chosen: list[str], direction: Direction, protocol: RuleProtocol, port: int, other: Address
) -> None:
    is_out, is_near = direction is Direction.OUT, any(other in ip_network(network) for network in chosen)
    is_asked_for_names = protocol is RuleProtocol.UDP and port in (53, 67, 68) and other.version == 4
    is_web = protocol is RuleProtocol.TCP and port in (80, 443)
    wanted = {
        Template.CLOSED: is_out,
        Template.OPEN: True,
        Template.REMOTE_DESKTOP: is_out or (is_near and (protocol, port) in DOORS),
        Template.EXAM: is_out and (is_asked_for_names or (is_near and is_web)),
    }
    packet = (direction, protocol, port, other)
    assert {template: is_let_through(rules_of(template, chosen), *packet) for template in Template} == wanted


@given(chosen=CHOSEN)
def test_rules_are_ones_that_neutron_takes(chosen: list[str]) -> None:
    for template in Template:
        rules = rules_of(template, chosen)
        assert len(set(rules)) == len(rules), "Neutron refuses the same rule twice"
        for rule in rules:
            assert rule.remote is None or rule.is_ipv6 is (ip_network(rule.remote).version == 6)
            assert (rule.first_port is None) is (rule.last_port is None) is (rule.protocol is RuleProtocol.ANY)
            assert (rule.id, rule.remote_group_id) == ("", None)


def test_those_that_are_to_be_told_networks_are_nothing_without_them() -> None:
    gateway = ip_address("10.20.0.5")
    asked = {
        Template.REMOTE_DESKTOP: (Direction.IN, RuleProtocol.TCP, 3389, gateway),
        Template.EXAM: (Direction.OUT, RuleProtocol.TCP, 443, gateway),
    }
    assert set(asked) == WITH_NETWORKS
    for template, packet in asked.items():
        assert not is_let_through(rules_of(template), *packet)
        assert is_let_through(rules_of(template, NETWORKS), *packet)
