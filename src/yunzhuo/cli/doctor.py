"""``yunzhuo doctor``: what is wrong here, and what to do."""

import importlib.metadata
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
import psutil
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from yunzhuo.cli import checks, first_run
from yunzhuo.cli.checks import Finding, Verdict, bad, good, note
from yunzhuo.cli.context import Command, CommandContext, pass_context, print_answer
from yunzhuo.phoenix.common.errors import YunzhuoError
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.db.models import NoticeListener
from yunzhuo.services import assembly

_STYLES = {Verdict.GOOD: "green", Verdict.NOTE: "yellow", Verdict.BAD: "red"}
_OLDEST_PYTHON = (3, 11)


@click.command(cls=Command)
@pass_context
def doctor(context: CommandContext) -> int:
    """Say what is wrong here and what to do; the exit code is 1 when something is."""
    findings = list(examine(context))
    if context.json_output:
        print_answer([asdict(finding) for finding in findings], "", as_json=True)
    else:
        _print_table(findings)
    return 1 if any(finding.verdict is Verdict.BAD for finding in findings) else 0


def examine(context: CommandContext) -> Iterator[Finding]:
    """Every check, in the order of what depends on what."""
    yield _python()
    yield _packages()
    yield _clock()
    try:
        loaded = context.loaded()
    except YunzhuoError as error:
        yield bad("settings", error.message, "correct them; `yunzhuo config template` shows what there is")
        return
    settings = loaded.settings
    yield good("settings", str(loaded.file or "defaults"))
    running = _running(settings.home)
    yield checks.home(settings)
    yield checks.disk(settings)
    yield checks.memory(settings)
    if settings.cloud.driver == "local":
        from yunzhuo.cli import machine_checks  # noqa: PLC0415 (Windows has no such machines)

        yield from machine_checks.virtual_machines(settings)
    if not running:
        yield from checks.ports(settings)
    yield from _processes(running)
    yield from _state(settings)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < _OLDEST_PYTHON:
        return bad("Python", version, "3.11 or newer is needed: make PYTHON=/path/to/python3.11 setup")
    return good("Python", version)


def _packages() -> Finding:
    missing = []
    for requirement in importlib.metadata.requires("yunzhuo") or []:
        name, _, marker = requirement.partition(";")
        if "win32" in marker and ("!=" in marker) is (sys.platform == "win32"):
            continue
        name = re.split(r"[<>=!~\[ ]", name.strip(), maxsplit=1)[0]
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return bad("Python packages", f"missing: {', '.join(missing)}", "run `make setup`")
    return good("Python packages", "all there")


def _clock() -> Finding:
    now = datetime.now(UTC)
    # Our own files cannot come from the future.
    newest = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    found = f"{now:%Y-%m-%d %H:%M} UTC"
    if now < newest:
        return bad("clock", found, "it goes before Yunzhuo's own files: set it (a time service such as systemd-timesyncd does)")
    return good("clock", found)


def _running(home: Path) -> dict[str, int | None]:
    """The processes of a running Yunzhuo and their pids; empty when none runs."""
    try:
        state = json.loads((home / first_run.STATE_FILE).read_text(encoding="utf-8"))
        alive = {name: entry["pid"] for name, entry in state["processes"].items()}
    except (OSError, ValueError, KeyError):
        return {}
    return alive if psutil.pid_exists(state["supervisor"]) else {}


def _processes(running: dict[str, int | None]) -> Iterator[Finding]:
    if not running:
        yield note("processes", "Yunzhuo does not run", "start it: make run")
        return
    for name, pid in running.items():
        if pid is None:
            yield bad(f"process {name}", "is down and is being started again", f"look at logs/{name}.log in the state folder")
        else:
            yield good(f"process {name}", f"runs (process {pid})")


def _state(settings: Settings) -> Iterator[Finding]:
    """The database, the cloud and the goldens, as the services see them."""
    if not settings.database.url and not (settings.home / "yunzhuo.db").exists():
        yield note("database", "not made yet", "`yunzhuo up` makes it")
        return
    try:
        with assembly.services(settings) as services:
            missing = services.health.missing()
            listeners = services.notice_book.listeners() if "database" not in missing else ()
            database = services.health.database()
            lacks = services.health.lacks() if not missing.keys() & {"database", "cloud"} else {}
    except (YunzhuoError, SQLAlchemyError, OSError, ImportError) as error:
        yield bad("database", f"cannot be used: {error}", "check [database] url and its server")
        return
    if "database" in missing:
        yield bad("database", missing["database"], "run `yunzhuo db upgrade`")
        return
    yield good("database", f"{database} answers, at this release's schema")
    if "queue" in missing:
        yield bad("queue", missing["queue"], "check [queue] url and its broker: work goes on, but late")
    else:
        yield good("queue", "RabbitMQ lets us in" if settings.queue.url else "a folder in the state folder")
    if "cloud" in missing:
        yield note("cloud", missing["cloud"], "does `yunzhuo host` run? start it: make run")
        return
    yield good("cloud", "answers")
    for said in lacks.values():
        yield bad("new desktops", said, "make it in the cloud, or change the setting: what is there goes on")
    if settings.cloud.driver == "openstack" and settings.openstack.notifications_url:
        yield notifications(listeners)
    if "desktops" in missing:
        yield note("desktops", missing["desktops"], "wait: it is built in the background while Yunzhuo runs")
        return
    yield good("desktops", "a new one takes about a second")


def notifications(listeners: Sequence[NoticeListener]) -> Finding:
    """Whether somebody hears what Nova tells by itself."""
    what, seldom = "notifications", "changes are seen a little later until then"
    if not listeners:
        return note(what, "no scheduler listens", f"start one: make run; {seldom}")
    failures = [each.failure for each in listeners if each.failure is not None]
    if failures:
        return bad(what, failures[0], f"check [openstack] notifications_url and its account's rights; {seldom}")
    heard = [each for each in listeners if each.heard_at is not None]
    if not heard:
        return note(what, "listened to, and nothing came yet", "where nothing comes for long, look at Nova's [notifications]")
    latest = max(heard, key=lambda each: each.heard_at or each.reported_at)
    return good(what, f"heard, the latest {1000 * (latest.lag_seconds or 0):.0f} ms after it was sent")


def _print_table(findings: Iterable[Finding]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in findings:
        style = _STYLES[finding.verdict]
        advice = f"\n→ {finding.advice}" if finding.advice else ""
        table.add_row(f"[{style}]{finding.verdict}[/]", finding.what, f"{finding.found}{advice}")
    Console().print(table)
