"""``yunzhuo reconcile``: one look at the whole cloud, now."""

from collections.abc import Mapping

import click

from yunzhuo.cli.context import Command, CommandContext, pass_context, print_answer
from yunzhuo.cli.tables import table
from yunzhuo.services.assembly import services
from yunzhuo.services.rules.reconcile import Finding, FindingKind, Thing, is_removable

# What is done for each finding; what is not here is told and no more.
_DONE: Mapping[FindingKind, str] = {
    FindingKind.CHANGED: "written down",
    FindingKind.RENAMED: "written down",
    FindingKind.MOVED: "written down",
    FindingKind.ADOPTED: "given to its desktop",
    FindingKind.MISSING_FIRST: "looked for once more",
    FindingKind.MISSING_AGAIN: "called missing",
    FindingKind.UNUSED: "given back to the cloud",
}


@click.command(cls=Command)
@click.option("--dry-run", is_flag=True, help="Say what differs and what would be done, and change nothing.")
@pass_context
def reconcile(context: CommandContext, dry_run: bool) -> None:
    """Compare the database with the cloud, and put right what a rule says.

    The scheduler does this all the time; two at once are harmless.
    """
    with services(context.settings()) as all_services:
        if dry_run:
            findings = [*all_services.reconciler.look(), *all_services.address_upkeep.look(), *all_services.port_upkeep.look()]
            overdue = all_services.engine.due()
        else:
            findings = [*all_services.reconciler.round(), *all_services.address_upkeep.round()]
            findings += all_services.port_upkeep.round()
            all_services.admission.round()
            overdue = all_services.engine.due()
            for operation_id in overdue:
                all_services.engine.wake(operation_id)
    data = {
        "dry_run": dry_run,
        "findings": [_data(finding) for finding in findings],
        "operations_due": list(overdue),
    }
    rows = [
        (finding.thing, finding.kind, finding.name, finding.desktop_id, finding.cloud_id or "", _seen(finding), _done(finding))
        for finding in findings
    ]
    heads = ("WHAT", "HOW", "NAME", "DESKTOP", "ID", "THE CLOUD SAYS", "WOULD BE" if dry_run else "IS")
    text = table(heads, rows) if rows else "The database and the cloud agree."
    due = f"\nOperations that are due: {len(overdue)}" if overdue else ""
    print_answer(data, text + due, as_json=context.json_output)


def _done(finding: Finding) -> str:
    if is_removable(finding):
        return "removed, at second sight"
    return _DONE.get(finding.kind, "left to you")


def _seen(finding: Finding) -> str:
    if finding.thing is not Thing.SERVER:
        return ""
    return f"{finding.server.status} {finding.server.name}" if finding.server else "nothing"


def _data(finding: Finding) -> dict[str, object]:
    return {
        "kind": finding.kind,
        "thing": finding.thing,
        "desktop_id": finding.desktop_id,
        "cloud_id": finding.cloud_id,
        "name": finding.name,
        "status": finding.server.status if finding.server else None,
        "done": _done(finding),
    }
