"""``yunzhuo screens``: who has which screen open and how good the line is, on this installation's own behalf."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.organizations import acting_in, organization_option
from yunzhuo.cli.tables import table
from yunzhuo.services.screens import ScreenView


@click.group(cls=Group)
def screens() -> None:
    """Screens that people have open, and had."""


@screens.command("list")
@organization_option
@pass_context
def list_screens(context: CommandContext, organization: str | None) -> None:
    """Show who is on what now, and how good the line is."""
    with acting_in(context, organization) as (all_services, itself):
        found = all_services.screens.open_now(itself)
    rows = [
        (
            *(one.id, one.email, one.desktop_name, one.client_address, one.gateway, one.protocol, one.channels),
            "broken" if one.broken_at else "" if one.round_trip_ms is None else f"{one.round_trip_ms:.1f} ms",
            *(one.drops, one.bytes_in, one.bytes_out, one.last_input_at or ""),
        )
        for one in found
    ]
    heads = ("ID", "PERSON", "DESKTOP", "FROM", "GATEWAY", "PROTOCOL", "CHANNELS", "LINE", "DROPS", "IN", "OUT", "LAST INPUT")
    print_answer({"items": [as_data(one) for one in found]}, table(heads, rows), as_json=context.json_output)


@screens.command()
@organization_option
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@pass_context
def history(context: CommandContext, organization: str | None, limit: int) -> None:
    """Show screens that were closed, the one opened last first."""
    with acting_in(context, organization) as (all_services, itself):
        found = all_services.screens.history(itself, limit=limit)
    rows = [
        (
            *(one.email, one.desktop_name, one.client_address, one.gateway, one.protocol),
            *(one.started_at, one.ended_at or "", one.end_reason or "", one.bytes_in, one.bytes_out),
        )
        for one in found
    ]
    heads = ("PERSON", "DESKTOP", "FROM", "GATEWAY", "PROTOCOL", "OPENED", "CLOSED", "WHY", "IN", "OUT")
    print_answer({"items": [as_data(one) for one in found]}, table(heads, rows), as_json=context.json_output)


@screens.command()
@organization_option
@click.argument("screen_id")
@pass_context
def end(context: CommandContext, organization: str | None, screen_id: str) -> None:
    """Close a screen that somebody has open, within a second."""
    with acting_in(context, organization) as (all_services, itself):
        all_services.screens.end(itself, screen_id)
    print_answer({"id": screen_id}, "The screen is closed.", as_json=context.json_output)


def as_data(view: ScreenView) -> dict[str, Any]:
    """A screen for programs."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(view).items()}
