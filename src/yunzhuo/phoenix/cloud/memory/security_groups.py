"""Security groups. In this cloud nothing is carried on networks, so they are only remembered."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from ipaddress import ip_network
from typing import Any, TypeVar

from yunzhuo.phoenix.cloud.errors import NetworkInUse, SecurityGroupNotFound
from yunzhuo.phoenix.cloud.memory import store, things
from yunzhuo.phoenix.cloud.memory.calls import Gate
from yunzhuo.phoenix.cloud.memory.state import Transaction
from yunzhuo.phoenix.cloud.memory.things import Thing
from yunzhuo.phoenix.cloud.network_resources import Direction, RuleProtocol, SecurityGroup, SecurityRule
from yunzhuo.phoenix.common.errors import InvalidInput

_Result = TypeVar("_Result")
_LAST_PORT = 65535
_WITH_PORTS = frozenset({RuleProtocol.TCP, RuleProtocol.UDP})


class MadeGroup(Thing):
    """A security group."""

    name: str
    description: str
    rules: tuple[dict[str, Any], ...] = ()


class SecurityGroups:
    """See :class:`yunzhuo.phoenix.cloud.interface.SecurityGroups`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def list(self) -> Sequence[SecurityGroup]:
        def read(transaction: Transaction) -> Sequence[SecurityGroup]:
            found = sorted(things.read_all(transaction, MadeGroup), key=lambda group: (group.name, group.id))
            return tuple(map(_as_group, found))

        return self._perform("list", "", read)

    def create(self, name: str, description: str, rules: Sequence[SecurityRule]) -> SecurityGroup:
        def make(transaction: Transaction) -> SecurityGroup:
            group = MadeGroup(id=transaction.draw_id(), name=name, description=description)
            for rule in rules:
                group = _with(transaction, group, rule)[0]
            things.write(transaction, group)
            return _as_group(group)

        return self._perform("create", name, make)

    def add_rule(self, group_id: str, rule: SecurityRule) -> SecurityRule:
        def add(transaction: Transaction) -> SecurityRule:
            group, added = _with(transaction, _read(transaction, group_id), rule)
            things.write(transaction, group)
            return added

        return self._perform("add_rule", group_id, add)

    def delete_rule(self, group_id: str, rule_id: str) -> None:
        def remove(transaction: Transaction) -> None:
            group = things.read(transaction, MadeGroup, group_id)
            if group is not None:
                left = tuple(rule for rule in group.rules if rule["id"] != rule_id)
                things.write(transaction, group.model_copy(update={"rules": left}))

        self._perform("delete_rule", group_id, remove)

    def delete(self, group_id: str) -> None:
        def remove(transaction: Transaction) -> None:
            if any(group_id in server.group_ids for server in store.read_servers(transaction)):
                raise NetworkInUse("A server is in the security group.", object_id=group_id)
            things.remove(transaction, MadeGroup, group_id)

        self._perform("delete", group_id, remove)

    def _perform(self, verb: str, subject: str, action: Callable[[Transaction], _Result]) -> _Result:
        return self._gate.perform(f"security_groups.{verb}", lambda transaction, _plan: action(transaction), subject=subject)


def check_groups(transaction: Transaction, group_ids: Sequence[str]) -> None:
    """Raises SecurityGroupNotFound for the first that is not there."""
    for group_id in group_ids:
        _read(transaction, group_id)


def _read(transaction: Transaction, group_id: str) -> MadeGroup:
    group = things.read(transaction, MadeGroup, group_id)
    if group is None:
        raise SecurityGroupNotFound(group_id)
    return group


def _with(transaction: Transaction, group: MadeGroup, rule: SecurityRule) -> tuple[MadeGroup, SecurityRule]:
    """The group with the rule, and the rule as it stands there."""
    _check(transaction, rule)
    there = next((each for each in _as_group(group).rules if replace(each, id="") == replace(rule, id="")), None)
    if there is not None:
        return group, there
    added = replace(rule, id=transaction.draw_id())
    return group.model_copy(update={"rules": (*group.rules, asdict(added))}), added


def _check(transaction: Transaction, rule: SecurityRule) -> None:
    ports = (rule.first_port, rule.last_port)
    if rule.protocol in _WITH_PORTS:
        are_ports = all(port is None or 1 <= port <= _LAST_PORT for port in ports) and (ports[0] is None) == (ports[1] is None)
        is_range = ports[0] is None or ports[1] is None or ports[0] <= ports[1]
    else:
        are_ports, is_range = ports == (None, None), True
    try:
        is_remote = rule.remote is None or (ip_network(rule.remote).version == 6) == rule.is_ipv6  # noqa: PLR2004
    except ValueError:
        is_remote = False
    if not (are_ports and is_range and is_remote):
        raise InvalidInput("The cloud refused: there is no such range of ports or addresses.", code="cloud_refused")
    if rule.remote_group_id is not None:
        _read(transaction, rule.remote_group_id)


def _as_group(group: MadeGroup) -> SecurityGroup:
    rules = [
        SecurityRule(**{**rule, "direction": Direction(rule["direction"]), "protocol": RuleProtocol(rule["protocol"])})
        for rule in group.rules
    ]
    in_order = sorted(rules, key=lambda rule: (rule.direction, rule.is_ipv6, rule.id))
    return SecurityGroup(group.id, group.name, group.description, tuple(in_order))
