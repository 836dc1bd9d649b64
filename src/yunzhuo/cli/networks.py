"""``yunzhuo network``, ``router`` and ``security-group``: the cloud's networks, on this installation's own behalf."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.organizations import acting_in
from yunzhuo.cli.tables import table
from yunzhuo.services.cloud_networks import Direction, RuleProtocol, SecurityRule, SubnetRequest, Template

_DNS = click.option("--dns", multiple=True, metavar="ADDRESS", help="A name server for its machines; again for more.")
_GATEWAY = click.option("--gateway", metavar="ADDRESS", help="Else the first address.")


@click.group(cls=Group)
def network() -> None:
    """Networks and their ranges of addresses."""


@network.command("list")
@pass_context
def list_networks(context: CommandContext) -> None:
    """Show all networks, their ranges, and how full these are."""
    with acting_in(context, None) as (all_services, itself):
        found = all_services.cloud_networks.networks(itself)
    rows = [
        (one.id, one.name, "ours" if one.is_ours else "external" if one.is_external else "shared", *_of(subnet))
        for one in found
        for subnet in (one.subnets or (None,))
    ]
    text = table(("NETWORK", "NAME", "WHOSE", "SUBNET", "RANGE", "TAKEN"), rows)
    print_answer({"items": [asdict(one) for one in found]}, text, as_json=context.json_output)


@network.command("create")
@click.argument("name")
@click.argument("cidr")
@_GATEWAY
@_DNS
@click.option("--no-dhcp", is_flag=True, help="Its machines find their addresses otherwise.")
@pass_context
def create_network(
    context: CommandContext, name: str, cidr: str, gateway: str | None, dns: tuple[str, ...], no_dhcp: bool
) -> None:
    """Make a network NAME with the range CIDR."""
    with acting_in(context, None) as (all_services, itself):
        subnet = SubnetRequest(cidr, cidr, gateway, not no_dhcp, dns)
        made = all_services.cloud_networks.create_network(itself, name, subnet)
    print_answer(asdict(made), f"{made.id} is {made.name} now.", as_json=context.json_output)


@network.command("add-subnet")
@click.argument("network_id", metavar="NETWORK")
@click.argument("cidr")
@_GATEWAY
@_DNS
@pass_context
def add_subnet(context: CommandContext, network_id: str, cidr: str, gateway: str | None, dns: tuple[str, ...]) -> None:
    """Give NETWORK (its id) another range."""
    with acting_in(context, None) as (all_services, itself):
        subnet = SubnetRequest(cidr, cidr, gateway, dns_servers=dns)
        made = all_services.cloud_networks.add_subnet(itself, network_id, subnet)
    print_answer(asdict(made), f"{made.name} has {len(made.subnets)} ranges now.", as_json=context.json_output)


@network.command("delete-subnet")
@click.argument("subnet_id", metavar="SUBNET")
@pass_context
def delete_subnet(context: CommandContext, subnet_id: str) -> None:
    """Take a range (its id) away."""
    with acting_in(context, None) as (all_services, itself):
        all_services.cloud_networks.delete_subnet(itself, subnet_id)
    _gone(context, subnet_id)


@network.command("delete")
@click.argument("network_id", metavar="NETWORK")
@pass_context
def delete_network(context: CommandContext, network_id: str) -> None:
    """Delete NETWORK (its id), which nothing may be on."""
    with acting_in(context, None) as (all_services, itself):
        all_services.cloud_networks.delete_network(itself, network_id)
    _gone(context, network_id)


@click.group(cls=Group)
def router() -> None:
    """Routers: what leads from one network to others."""


@router.command("list")
@pass_context
def list_routers(context: CommandContext) -> None:
    """Show all routers and what they lead to."""
    with acting_in(context, None) as (all_services, itself):
        found = all_services.cloud_networks.routers(itself)
    rows = [(one.id, one.name, one.external_network_id or "", " ".join(one.subnet_ids)) for one in found]
    text = table(("ROUTER", "NAME", "GATEWAY ON", "SUBNETS"), rows)
    print_answer({"items": [asdict(one) for one in found]}, text, as_json=context.json_output)


@router.command("create")
@click.argument("name")
@click.option("--gateway", "external", metavar="NETWORK", help="Id of the external network that its gateway is on.")
@pass_context
def create_router(context: CommandContext, name: str, external: str | None) -> None:
    """Make a router."""
    with acting_in(context, None) as (all_services, itself):
        made = all_services.cloud_networks.create_router(itself, name, external)
    print_answer(asdict(made), f"{made.id} is {made.name} now.", as_json=context.json_output)


@router.command("set-gateway")
@click.argument("router_id", metavar="ROUTER")
@click.argument("external", metavar="[NETWORK]", required=False)
@pass_context
def set_gateway(context: CommandContext, router_id: str, external: str | None) -> None:
    """Put ROUTER's gateway on an external NETWORK; without one it has none."""
    with acting_in(context, None) as (all_services, itself):
        all_services.cloud_networks.set_gateway(itself, router_id, external)
    print_answer({"gateway": external}, f"The gateway is on {external or 'no network'}.", as_json=context.json_output)


@router.command("connect")
@click.argument("router_id", metavar="ROUTER")
@click.argument("subnet_id", metavar="SUBNET")
@pass_context
def connect(context: CommandContext, router_id: str, subnet_id: str) -> None:
    """Lead ROUTER to SUBNET."""
    with acting_in(context, None) as (all_services, itself):
        all_services.cloud_networks.connect_router(itself, router_id, subnet_id)
    print_answer({"connected": subnet_id}, f"{router_id} leads to {subnet_id}.", as_json=context.json_output)


@router.command("disconnect")
@click.argument("router_id", metavar="ROUTER")
@click.argument("subnet_id", metavar="SUBNET")
@pass_context
def disconnect(context: CommandContext, router_id: str, subnet_id: str) -> None:
    """Lead ROUTER to SUBNET no more."""
    with acting_in(context, None) as (all_services, itself):
        all_services.cloud_networks.disconnect_router(itself, router_id, subnet_id)
    print_answer({"disconnected": subnet_id}, f"{router_id} leads to {subnet_id} no more.", as_json=context.json_output)


@router.command("delete")
@click.argument("router_id", metavar="ROUTER")
@pass_context
def delete_router(context: CommandContext, router_id: str) -> None:
    """Delete ROUTER, which may lead nowhere."""
    with acting_in(context, None) as (all_services, itself):
        all_services.cloud_networks.delete_router(itself, router_id)
    _gone(context, router_id)


@click.group("security-group", cls=Group)
def security_group() -> None:
    """Security groups: what networks let through to and from desktops."""


@security_group.command("list")
@pass_context
def list_groups(context: CommandContext) -> None:
    """Show all security groups and their rules."""
    with acting_in(context, None) as (all_services, itself):
        found = all_services.cloud_networks.security_groups(itself)
    rows = [(one.id, one.name, rule.id, _said(rule)) for one in found for rule in one.rules]
    rows += [(one.id, one.name, "", "nothing in, nothing out") for one in found if not one.rules]
    text = table(("GROUP", "NAME", "RULE", "LETS THROUGH"), rows)
    print_answer({"items": [asdict(one) for one in found]}, text, as_json=context.json_output)


@security_group.command("create")
@click.argument("name")
@click.argument("template", type=click.Choice([each.value for each in Template]))
@click.option("--network", "networks", multiple=True, metavar="CIDR", help="For remote_desktop and exam; again for more.")
@click.option("--description", default="", help="What it is for.")
@pass_context
def create_group(context: CommandContext, name: str, template: str, networks: tuple[str, ...], description: str) -> None:
    """Make a group of a template: closed, remote_desktop, exam or open."""
    with acting_in(context, None) as (all_services, itself):
        made = all_services.cloud_networks.create_security_group(itself, name, description, Template(template), networks)
    print_answer(asdict(made), f"{made.id} is {made.name} now.", as_json=context.json_output)


@security_group.command("add-rule")
@click.argument("group_id", metavar="GROUP")
@click.argument("direction", type=click.Choice([each.value for each in Direction]))
@click.option("--protocol", type=click.Choice([each.value for each in RuleProtocol]), default="any", show_default=True)
@click.option("--ports", nargs=2, type=click.IntRange(1, 65535), metavar="FIRST LAST", help="For tcp and udp.")
@click.option("--network", "remote", metavar="CIDR", help="From or to there alone.")
@click.option("--ipv6", is_flag=True)
@pass_context
def add_rule(
    context: CommandContext,
    group_id: str,
    direction: str,
    protocol: str,
    ports: tuple[int, int] | None,
    remote: str | None,
    ipv6: bool,
) -> None:
    """Let more through GROUP (its id), in or out."""
    first, last = ports or (None, None)
    wish = SecurityRule(Direction(direction), RuleProtocol(protocol), first, last, remote, is_ipv6=ipv6)
    with acting_in(context, None) as (all_services, itself):
        made = all_services.cloud_networks.add_rule(itself, group_id, wish)
    print_answer(asdict(made), f"{made.id}: {_said(made)}", as_json=context.json_output)


@security_group.command("delete-rule")
@click.argument("group_id", metavar="GROUP")
@click.argument("rule_id", metavar="RULE")
@pass_context
def delete_rule(context: CommandContext, group_id: str, rule_id: str) -> None:
    """Let what RULE of GROUP says through no more."""
    with acting_in(context, None) as (all_services, itself):
        all_services.cloud_networks.delete_rule(itself, group_id, rule_id)
    _gone(context, rule_id)


@security_group.command("delete")
@click.argument("group_id", metavar="GROUP")
@pass_context
def delete_group(context: CommandContext, group_id: str) -> None:
    """Delete GROUP, which no server may be in."""
    with acting_in(context, None) as (all_services, itself):
        all_services.cloud_networks.delete_security_group(itself, group_id)
    _gone(context, group_id)


def _of(subnet: Any) -> tuple[str, str, str]:
    if subnet is None:
        return "", "", ""
    return subnet.id, subnet.cidr, "" if subnet.addresses is None else f"{subnet.addresses_used} of {subnet.addresses}"


def _said(rule: SecurityRule) -> str:
    ports = "" if rule.first_port is None else f" {rule.first_port}-{rule.last_port}"
    where = rule.remote or rule.remote_group_id or "everywhere"
    return f"{rule.direction.value} {'IPv6 ' if rule.is_ipv6 else ''}{rule.protocol.value}{ports} {where}"


def _gone(context: CommandContext, object_id: str) -> None:
    answer: Mapping[str, object] = {"deleted": object_id}
    print_answer(answer, f"{object_id} is gone.", as_json=context.json_output)
