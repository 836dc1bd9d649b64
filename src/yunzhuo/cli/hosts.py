"""``yunzhuo hosts``: the cloud's hosts (``yunzhuo host`` is about this computer's machines)."""

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.organizations import acting_in
from yunzhuo.cli.tables import table
from yunzhuo.services.hosts import HostChange, Move
from yunzhuo.services.overview import HostView


@click.group(cls=Group)
def hosts() -> None:
    """The cloud's hosts: what is left on each, close and open them, move what is on them."""


@hosts.command("list")
@pass_context
def list_hosts(context: CommandContext) -> None:
    """Show all hosts with what is left on them."""
    with acting_in(context, None) as (all_services, itself):
        found = all_services.overview.hosts(itself)
    rows = [
        (one.id, _state(one), one.zone, one.servers, f"{one.memory_free_mib}/{one.memory_mib}", "; ".join(one.problems))
        for one in found
    ]
    text = table(("HOST", "STATE", "ZONE", "SERVERS", "FREE MIB", "PROBLEMS"), rows)
    print_answer({"items": [_as_data(one) for one in found]}, text, as_json=context.json_output)


@hosts.command()
@click.argument("host")
@click.option("--reason", required=True, help="Why: others will want to know.")
@pass_context
def disable(context: CommandContext, host: str, reason: str) -> None:
    """Let no new servers come to HOST; those that are there go on."""
    _change(context, host, HostChange.DISABLE, "takes no new servers any more", reason)


@hosts.command()
@click.argument("host")
@pass_context
def enable(context: CommandContext, host: str) -> None:
    """Let servers come to HOST again."""
    _change(context, host, HostChange.ENABLE, "takes servers again")


@hosts.command("force-down")
@click.argument("host")
@pass_context
def force_down(context: CommandContext, host: str) -> None:
    """Say that HOST is dead. Refused while it is heard of; make sure that it is off before its servers are made anew."""
    _change(context, host, HostChange.FORCE_DOWN, "is taken for dead")


@hosts.command()
@click.argument("host")
@click.option("--how", type=click.Choice([each.value for each in Move]), default="live", show_default=True)
@click.option("--server", help="Id of the one server to move; without it all of ours.")
@click.option("--to", "target", help="The host to move to, while they run; without it the cloud chooses.")
@pass_context
def move(context: CommandContext, host: str, how: str, server: str | None, target: str | None) -> int:
    """Move servers off HOST: live (while they run), cold (off for a moment), or evacuate (made anew, of a dead host alone).

    The exit code is 1 when one of them is not moved.
    """
    with acting_in(context, None) as (all_services, itself):
        moved = all_services.hosts.move(itself, host, Move(how), server_id=server, target_host_id=target)
    rows = [(one.server_id, one.name, one.refusal.message if one.refusal else "on its way") for one in moved]
    items = [
        {
            "server_id": one.server_id,
            "name": one.name,
            "desktop_id": one.desktop_id,
            "problem": one.refusal.message if one.refusal else None,
        }
        for one in moved
    ]
    print_answer({"items": items}, table(("SERVER", "NAME", "WHAT BECAME OF IT"), rows), as_json=context.json_output)
    return 1 if any(one.refusal for one in moved) else 0


def _change(context: CommandContext, host: str, change: HostChange, said: str, reason: str = "") -> None:
    with acting_in(context, None) as (all_services, itself):
        all_services.hosts.change(itself, host, change, reason)
    print_answer({"host": host, "change": change.value}, f"{host} {said}.", as_json=context.json_output)


def _state(host: HostView) -> str:
    if host.is_forced_down:
        return "forced down"
    return "silent" if not host.is_up else "open" if host.is_enabled else "closed"


def _as_data(host: HostView) -> dict[str, object]:
    return {
        "id": host.id,
        "state": _state(host),
        "zone": host.zone,
        "aggregates": list(host.aggregates),
        "servers": host.servers,
        "vcpus": host.vcpus,
        "memory_mib": host.memory_mib,
        "memory_free_mib": host.memory_free_mib,
        "problems": list(host.problems),
    }
