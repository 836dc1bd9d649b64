"""``yunzhuo up``: everything on this computer, from nothing to a portal that answers."""

import _thread
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from yunzhuo.cli import first_run
from yunzhuo.cli.announce import LOG_FOLDER, Announcer, Running, warn
from yunzhuo.cli.context import Command, CommandContext, pass_context
from yunzhuo.cli.processes import supervised_option
from yunzhuo.phoenix.common import logging
from yunzhuo.phoenix.common.errors import Unavailable
from yunzhuo.phoenix.config.loader import freeze
from yunzhuo.phoenix.config.reference import ENVIRONMENT_PREFIX
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.scheduler import platform
from yunzhuo.scheduler.console import Console
from yunzhuo.scheduler.platform import journal, notify
from yunzhuo.scheduler.supervised import Process
from yunzhuo.scheduler.supervisor import Supervisor
from yunzhuo.services import first_start
from yunzhuo.services.first_start import FirstAdministrator

# In the order of starting; draining goes the other way: doors first, machines last.
_PROCESSES = ("host", "worker", "scheduler", "stream", "agents", "web", "gateway")


@click.command(cls=Command)
@click.option("--host", "web_host", help="Address the portal listens on.")
@click.option("--port", "web_port", type=int, help="Port of the portal.")
@click.option("--gateway-port", type=int, help="Port of the gateway.")
@click.option("--stream-port", type=int, help="Loopback port of the event streams.")
@supervised_option
@pass_context
def up(
    context: CommandContext,
    web_host: str | None,
    web_port: int | None,
    gateway_port: int | None,
    stream_port: int | None,
    supervised: bool,
) -> int:
    """Start everything on this computer and keep it running; Ctrl-C stops it and leaves desktops running."""
    context.flags |= {
        "web.host": web_host,
        "web.port": web_port,
        "gateway.port": gateway_port,
        "stream.port": stream_port,
    }
    settings = context.settings()
    _end_like_ctrl_c()
    if supervised:
        _end_with_stdin()
    with first_run.sole_use(settings.home), _logging_to(settings):
        first_run.await_last_ones(settings.home)
        administrator = _prepare(settings)
        return _run(settings, administrator, as_json=context.json_output, supervised=supervised)


@contextmanager
def _logging_to(settings: Settings) -> Iterator[None]:
    """What this process itself logs goes to a file: its console is for people."""
    folder = settings.home / LOG_FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "supervisor.log").open("a", encoding="utf-8") as stream:
        logging.configure("supervisor", level=settings.log.level, style=settings.log.style, stream=stream)
        yield


def _end_like_ctrl_c() -> None:
    """Until the supervisor takes over, other wishes to end do what Ctrl-C does: unwind and clean up."""
    for number in platform.ENDING_SIGNALS:
        signal.signal(number, signal.default_int_handler)


def _end_with_stdin() -> None:
    """A service of Windows knows no signals: the end of our standard input is the same as Ctrl-C, at any time."""

    def await_end() -> None:
        while os.read(0, 4096):
            pass
        _thread.interrupt_main()

    threading.Thread(target=await_end, name="stdin", daemon=True).start()


def _prepare(settings: Settings) -> FirstAdministrator:
    """Everything that has to stand first. What can be refused quickly comes before what takes long."""
    for finding in first_run.require_good(settings):
        warn(f"note: {finding.what}: {finding.found}; {finding.advice}")
    first_start.prepare(settings)
    administrator = first_start.ensure_first_administrator(settings)
    freeze(settings, settings.home / first_run.FROZEN_FILE)
    if "gateway" not in platform.NOT_HERE:
        first_run.write_gateway_file(settings)
    if settings.cloud.driver == "local":
        from yunzhuo.cli.images import build_by_recipe  # noqa: PLC0415 (for this system's own machines alone)

        build_by_recipe(settings, settings.host.image)
    return administrator


def _run(settings: Settings, administrator: FirstAdministrator, *, as_json: bool, supervised: bool) -> int:
    in_journal = journal.goes_to_journal(sys.stderr, os.environ)
    announcer = Announcer(settings, administrator, as_json=as_json, unattended=supervised or in_journal)
    notifier = notify.Notifier.of(os.environ)

    def on_turn(ailing: Sequence[str]) -> None:
        if not ailing:
            notifier.beat()

    def on_drain() -> None:
        notifier.stopping()
        announcer.stopping()

    supervisor = Supervisor(
        processes(settings),
        log_dir=settings.home / LOG_FOLDER,
        state_file=settings.home / first_run.STATE_FILE,
        console=Console(lambda level, line: warn(line, level), takes_all=in_journal),
        on_drain=on_drain,
        on_turn=on_turn,
    )
    announcer.start(
        Running(
            lambda: notifier.ready(f"the portal answers at {settings.public_url}"),
            supervisor.deaths_in_a_row,
            supervisor.last_lines,
            supervisor.stop,
        )
    )
    supervisor.run()
    announcer.stopped()
    if announcer.failure:
        raise Unavailable("start_failed", announcer.failure)
    return 0


def processes(settings: Settings) -> list[Process]:
    """What runs here. They all read the settings as they are now, whatever becomes of files and variables later."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(ENVIRONMENT_PREFIX) and name not in notify.VARIABLES
    }
    left_out = platform.NOT_HERE if settings.cloud.driver == "local" else platform.NOT_HERE | {"host"}
    if not settings.agents.public_url:
        left_out |= {"agents"}
    wanted = [name for name in _PROCESSES if name not in left_out]
    return [Process(name, _command(settings.home, name), environment) for name in wanted]


def _command(home: Path, name: str) -> list[str]:
    file = home / (first_run.GATEWAY_FILE if name == "gateway" else first_run.FROZEN_FILE)
    return [sys.executable, "-m", "yunzhuo", name, "--supervised", "--config", str(file)]
