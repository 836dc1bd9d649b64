"""``yunzhuo desktop snapshot``: states of a desktop that it can be brought back to; and how its history is told."""

import click

from yunzhuo.cli.asking import acting, following, found, operation_data, sure, told
from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.tables import table
from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.services.access import Actor
from yunzhuo.services.assembly import Services
from yunzhuo.services.history import HistoryEntry
from yunzhuo.services.snapshots import SnapshotView


@click.group(cls=Group)
def snapshot() -> None:
    """Snapshots of a desktop."""


@snapshot.command("list")
@click.argument("reference", metavar="ID|NAME")
@pass_context
def list_snapshots(context: CommandContext, reference: str) -> None:
    """Show a desktop's snapshots, the newest first."""
    with acting(context) as (all_services, actor):
        listed = all_services.snapshots.list(actor, found(all_services, actor, reference).id)
    rows = [(each.id, each.name, _when(each), f"{each.size_mib} MiB", _memory(each)) for each in listed.items]
    text = table(("ID", "NAME", "MADE", "SIZE", "MEMORY"), rows)
    data = {"items": [_as_data(each) for each in listed.items], "limit": listed.limit}
    print_answer(data, f"{text}\n{len(listed.items)} of {listed.limit}", as_json=context.json_output)


@snapshot.command()
@click.argument("reference", metavar="ID|NAME")
@click.argument("name")
@following
@pass_context
def create(context: CommandContext, reference: str, name: str, follow_it: bool) -> int:
    """Keep a desktop's present state as NAME."""
    with acting(context) as (all_services, actor):
        asked = all_services.snapshots.create(actor, found(all_services, actor, reference).id, name)
        return told(context, all_services, actor, asked.operation, wait=follow_it)


@snapshot.command()
@click.argument("reference", metavar="ID|NAME")
@click.argument("snapshot_reference", metavar="SNAPSHOT")
@sure("What was changed on {} since the snapshot is lost. Go on?")
@following
@pass_context
def rollback(context: CommandContext, reference: str, snapshot_reference: str, follow_it: bool) -> int:
    """Return to SNAPSHOT (name or id); what was changed since then is lost."""
    with acting(context) as (all_services, actor):
        desktop_id = found(all_services, actor, reference).id
        snapshot_id = _found(all_services, actor, desktop_id, snapshot_reference)
        asked = all_services.snapshots.roll_back(actor, desktop_id, snapshot_id)
        return told(context, all_services, actor, asked.operation, wait=follow_it)


@snapshot.command()
@click.argument("reference", metavar="ID|NAME")
@click.argument("snapshot_reference", metavar="SNAPSHOT")
@following
@pass_context
def delete(context: CommandContext, reference: str, snapshot_reference: str, follow_it: bool) -> int:
    """Delete SNAPSHOT (name or id)."""
    with acting(context) as (all_services, actor):
        desktop_id = found(all_services, actor, reference).id
        snapshot_id = _found(all_services, actor, desktop_id, snapshot_reference)
        asked = all_services.snapshots.delete(actor, desktop_id, snapshot_id)
        return told(context, all_services, actor, asked.operation, wait=follow_it)


def entry_data(entry: HistoryEntry) -> dict[str, object]:
    """A part of a history for programs."""
    return {
        **operation_data(entry.operation),
        "user": entry.user_email,
        "subject": entry.subject,
        "created_at": entry.operation.created_at.isoformat(),
        "ended_at": entry.operation.ended_at.isoformat() if entry.operation.ended_at else None,
    }


def entry_row(entry: HistoryEntry) -> tuple[str, str, str, str, str]:
    """A part of a history for people."""
    operation = entry.operation
    what = f"{operation.action} {entry.subject}" if entry.subject else str(operation.action)
    details = [step.detail for step in operation.steps if step.detail]
    lost = operation.note_code.replace("_", " ") if operation.note_code else ""
    result = operation.error.message if operation.error else lost or (details[-1] if details else "")
    return f"{operation.created_at:%Y-%m-%d %H:%M:%S}", what, entry.user_email, operation.status, result


def _found(all_services: Services, actor: Actor, desktop_id: str, reference: str) -> str:
    for each in all_services.snapshots.list(actor, desktop_id).items:
        if reference in (each.id, each.name):
            return each.id
    raise NotFound("snapshot_not_found", f"There is no snapshot {reference}.")


def _as_data(view: SnapshotView) -> dict[str, object]:
    return {
        "id": view.id,
        "name": view.name,
        "has_memory": view.has_memory,
        "size_mib": view.size_mib,
        "created_at": view.created_at.isoformat(),
        "is_kept": view.is_kept,
    }


def _when(view: SnapshotView) -> str:
    return f"{view.created_at:%Y-%m-%d %H:%M:%S}" if view.is_kept else "being made"


def _memory(view: SnapshotView) -> str:
    return "yes" if view.has_memory else "no"
