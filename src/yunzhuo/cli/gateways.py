"""``yunzhuo gateways``: the doors to the desktops' screens, on this installation's own behalf."""

from dataclasses import asdict
from typing import Any

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.organizations import acting_in
from yunzhuo.cli.tables import table
from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.services.access import Actor
from yunzhuo.services.assembly import Services
from yunzhuo.services.gateways import GatewayState, GatewayView, NewKey


@click.group(cls=Group)
def gateways() -> None:
    """Gateways: which there are, how they are, and which take new sessions."""


@gateways.command("list")
@pass_context
def list_gateways(context: CommandContext) -> None:
    """Show all gateways."""
    with acting_in(context, None) as (all_services, itself):
        found = all_services.gateways.list(itself)
    rows = [
        (one.name, one.public_url, one.health, one.state, f"{one.sessions}/{one.capacity}" if one.capacity else one.sessions)
        for one in found
    ]
    text = table(("NAME", "ADDRESS", "HEALTH", "STATE", "CONNECTIONS"), rows)
    print_answer({"items": [as_data(one) for one in found]}, text, as_json=context.json_output)


@gateways.command()
@click.argument("name")
@click.argument("public_url")
@click.option("--internal-url", help="Its address for clients of inner networks.")
@pass_context
def add(context: CommandContext, name: str, public_url: str, internal_url: str | None) -> None:
    """Make a gateway known at PUBLIC_URL (wss://HOST:PORT), and print the key for its key file."""
    with acting_in(context, None) as (all_services, itself):
        made = all_services.gateways.create(itself, name, public_url, internal_url)
    _print_key(context, made)


@gateways.command()
@click.argument("name")
@pass_context
def key(context: CommandContext, name: str) -> None:
    """Print another key for a gateway; the one before it counts for an hour more."""
    with acting_in(context, None) as (all_services, itself):
        made = all_services.gateways.rotate_key(itself, _named(all_services, itself, name).id)
    _print_key(context, made)


@gateways.command()
@click.argument("name")
@pass_context
def drain(context: CommandContext, name: str) -> None:
    """Send nobody new to a gateway; who is connected stays so."""
    _set_state(context, name, GatewayState.DRAINING, "takes no new sessions any more")


@gateways.command()
@click.argument("name")
@pass_context
def use(context: CommandContext, name: str) -> None:
    """Send people to a drained gateway again."""
    _set_state(context, name, GatewayState.ACTIVE, "takes sessions again")


@gateways.command()
@click.argument("name")
@pass_context
def forget(context: CommandContext, name: str) -> None:
    """Forget a gateway that nobody is connected through; its history stays."""
    with acting_in(context, None) as (all_services, itself):
        all_services.gateways.delete(itself, _named(all_services, itself, name).id)
    print_answer({}, f"{name} is forgotten.", as_json=context.json_output)


@gateways.command("segments")
@click.option("--add", "network", metavar="CIDR", help="Take this network for an inner one.")
@click.option("--name", help="What it is called.")
@click.option("--remove", "gone", metavar="NAME", help="Take this one out.")
@pass_context
def segments(context: CommandContext, network: str | None, name: str | None, gone: str | None) -> None:
    """Show the client networks that go to internal addresses, or change them."""
    with acting_in(context, None) as (all_services, itself):
        service = all_services.gateways
        if network:
            service.add_segment(itself, name or network, network)
        if gone:
            known = {one.name: one.id for one in service.segments(itself)}
            if gone not in known:
                raise NotFound("segment_not_found", f"There is no segment {gone}.")
            service.remove_segment(itself, known[gone])
        found = service.segments(itself)
    text = table(("NAME", "NETWORK"), [(one.name, one.network) for one in found])
    print_answer({"items": [asdict(one) for one in found]}, text, as_json=context.json_output)


def _set_state(context: CommandContext, name: str, state: GatewayState, what: str) -> None:
    with acting_in(context, None) as (all_services, itself):
        changed = all_services.gateways.update(itself, _named(all_services, itself, name).id, state=state)
    print_answer(as_data(changed), f"{changed.name} {what}.", as_json=context.json_output)


def _named(all_services: Services, itself: Actor, name: str) -> GatewayView:
    found = next((one for one in all_services.gateways.list(itself) if one.name == name), None)
    if found is None:
        raise NotFound("gateway_not_found", f"There is no gateway {name}.")
    return found


def _print_key(context: CommandContext, made: NewKey) -> None:
    data = {"gateway": as_data(made.gateway), "key": made.key}
    text = f"The key of {made.gateway.name}, shown this once; put it into the gateway's key file:\n{made.key}"
    print_answer(data, text, as_json=context.json_output)


def as_data(view: GatewayView) -> dict[str, Any]:
    """A gateway for programs."""
    return {
        **asdict(view),
        "last_seen_at": view.last_seen_at.isoformat() if view.last_seen_at else None,
        "created_at": view.created_at.isoformat(),
    }
