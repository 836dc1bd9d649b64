"""``yunzhuo service``: Yunzhuo as a service of this computer, on Linux (systemd) and on Windows."""

import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.phoenix.config.reference import ENVIRONMENT_PREFIX
from yunzhuo.scheduler.platform.plan import Part, Plan, ServiceManager, State, Status

# As systemctl's status has them (LSB): not running, and unknown to the service manager.
_EXIT_CODES = {State.RUNNING: 0, State.STARTING: 0, State.STOPPING: 0, State.NOT_INSTALLED: 4, State.UNKNOWN: 4}
_NOT_RUNNING = 3


@click.group(cls=Group)
def service() -> None:
    """Yunzhuo as a service: started with the computer, kept running, stopped in good order."""


def _of_part(command: Callable[..., Any]) -> Callable[..., Any]:
    """``PART`` and ``--user``, which every verb takes."""
    command = click.argument("part", type=click.Choice([part.value for part in Part]), default=Part.ALL.value)(command)
    return click.option("--user", "of_user", is_flag=True, help="A service of your own, without root (Linux).")(command)


@service.command()
@_of_part
@click.option("--run-as", help="The account it runs as; made where it is missing. Not with --user.")
@pass_context
def install(context: CommandContext, part: str, of_user: bool, run_as: str | None) -> None:
    """Write the service down, to be started with the computer. PART: all (what `yunzhuo up` starts) or gateway.

    It reads the file of --config and keeps its state in --home, as they are for this call. A second time it takes what is new.
    """
    if of_user and run_as:
        raise click.UsageError("a service of your own runs as you: leave out --run-as")
    notes = _manager(part, of_user).install(_plan(context, Part(part), run_as))
    unseen = sorted(name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX) and name != f"{ENVIRONMENT_PREFIX}HOME")
    if unseen:
        click.echo(
            f"note: the service does not see {', '.join(unseen)}: write these settings into a file and name it with --config",
            err=True,
        )
    text = "\n".join(["Installed.", *notes, "Start it: yunzhuo service start"])
    print_answer({"installed": True, "notes": list(notes)}, text, as_json=context.json_output)


@service.command()
@_of_part
@pass_context
def start(context: CommandContext, part: str, of_user: bool) -> None:
    """Start it; answers when the portal does."""
    _manager(part, of_user).start()
    print_answer({"state": State.RUNNING}, "Running.", as_json=context.json_output)


@service.command()
@_of_part
@pass_context
def stop(context: CommandContext, part: str, of_user: bool) -> None:
    """Stop it in good order; desktops go on."""
    _manager(part, of_user).stop()
    print_answer({"state": State.STOPPED}, "Stopped.", as_json=context.json_output)


@service.command()
@_of_part
@pass_context
def status(context: CommandContext, part: str, of_user: bool) -> int:
    """Say how it is. The exit code is 0 when it runs, 3 when not, 4 when it is not installed."""
    found = _manager(part, of_user).status()
    print_answer(asdict(found), _in_words(found), as_json=context.json_output)
    return _EXIT_CODES.get(found.state, _NOT_RUNNING)


@service.command()
@_of_part
@pass_context
def uninstall(context: CommandContext, part: str, of_user: bool) -> None:
    """Stop it and take it out; the state folder stays as it is."""
    _manager(part, of_user).uninstall()
    print_answer({"installed": False}, "Removed. The state folder is as it was.", as_json=context.json_output)


def _manager(part: str, of_user: bool) -> ServiceManager:
    if sys.platform == "win32":
        from yunzhuo.scheduler.platform.windows_service import WindowsService  # noqa: PLC0415 (of the other system)

        if of_user or part != Part.ALL:
            raise click.UsageError("Windows runs all as a service of the computer; gateways stand on Linux")
        return WindowsService()
    else:
        from yunzhuo.scheduler.platform.systemd import Systemd  # noqa: PLC0415 (of the other system)

        return Systemd(Part(part), of_user=of_user)


def _plan(context: CommandContext, part: Part, account: str | None) -> Plan:
    python = Path(sys.executable)
    if part is Part.GATEWAY:
        gateway_file = context.config_file or Path("/etc/yunzhuo/gateway.toml")
        return Plan(part, python, gateway_file.absolute(), home=None, account=account)
    loaded = context.loaded()
    settings = loaded.settings
    heads = settings.audit_heads_file
    return Plan(
        part,
        python,
        loaded.file.absolute() if loaded.file else None,
        home=settings.home,
        account=account,
        writable=() if heads.is_relative_to(settings.home) else (heads.absolute().parent,),
        has_machines=settings.cloud.driver == "local",
    )


def _in_words(found: Status) -> str:
    lines = [found.state.value.capitalize() + (f" (process {found.pid})" if found.pid else "")]
    if found.says:
        lines.append(found.says)
    if found.state is not State.NOT_INSTALLED:
        lines.append("Starts with the computer." if found.at_boot else "Does not start with the computer.")
    return "\n".join([*lines, *(f"{name}: {value}" for name, value in found.details.items())])
