"""``yunzhuo host``: the virtual machines of this computer."""

from dataclasses import asdict

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.processes import make_home, supervised_option
from yunzhuo.cli.tables import table
from yunzhuo.host import server
from yunzhuo.phoenix import cloud
from yunzhuo.phoenix.common import logging


@click.group(cls=Group, invoke_without_command=True)
@supervised_option
@click.pass_context
def host(call: click.Context, supervised: bool) -> int:
    """Run the process that owns this computer's virtual machines; they outlive it."""
    if call.invoked_subcommand is not None:
        return 0
    settings = call.ensure_object(CommandContext).settings()
    make_home(settings)
    logging.configure("host", level=settings.log.level, style=settings.log.style)
    return server.run(settings, supervised)


@host.command()
@pass_context
def stop_all(context: CommandContext) -> None:
    """End all machines of this computer, gently where their guests let us; whether or not Yunzhuo runs."""
    settings = context.settings()
    make_home(settings)
    logging.configure("host", level="warning", style=settings.log.style)
    n_stopped = server.stop_all(settings)
    text = f"{n_stopped} machines were stopped." if n_stopped != 1 else "1 machine was stopped."
    print_answer({"stopped": n_stopped}, text, as_json=context.json_output)


@host.command()
@pass_context
def status(context: CommandContext) -> None:
    """Show the machines of this computer and the room that is left, as the host process sees them."""
    connected = cloud.connect(context.settings())
    try:
        hosts, servers = connected.hosts.list(), connected.servers.list()
    finally:
        connected.close()
    data = {"hosts": [asdict(one) for one in hosts], "servers": [asdict(one) for one in servers]}
    rows = [(one.id, one.name, one.status, one.fault or "") for one in servers]
    rooms = [
        f"{one.name} ({one.accelerator}): {one.memory_free_mib} MiB of memory and {one.disk_free_mib} MiB of disk are free"
        for one in hosts
    ]
    problems = [problem for one in hosts for problem in one.problems]
    text = "\n".join([*rooms, *problems, "", table(("ID", "NAME", "STATE", ""), rows)])
    print_answer(data, text, as_json=context.json_output)
