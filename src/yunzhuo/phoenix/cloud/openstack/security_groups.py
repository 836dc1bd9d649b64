"""Security groups of driver ``openstack``."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from yunzhuo.phoenix.cloud.errors import NetworkInUse, SecurityGroupNotFound
from yunzhuo.phoenix.cloud.network_resources import Direction, RuleProtocol, SecurityGroup, SecurityRule
from yunzhuo.phoenix.cloud.openstack.connection import Connection, Json, Refusals
from yunzhuo.phoenix.cloud.openstack.network_refusals import MAKING, gone, in_use, is_id
from yunzhuo.phoenix.common.errors import Conflict, NotFound, YunzhuoError

_DIRECTIONS = {Direction.IN: "ingress", Direction.OUT: "egress"}
_READ_DIRECTIONS = {word: direction for direction, word in _DIRECTIONS.items()}
#: Neutron knows more protocols, by name and by number: those read as any of them.
_ICMP_OF_IPV6 = frozenset({"ipv6-icmp", "icmpv6"})


class OpenStackSecurityGroups:
    """See the interface for the promises."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[SecurityGroup]:
        path = f"/security-groups?project_id={self._connection.project_id}"
        groups = (_read(each) for each in self._connection.pages("network", path, "security_groups"))
        return sorted(groups, key=lambda group: (group.name, group.id))

    def create(self, name: str, description: str, rules: Sequence[SecurityRule]) -> SecurityGroup:
        wanted = {"name": name, "description": description}
        made = self._ask("POST", "/security-groups", {"security_group": wanted}, MAKING)["security_group"]
        group_id = str(made["id"])
        try:
            # Neutron lets everything out of a new group: what stays is what was asked for.
            for rule in made["security_group_rules"]:
                self._delete_rule(rule["id"])
            for wish in rules:
                self.add_rule(group_id, wish)
            return self._get(group_id)
        except YunzhuoError:
            with suppress(YunzhuoError):
                self.delete(group_id)
            raise

    def add_rule(self, group_id: str, rule: SecurityRule) -> SecurityRule:
        group = self._get(group_id)
        there = _same(group.rules, rule)
        if there is not None:
            return there
        refusals: Refusals = {
            400: MAKING[400],
            404: gone(SecurityGroupNotFound, rule.remote_group_id or group_id),
            409: lambda said, **details: Conflict("rule_refused", said, **details),
        }
        try:
            made = self._ask("POST", "/security-group-rules", {"security_group_rule": _body(group_id, rule)}, refusals)
        except Conflict as refused:
            # Neutron says 409 of a rule that is there by now, and of a used up quota.
            there = _same(self._get(group_id).rules, rule)
            if there is None:
                raise MAKING[409](refused.message, **refused.details) from refused
            return there
        return _read_rule(made["security_group_rule"])

    def delete_rule(self, group_id: str, rule_id: str) -> None:
        with suppress(NotFound):
            if any(rule.id == rule_id for rule in self._get(group_id).rules):
                self._delete_rule(rule_id)

    def delete(self, group_id: str) -> None:
        with suppress(NotFound):
            if self._get(group_id).name == "default":
                raise NetworkInUse("The cloud's default security group stays.", object_id=group_id)
            refusals: Refusals = {404: gone(SecurityGroupNotFound, group_id), 409: in_use("security group", group_id)}
            self._ask("DELETE", f"/security-groups/{group_id}", None, refusals)

    def _delete_rule(self, rule_id: str) -> None:
        with suppress(NotFound):
            self._ask("DELETE", f"/security-group-rules/{rule_id}", None, {404: gone(SecurityGroupNotFound, rule_id)})

    def _get(self, group_id: str) -> SecurityGroup:
        """One of our project. Raises SecurityGroupNotFound."""
        if not is_id(group_id):
            raise SecurityGroupNotFound(group_id)
        refusals: Refusals = {404: gone(SecurityGroupNotFound, group_id)}
        found = self._ask("GET", f"/security-groups/{group_id}", None, refusals)["security_group"]
        if found["project_id"] != self._connection.project_id:
            raise SecurityGroupNotFound(group_id)
        return _read(found)

    def _ask(self, method: str, path: str, body: Json | None, refusals: Refusals) -> Json:
        return self._connection.ask("network", method, path, body, refusals=refusals)


def check_groups(connection: Connection, group_ids: Sequence[str]) -> None:
    """Raises SecurityGroupNotFound for the first that the project does not have."""
    there = {group.id for group in OpenStackSecurityGroups(connection).list()} if group_ids else set()
    for group_id in group_ids:
        if group_id not in there:
            raise SecurityGroupNotFound(group_id)


def _same(rules: Sequence[SecurityRule], wanted: SecurityRule) -> SecurityRule | None:
    """The rule that lets through what the wanted one does."""
    return next((rule for rule in rules if _body("", rule) == _body("", wanted)), None)


def _body(group_id: str, rule: SecurityRule) -> Mapping[str, object]:
    protocol = "ipv6-icmp" if rule.protocol is RuleProtocol.ICMP and rule.is_ipv6 else rule.protocol.value
    return {
        "security_group_id": group_id,
        "direction": _DIRECTIONS[rule.direction],
        "ethertype": "IPv6" if rule.is_ipv6 else "IPv4",
        "protocol": None if rule.protocol is RuleProtocol.ANY else protocol,
        "port_range_min": rule.first_port,
        "port_range_max": rule.last_port,
        "remote_ip_prefix": rule.remote,
        "remote_group_id": rule.remote_group_id,
    }


def _read(found: Json) -> SecurityGroup:
    rules = sorted(map(_read_rule, found["security_group_rules"]), key=lambda rule: (rule.direction, rule.is_ipv6, rule.id))
    return SecurityGroup(found["id"], found["name"], found.get("description") or "", tuple(rules))


def _read_rule(found: Json) -> SecurityRule:
    word = found.get("protocol")
    known = {protocol.value: protocol for protocol in RuleProtocol}
    protocol = RuleProtocol.ICMP if word in _ICMP_OF_IPV6 else known.get(word or "", RuleProtocol.ANY)
    return SecurityRule(
        direction=_READ_DIRECTIONS[found["direction"]],
        protocol=protocol,
        first_port=found.get("port_range_min"),
        last_port=found.get("port_range_max"),
        remote=found.get("remote_ip_prefix"),
        remote_group_id=found.get("remote_group_id"),
        is_ipv6=found["ethertype"] == "IPv6",
        id=found["id"],
    )
