"""``yunzhuo backup`` and ``yunzhuo restore``: an installation in one file, and from it."""

from pathlib import Path

import click

from yunzhuo.cli.context import Command, CommandContext, pass_context, print_answer
from yunzhuo.cli.processes import make_home
from yunzhuo.phoenix.common.clock import SystemClock
from yunzhuo.services import backup as backups
from yunzhuo.services.access import installation
from yunzhuo.services.assembly import services

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(cls=Command)
@click.argument("file", type=_FILE)
@pass_context
def backup(context: CommandContext, file: Path) -> None:
    """Write the database, the secrets and the list of images into FILE (tar.gz), while Yunzhuo runs or not.

    FILE holds secrets: keep it as you keep keys. Desktops' disks and images are the cloud's, and not in it.
    """
    settings = context.settings()
    with services(settings) as all_services:
        images = all_services.catalog.images(installation(all_services.accounts.default_organization_id()))
    listed: list[dict[str, object]] = [{"name": each.name, "version": each.version} for each in images]
    made = backups.back_up(settings, file, listed, SystemClock())
    rows = sum(made.tables.values())
    text = f"{file}: {rows} rows of {len(made.tables)} tables, {len(made.secrets)} secrets, at release {made.version}."
    data = {"file": str(file), "rows": rows, "revision": made.revision, "tables": made.tables}
    print_answer(data, text, as_json=context.json_output)


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@pass_context
def restore(context: CommandContext, file: Path) -> None:
    """Make an installation from FILE where there is none; older releases' backups, too.

    What the cloud no longer has is shown as missing; images have to be built or imported anew on a new computer.
    """
    settings = context.settings()
    make_home(settings)
    made = backups.restore(settings, file)
    rows = sum(made.tables.values())
    images = "".join(f"\n  {image['name']} {image['version']}" for image in made.images)
    text = f"Restored: {rows} rows of {made.made_at}. The images were:{images or ' none'}"
    print_answer({"rows": rows, "made_at": made.made_at, "images": list(made.images)}, text, as_json=context.json_output)
