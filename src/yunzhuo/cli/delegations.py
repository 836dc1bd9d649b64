"""``yunzhuo delegation``: whom people let use their desktops, and until when."""

from datetime import timedelta

import click

from yunzhuo.cli.asking import acting
from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.tables import table
from yunzhuo.phoenix.common.clock import SystemClock
from yunzhuo.services.delegations import DELEGATED_VERBS, LONGEST


@click.group(cls=Group)
@click.option("--as", "email", metavar="EMAIL", help="Whose desktops; else the first administrator's.")
@click.pass_context
def delegation(context: click.Context, email: str | None) -> None:
    """What people let each other do with their desktops."""
    context.meta["yunzhuo.as"] = email


@delegation.command("list")
@pass_context
def list_delegations(context: CommandContext) -> None:
    """Show what the person lets others do, and others the person."""
    with acting(context) as (all_services, actor):
        found = all_services.delegations.list(actor)
    rows = [(each.from_email, each.to_email, each.expires_at.isoformat(), " ".join(each.verbs)) for each in found]
    data = [
        {"from": each.from_email, "to": each.to_email, "until": each.expires_at.isoformat(), "verbs": list(each.verbs)}
        for each in found
    ]
    print_answer({"items": data}, table(("FROM", "TO", "UNTIL", "VERBS"), rows), as_json=context.json_output)


@delegation.command()
@click.argument("to", metavar="EMAIL")
@click.argument("verbs", metavar="[VERB]...", nargs=-1)
@click.option("--days", type=click.IntRange(1, LONGEST.days), default=7, show_default=True, help="For so long.")
@pass_context
def let(context: CommandContext, to: str, verbs: tuple[str, ...], days: int) -> None:
    """Let somebody use the person's desktops, in place of what they were let before; without a VERB, all that can be let."""
    chosen = verbs or DELEGATED_VERBS
    until = SystemClock().now() + timedelta(days=days)
    with acting(context) as (all_services, actor):
        all_services.delegations.let(actor, all_services.accounts.by_email(to).id, chosen, until)
    data = {"from": actor.email, "to": to, "until": until.isoformat(), "verbs": sorted({"desktop:read", *chosen})}
    print_answer(data, f"{to} may use the desktops of {actor.email} for {days} days.", as_json=context.json_output)


@delegation.command("take-back")
@click.argument("to", metavar="EMAIL")
@pass_context
def take_back(context: CommandContext, to: str) -> None:
    """Let somebody do nothing any more with the person's desktops."""
    with acting(context) as (all_services, actor):
        all_services.delegations.take_back(actor, all_services.accounts.by_email(to).id)
    text = f"{to} may do nothing any more with the desktops of {actor.email}."
    print_answer({"from": actor.email, "to": to}, text, as_json=context.json_output)
