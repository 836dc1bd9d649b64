"""Floating IPs: ``yunzhuo address list``, and the commands of ``yunzhuo desktop`` that give and take them."""

from dataclasses import asdict
from datetime import datetime

import click

from yunzhuo.cli.asking import acting, following, found, told
from yunzhuo.cli.context import Command, CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.organizations import acting_in, organization_option
from yunzhuo.cli.tables import table


@click.group(cls=Group)
def address() -> None:
    """Floating IPs."""


@address.command("list")
@organization_option
@pass_context
def list_addresses(context: CommandContext, organization: str | None) -> None:
    """Show which there are, and which desktops have them."""
    with acting_in(context, organization) as (all_services, itself):
        listed = all_services.addresses.list(itself)
    rows = [
        (each.address or "", each.state, each.desktop_name or "", each.owner_email or "", each.since or "") for each in listed
    ]
    items = [
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(each).items()}
        for each in listed
    ]
    print_answer({"items": items}, table(("ADDRESS", "STATE", "DESKTOP", "OWNER", "SINCE"), rows), as_json=context.json_output)


@click.command("assign-address", cls=Command)
@click.argument("reference", metavar="ID|NAME")
@following
@pass_context
def assign(context: CommandContext, reference: str, follow_it: bool) -> int:
    """Give a floating IP, at which other networks reach the desktop."""
    with acting(context) as (all_services, actor):
        accepted = all_services.addresses.assign(actor, found(all_services, actor, reference).id)
        return told(context, all_services, actor, accepted.operation, wait=follow_it)


@click.command("release-address", cls=Command)
@click.argument("reference", metavar="ID|NAME")
@following
@pass_context
def release(context: CommandContext, reference: str, follow_it: bool) -> int:
    """Take the floating IP away; another desktop may get it."""
    with acting(context) as (all_services, actor):
        accepted = all_services.addresses.release(actor, found(all_services, actor, reference).id)
        return told(context, all_services, actor, accepted.operation, wait=follow_it)
