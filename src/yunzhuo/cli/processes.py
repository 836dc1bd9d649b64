"""One command for each process that `yunzhuo up` starts; they can be run by hand or by systemd, too."""

import importlib
from pathlib import Path

import click

from yunzhuo.cli.context import Command, CommandContext, pass_context
from yunzhuo.phoenix.config.settings import Settings

_DEFAULT_GATEWAY_FILE = Path("etc/gateway.toml")


def make_home(settings: Settings) -> None:
    """The state folder, for us alone, for whoever starts a process by hand before anything else."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)


supervised_option = click.option(
    "--supervised", is_flag=True, hidden=True, help="Started by `yunzhuo up`: end when standard input ends."
)


def _process(name: str, module_name: str, summary: str) -> click.Command:
    @click.command(name, cls=Command, help=summary)
    @supervised_option
    @pass_context
    def run(context: CommandContext, supervised: bool) -> int:
        settings = context.settings()
        make_home(settings)
        exit_code: int = importlib.import_module(module_name).run(settings, supervised)
        return exit_code

    return run


web = _process("web", "yunzhuo.web.server", "Run the portal and the API.")
stream = _process("stream", "yunzhuo.web.stream", "Run the process that brings changes to open pages.")
agents = _process("agents", "yunzhuo.web.agents", "Run the process that desktops' agents call.")
worker = _process("worker", "yunzhuo.scheduler.worker", "Run a worker.")
scheduler = _process("scheduler", "yunzhuo.scheduler.timers", "Run timers and the reconciler.")


@click.command(cls=Command)
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=_DEFAULT_GATEWAY_FILE,
    show_default=True,
    help="The gateway's own configuration file.",
)
@supervised_option
def gateway(file: Path, supervised: bool) -> int:
    """Run a gateway. It reads a file of its own and needs nothing else of this computer's Yunzhuo."""
    from yunzhuo.gateway import config, server  # noqa: PLC0415 (a manager's other processes do without them)

    return server.run(config.load(file), supervised, read_config=lambda: config.load(file))
