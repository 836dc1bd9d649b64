"""``yunzhuo up``: everything on this computer, from nothing to a portal that answers."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from yunzhuo.cli import first_run
from yunzhuo.cli.announce import LOG_FOLDER, Announcer, Running, warn
from yunzhuo.cli.context import Command, CommandContext, pass_context
from yunzhuo.cli.images import build_by_recipe
from yunzhuo.phoenix.common import logging
from yunzhuo.phoenix.common.errors import Unavailable
from yunzhuo.phoenix.config.loader import freeze
from yunzhuo.phoenix.config.reference import ENVIRONMENT_PREFIX
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.scheduler.supervised import Process
from yunzhuo.scheduler.supervisor import Supervisor
from yunzhuo.services import assembly
from yunzhuo.services.assembly import FirstAdministrator

# In the order of starting; draining goes the other way: doors first, machines last.
_PROCESSES = ("host", "worker", "scheduler", "stream", "web", "gateway")


@click.command(cls=Command)
@click.option("--host", "web_host", help="Address the portal listens on.")
@click.option("--port", "web_port", type=int, help="Port of the portal.")
@click.option("--gateway-port", type=int, help="Port of the gateway.")
@click.option("--stream-port", type=int, help="Loopback port of the event streams.")
@pass_context
def up(
    context: CommandContext, web_host: str | None, web_port: int | None, gateway_port: int | None, stream_port: int | None
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
    with first_run.sole_use(settings.home), _logging_to(settings):
        first_run.await_last_ones(settings.home)
        administrator = _prepare(settings)
        return _run(settings, administrator, as_json=context.json_output)


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
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)


def _prepare(settings: Settings) -> FirstAdministrator:
    """Everything that has to stand first. What can be refused quickly comes before what takes long."""
    for finding in first_run.require_good(settings):
        warn(f"note: {finding.what}: {finding.found}; {finding.advice}")
    assembly.prepare(settings)
    administrator = assembly.ensure_first_administrator(settings)
    freeze(settings, settings.home / first_run.FROZEN_FILE)
    first_run.write_gateway_file(settings)
    if settings.cloud.driver == "local":
        build_by_recipe(settings, settings.host.image)
    return administrator


def _run(settings: Settings, administrator: FirstAdministrator, *, as_json: bool) -> int:
    announcer = Announcer(settings, administrator, as_json=as_json)
    supervisor = Supervisor(
        processes(settings),
        log_dir=settings.home / LOG_FOLDER,
        state_file=settings.home / first_run.STATE_FILE,
        console=warn,
        on_drain=announcer.stopping,
    )
    announcer.start(Running(supervisor.deaths_in_a_row, supervisor.last_lines, supervisor.stop))
    supervisor.run()
    announcer.stopped()
    if announcer.failure:
        raise Unavailable("start_failed", announcer.failure)
    return 0


def processes(settings: Settings) -> list[Process]:
    """What runs here. They all read the settings as they are now, whatever becomes of files and variables later."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    wanted = [name for name in _PROCESSES if name != "host" or settings.cloud.driver == "local"]
    return [Process(name, _command(settings.home, name), environment) for name in wanted]


def _command(home: Path, name: str) -> list[str]:
    file = home / (first_run.GATEWAY_FILE if name == "gateway" else first_run.FROZEN_FILE)
    return [sys.executable, "-m", "yunzhuo", name, "--supervised", "--config", str(file)]
