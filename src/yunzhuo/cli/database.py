"""``yunzhuo db``: the database."""

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.processes import make_home
from yunzhuo.services import first_start


@click.group(cls=Group)
def db() -> None:
    """The database."""


@db.command()
@pass_context
def upgrade(context: CommandContext) -> None:
    """Bring the database to the schema of this release; twice is harmless."""
    settings = context.settings()
    make_home(settings)
    first_start.upgrade_database(settings)
    print_answer({"ok": True}, "The database is at this release's schema.", as_json=context.json_output)
