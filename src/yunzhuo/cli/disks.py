"""``yunzhuo disk``: a person's own disk (``--as``), where it is, and what was kept of it."""

import click

from yunzhuo.cli.asking import acting, following, found, sure, told
from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.tables import table
from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.services.access import Actor
from yunzhuo.services.assembly import Services
from yunzhuo.services.kept_disk_snapshots import DiskSnapshotView
from yunzhuo.services.personal_disks import DiskUsage, DiskView

forcing = click.option("--force", is_flag=True, help="End the programs that have files open on it.")


@click.group(cls=Group)
@click.option("--as", "email", metavar="EMAIL", help="Act as this person; else as the first administrator.")
@click.pass_context
def disk(context: click.Context, email: str | None) -> None:
    """A person's own disk."""
    context.meta["yunzhuo.as"] = email


@disk.command()
@click.option("--size-mib", type=click.IntRange(1), help="Else as large as one may be here.")
@pass_context
def create(context: CommandContext, size_mib: int | None) -> None:
    """Make the person's disk."""
    with acting(context) as (all_services, actor):
        _print(context, all_services.personal_disks.create(actor, size_mib=size_mib), None)


@disk.command()
@pass_context
def show(context: CommandContext) -> None:
    """Show where the disk is and how full."""
    with acting(context) as (all_services, actor):
        disks = all_services.personal_disks
        _print(context, disks.get(actor), disks.usage(actor))


@disk.command()
@click.argument("reference", metavar="ID|NAME")
@forcing
@following
@pass_context
def connect(context: CommandContext, reference: str, force: bool, follow_it: bool) -> int:
    """Bring the disk to a desktop, away from where it is."""
    with acting(context) as (all_services, actor):
        asked = all_services.personal_disks.connect(actor, found(all_services, actor, reference).id, force=force)
        return told(context, all_services, actor, asked.operation, wait=follow_it)


@disk.command()
@forcing
@following
@pass_context
def disconnect(context: CommandContext, force: bool, follow_it: bool) -> int:
    """Take the disk away from the desktop that has it."""
    with acting(context) as (all_services, actor):
        asked = all_services.personal_disks.disconnect(actor, force=force)
        return told(context, all_services, actor, asked.operation, wait=follow_it)


@disk.command()
@sure("All files on the disk and its snapshots are lost for good. Go on?")
@pass_context
def delete(context: CommandContext) -> None:
    """Delete the disk with all files on it and its snapshots."""
    with acting(context) as (all_services, actor):
        all_services.personal_disks.delete(actor)
    print_answer({"deleted": True}, "The disk is deleted.", as_json=context.json_output)


@disk.group(cls=Group)
def snapshot() -> None:
    """Snapshots of the disk."""


@snapshot.command("list")
@pass_context
def list_snapshots(context: CommandContext) -> None:
    """Show the disk's snapshots, the newest first."""
    with acting(context) as (all_services, actor):
        listed = all_services.personal_disks.get(actor)
    rows = [(each.id, each.name, _when(each)) for each in listed.snapshots]
    text = f"{table(('ID', 'NAME', 'MADE'), rows)}\n{len(rows)} of {listed.snapshot_limit}"
    data = {"items": [_snapshot_data(each) for each in listed.snapshots], "limit": listed.snapshot_limit}
    print_answer(data, text, as_json=context.json_output)


@snapshot.command("create")
@click.argument("name")
@pass_context
def create_snapshot(context: CommandContext, name: str) -> None:
    """Keep what is on the disk now as NAME."""
    with acting(context) as (all_services, actor):
        _print(context, all_services.personal_disks.take_snapshot(actor, name), None)


@snapshot.command()
@click.argument("reference", metavar="SNAPSHOT")
@sure("What was changed on the disk since {} is lost. Go on?")
@following
@pass_context
def restore(context: CommandContext, reference: str, follow_it: bool) -> int:
    """Put the disk back to SNAPSHOT (name or id); what was changed since then is lost."""
    with acting(context) as (all_services, actor):
        asked = all_services.personal_disks.restore(actor, _found(all_services, actor, reference))
        if asked is not None:
            return told(context, all_services, actor, asked.operation, wait=follow_it)
    print_answer({"restored": True}, f"The disk is as it was at {reference}.", as_json=context.json_output)
    return 0


@snapshot.command("delete")
@click.argument("reference", metavar="SNAPSHOT")
@pass_context
def delete_snapshot(context: CommandContext, reference: str) -> None:
    """Delete SNAPSHOT (name or id)."""
    with acting(context) as (all_services, actor):
        all_services.personal_disks.delete_snapshot(actor, _found(all_services, actor, reference))
    print_answer({"deleted": True}, f"The snapshot {reference} is deleted.", as_json=context.json_output)


def _found(all_services: Services, actor: Actor, reference: str) -> str:
    for each in all_services.personal_disks.get(actor).snapshots:
        if reference in (each.id, each.name):
            return each.id
    raise NotFound("disk_snapshot_not_found", f"There is no snapshot {reference}.")


def _print(context: CommandContext, view: DiskView, usage: DiskUsage | None) -> None:
    data = {
        "id": view.id,
        "size_mib": view.size_mib,
        "used_mib": usage.used_mib if usage else None,
        "state": view.state,
        "desktop": {"id": view.desktop.id, "name": view.desktop.name} if view.desktop else None,
        "snapshots": [_snapshot_data(each) for each in view.snapshots],
        "snapshot_limit": view.snapshot_limit,
        "created_at": view.created_at.isoformat(),
    }
    lines = [
        ("id", view.id),
        ("size", f"{view.size_mib} MiB"),
        ("used", f"{usage.used_mib} MiB" if usage else "not known"),
        ("state", view.state),
        ("desktop", f"{view.desktop.name} ({view.desktop.id})" if view.desktop else "none"),
        ("snapshots", f"{len(view.snapshots)} of {view.snapshot_limit}"),
    ]
    print_answer(data, table(("FIELD", "VALUE"), lines), as_json=context.json_output)


def _snapshot_data(view: DiskSnapshotView) -> dict[str, object]:
    made = {"created_at": view.created_at.isoformat(), "is_kept": view.is_kept}
    return {"id": view.id, "name": view.name, **made}


def _when(view: DiskSnapshotView) -> str:
    return f"{view.created_at:%Y-%m-%d %H:%M:%S}" if view.is_kept else "being made"
