"""The table of all commands."""

import importlib

import click

from yunzhuo import __version__
from yunzhuo.cli.context import Group

# Name -> where its command is, and what it is for (so that help needs no imports).
_COMMANDS = {
    "up": ("yunzhuo.cli.up:up", "Start everything on this computer."),
    "service": ("yunzhuo.cli.service:service", "Yunzhuo as a service: install, start, stop, status, uninstall."),
    "doctor": ("yunzhuo.cli.doctor:doctor", "Say what is wrong here and what to do."),
    "config": ("yunzhuo.cli.config:config", "The settings: check, show, template."),
    "db": ("yunzhuo.cli.database:db", "The database."),
    "user": ("yunzhuo.cli.user:user", "Accounts."),
    "group": ("yunzhuo.cli.quotas:group", "Groups of people."),
    "role": ("yunzhuo.cli.roles:role", "Roles: what people may."),
    "delegation": ("yunzhuo.cli.delegations:delegation", "Whom people let use their desktops."),
    "organization": ("yunzhuo.cli.organizations:organization", "Organizations."),
    "quota": ("yunzhuo.cli.quotas:quota", "How much there is for whom."),
    "audit": ("yunzhuo.cli.audit:audit", "The record of who did what."),
    "mail": ("yunzhuo.cli.mail:mail", "Whether mail goes out."),
    "desktop": ("yunzhuo.cli.desktops:desktop", "Desktops."),
    "address": ("yunzhuo.cli.addresses:address", "Floating IPs: which there are, and which desktops have them."),
    "disk": ("yunzhuo.cli.disks:disk", "Personal disks."),
    "schedule": ("yunzhuo.cli.schedules:schedule", "Schedules: what is done at which times."),
    "lease": ("yunzhuo.cli.leases:lease", "Leases: for how long desktops are given, and the bin."),
    "idle": ("yunzhuo.cli.idle:idle", "Idle desktops: what is done about those that nobody uses."),
    "pool": ("yunzhuo.cli.pools:pool", "Pools: desktops of one kind for a set of people."),
    "apply": ("yunzhuo.cli.configuration:apply", "Make pools, schedules and quotas what a file says."),
    "export": ("yunzhuo.cli.configuration:export", "Write pools, schedules and quotas as such a file."),
    "operations": ("yunzhuo.cli.operations:operations", "What is being done, and what failed: list, retry, cancel."),
    "reconcile": ("yunzhuo.cli.reconcile:reconcile", "Compare the database with the cloud, now."),
    "cloud": ("yunzhuo.cli.cloud:cloud", "The cloud that desktops run on: check."),
    "backup": ("yunzhuo.cli.backups:backup", "Write the whole installation into a file."),
    "restore": ("yunzhuo.cli.backups:restore", "Make an installation from such a file."),
    "license": ("yunzhuo.cli.license:license_", "Licenses: what an installation may do, signed."),
    "image": ("yunzhuo.cli.images:image", "Images: what desktops start from."),
    "network": ("yunzhuo.cli.networks:network", "Networks and their ranges of addresses."),
    "router": ("yunzhuo.cli.networks:router", "Routers: what leads from one network to others."),
    "security-group": ("yunzhuo.cli.networks:security_group", "Security groups: what networks let through."),
    "hosts": ("yunzhuo.cli.hosts:hosts", "The cloud's hosts: list, close, open, move what is on them."),
    "host": ("yunzhuo.cli.host:host", "The virtual machines of this computer."),
    "web": ("yunzhuo.cli.processes:web", "Run the portal and the API."),
    "agents": ("yunzhuo.cli.processes:agents", "Run the process that desktops' agents call."),
    "stream": ("yunzhuo.cli.processes:stream", "Run the process that brings changes to open pages."),
    "worker": ("yunzhuo.cli.processes:worker", "Run a worker."),
    "scheduler": ("yunzhuo.cli.processes:scheduler", "Run timers and the reconciler."),
    "screens": ("yunzhuo.cli.screens:screens", "Who has which screen open: list, history, end."),
    "policy": ("yunzhuo.cli.policies:policy", "What screens allow, for whom."),
    "gateways": ("yunzhuo.cli.gateways:gateways", "The doors to the screens: list, add, drain."),
    "gateway": ("yunzhuo.cli.processes:gateway", "Run a gateway."),
}


class _Root(Group):
    """Imports a command's module when it is called, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module_name, _, attribute = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module_name), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])


@click.group(cls=_Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="yunzhuo")
def root() -> None:
    """Yunzhuo: cloud desktops. `yunzhuo up` starts everything on this computer."""
