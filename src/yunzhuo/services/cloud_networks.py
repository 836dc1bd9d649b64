"""Networks, routers and security groups as operators deal with them. The cloud keeps them; here is who may, and the record."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import TypeVar

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.network_resources import (
    Direction,
    NetworkDetails,
    Router,
    RuleProtocol,
    SecurityGroup,
    SecurityRule,
    SubnetRequest,
)
from yunzhuo.phoenix.common.errors import InvalidInput, YunzhuoError
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.catalog import CatalogService
from yunzhuo.services.rules import naming
from yunzhuo.services.rules.security_templates import WITH_NETWORKS, Template, rules_of
from yunzhuo.services.stated import needs

__all__ = [
    "Direction",
    "NetworkDetails",
    "NetworkService",
    "Router",
    "RuleProtocol",
    "SecurityGroup",
    "SecurityRule",
    "SubnetRequest",
    "Template",
]

_Made = TypeVar("_Made", NetworkDetails, Router, SecurityGroup)


class NetworkService:
    """All raise the cloud's errors: NotFound, Conflict (``network_in_use``), LimitReached, InvalidInput, CloudNotOffered."""

    def __init__(self, db: Database, cloud: Cloud, audit: AuditLog, catalog: CatalogService) -> None:
        self._catalog = catalog
        self._db = db
        self._cloud = cloud
        self._audit = audit

    @needs("network:read")
    def networks(self, actor: Actor) -> Sequence[NetworkDetails]:
        """All networks that the cloud shows us, by name."""
        return self._cloud.networks.details()

    @needs("network:change")
    def create_network(self, actor: Actor, name: str, subnet: SubnetRequest) -> NetworkDetails:
        """Make a network with a subnet."""
        name = naming.checked_name(name)
        return self._made(actor, "network", lambda: self._cloud.networks.create(name, _checked(subnet)))

    @needs("network:change")
    def add_subnet(self, actor: Actor, network_id: str, subnet: SubnetRequest) -> NetworkDetails:
        """Another range on a network of ours."""
        return self._made(actor, "network", lambda: self._cloud.networks.add_subnet(network_id, _checked(subnet)))

    @needs("network:change")
    def delete_subnet(self, actor: Actor, subnet_id: str) -> None:
        """Remove a range."""
        self._do(actor, "subnet", subnet_id, "deleted", lambda: self._cloud.networks.delete_subnet(subnet_id))

    @needs("network:change")
    def delete_network(self, actor: Actor, network_id: str) -> None:
        """Remove a network that nothing is on."""
        self._do(actor, "network", network_id, "deleted", lambda: self._cloud.networks.delete(network_id))

    @needs("network:read")
    def routers(self, actor: Actor) -> Sequence[Router]:
        """All routers of ours, by name."""
        return self._cloud.routers.list()

    @needs("network:change")
    def create_router(self, actor: Actor, name: str, external_network_id: str | None = None) -> Router:
        """Make a router, with a gateway or none."""
        name = naming.checked_name(name)
        return self._made(actor, "router", lambda: self._cloud.routers.create(name, external_network_id))

    @needs("network:change")
    def set_gateway(self, actor: Actor, router_id: str, external_network_id: str | None) -> None:
        """Put a router's gateway on another external network; None: on none."""
        what = f"gateway {external_network_id or 'none'}"
        self._do(actor, "router", router_id, what, lambda: self._cloud.routers.set_gateway(router_id, external_network_id))

    @needs("network:change")
    def connect_router(self, actor: Actor, router_id: str, subnet_id: str) -> None:
        """Lead a router to a subnet."""
        what = f"connected {subnet_id}"
        self._do(actor, "router", router_id, what, lambda: self._cloud.routers.connect(router_id, subnet_id))

    @needs("network:change")
    def disconnect_router(self, actor: Actor, router_id: str, subnet_id: str) -> None:
        """Lead it there no more."""
        what = f"disconnected {subnet_id}"
        self._do(actor, "router", router_id, what, lambda: self._cloud.routers.disconnect(router_id, subnet_id))

    @needs("network:change")
    def delete_router(self, actor: Actor, router_id: str) -> None:
        """Remove a router that leads nowhere."""
        self._do(actor, "router", router_id, "deleted", lambda: self._cloud.routers.delete(router_id))

    @needs("network:read")
    def security_groups(self, actor: Actor) -> Sequence[SecurityGroup]:
        """All security groups of ours, by name."""
        return self._cloud.security_groups.list()

    @needs("network:change")
    def create_security_group(
        self, actor: Actor, name: str, description: str, template: Template, networks: Sequence[str] = ()
    ) -> SecurityGroup:
        """Make a group of a template's rules; ``networks`` are for the templates that need them."""
        name = naming.checked_name(name)
        known = [_network("networks", each) for each in networks]
        if (template in WITH_NETWORKS) != bool(known):
            wrong = "needs networks" if template in WITH_NETWORKS else "takes no networks"
            raise InvalidInput(f"The template {template.value} {wrong}.", fields={"networks": wrong})
        rules = rules_of(template, known)
        return self._made(actor, "security_group", lambda: self._cloud.security_groups.create(name, description, rules))

    @needs("network:change")
    def add_rule(self, actor: Actor, group_id: str, rule: SecurityRule) -> SecurityRule:
        """Let more through."""
        added = self._cloud.security_groups.add_rule(group_id, rule)
        self._record(actor, "security_group", group_id, {"added": added.id})
        return added

    @needs("network:change")
    def delete_rule(self, actor: Actor, group_id: str, rule_id: str) -> None:
        """Let that through no more."""
        removed = f"removed {rule_id}"
        self._do(actor, "security_group", group_id, removed, lambda: self._cloud.security_groups.delete_rule(group_id, rule_id))

    @needs("network:change")
    def delete_security_group(self, actor: Actor, group_id: str) -> None:
        """Remove a group that no server is in."""
        self._do(actor, "security_group", group_id, "deleted", lambda: self._cloud.security_groups.delete(group_id))

    def _made(self, actor: Actor, kind: str, make: Callable[[], _Made]) -> _Made:
        made = make()
        self._record(actor, kind, made.id, {"name": made.name})
        return made

    def _do(self, actor: Actor, kind: str, object_id: str, what: str, ask: Callable[[], None]) -> None:
        ask()
        self._record(actor, kind, object_id, {"change": what})

    def _record(self, actor: Actor, kind: str, object_id: str, after: Mapping[str, object]) -> None:
        self._write_down(actor, kind, object_id, after)
        # It can be chosen at once; else the scheduler sees it soon.
        with suppress(YunzhuoError):
            self._catalog.synchronize_places()

    @retried_when_contended
    def _write_down(self, actor: Actor, kind: str, object_id: str, after: Mapping[str, object]) -> None:
        with self._db.transaction() as tx:
            self._audit.record(tx, actor, "network:change", kind, object_id[:36], after=after)


def _checked(subnet: SubnetRequest) -> SubnetRequest:
    """Raises InvalidInput for what can be no subnet, whatever the cloud is."""
    _network("cidr", subnet.cidr)
    for name, address in (("gateway", subnet.gateway), *(("dns_servers", each) for each in subnet.dns_servers)):
        try:
            _ = None if address is None else ip_address(address)
        except ValueError as error:
            raise InvalidInput("This is no address.", fields={name: str(error)}) from error
    return subnet


def _network(field: str, text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise InvalidInput("This is no range of addresses.", fields={field: str(error)}) from error
