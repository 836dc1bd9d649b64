"""``yunzhuo audit``: the record of who did what."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.organizations import acting_in, organization_option
from yunzhuo.cli.tables import table
from yunzhuo.phoenix.common.errors import Conflict
from yunzhuo.services.assembly import services
from yunzhuo.services.audit import OUTCOMES
from yunzhuo.services.audit_files import lines
from yunzhuo.services.audit_search import AuditWish

_TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])
_FILTERS = [
    click.option("--who", metavar="TEXT", help="Part of the address of who did it, or for whom."),
    click.option("--verb", metavar="VERB", help="A verb (desktop:start), or an object for all of its verbs (desktop)."),
    click.option("--outcome", type=click.Choice(OUTCOMES), help="How it ended."),
    click.option("--object", "object_id", metavar="ID", help="What it was done to."),
    click.option("--request", "request_id", metavar="ID", help="The request."),
    click.option("--since", type=_TIME, help="From this time on (UTC)."),
    click.option("--until", type=_TIME, help="Before this time (UTC)."),
    organization_option,
]


_Command = TypeVar("_Command", bound=Callable[..., object])


def _filtered(command: _Command) -> _Command:
    for option in reversed(_FILTERS):
        command = option(command)
    return command


@click.group(cls=Group)
def audit() -> None:
    """The record of who did what."""


@audit.command()
@pass_context
def verify(context: CommandContext) -> None:
    """Check that nothing in the record was changed, removed or put in between."""
    with services(context.settings()) as all_services:
        all_services.audit_keeper.seal()
        found = all_services.audit_keeper.verify()
    if not found.is_sound:
        raise Conflict("audit_log_broken", " ".join(found.problems), **asdict(found))
    text = f"The audit log is whole: {found.entries} entries, {found.heads} heads compared. Head: {found.head}"
    print_answer(asdict(found), text, as_json=context.json_output)


@audit.command()
@_filtered
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True, help="How many at most.")
@pass_context
def search(context: CommandContext, /, limit: int, organization: str | None, **filters: object) -> None:
    """Show entries, the newest first."""
    with acting_in(context, organization) as (all_services, itself):
        found = all_services.audit_reader.search(itself, _wish(filters), limit=limit).items
    rows = [
        (f"{each.at:%Y-%m-%d %H:%M:%S}", each.actor_email or "-", each.verb, each.object_id or "", each.outcome)
        for each in found
    ]
    text = table(("TIME", "WHO", "VERB", "OBJECT", ""), rows)
    print_answer({"items": [asdict(each) for each in found]}, text, as_json=context.json_output)


@audit.command()
@_filtered
@click.option("--kind", type=click.Choice(["csv", "json"]), default="csv", show_default=True)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, writable=True))
@pass_context
def export(context: CommandContext, /, file: Path, kind: str, organization: str | None, **filters: object) -> None:
    """Write entries to a file."""
    with acting_in(context, organization) as (all_services, itself), file.open("w", encoding="utf-8", newline="") as out:
        out.writelines(lines(all_services.audit_reader.export(itself, _wish(filters)), kind))
    print_answer({"file": str(file)}, f"{file} was written.", as_json=context.json_output)


def _wish(filters: dict[str, object]) -> AuditWish:
    times = {name: value.replace(tzinfo=UTC) for name, value in filters.items() if isinstance(value, datetime)}
    return AuditWish(**{**filters, **times})  # type: ignore[arg-type]  # click checked them
