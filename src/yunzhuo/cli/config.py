"""``yunzhuo config``: the settings."""

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.phoenix.config import reference
from yunzhuo.phoenix.config.loader import Loaded


@click.group(cls=Group)
def config() -> None:
    """The settings of this installation."""


@config.command()
@pass_context
def check(context: CommandContext) -> None:
    """Say whether all settings are right; every mistake at once."""
    loaded = context.loaded()
    file = str(loaded.file) if loaded.file else None
    given = len(loaded.origins)
    text = f"The settings are right ({file or 'no settings file'}; {given} of {len(reference.all_settings())} given)."
    print_answer({"ok": True, "file": file, "given": given}, text, as_json=context.json_output)


@config.command()
@pass_context
def show(context: CommandContext) -> None:
    """Show what is in force, and who said so."""
    rows = _rows(context.loaded())
    data = {name: {"value": value, "from": origin or "default"} for name, value, origin in rows}
    lines = [
        f"{name} = {reference.toml_value(value)}{f'    # from {origin}' if origin else ''}" for name, value, origin in rows
    ]
    print_answer(data, "\n".join(lines), as_json=context.json_output)


@config.command()
def template() -> None:
    """Print a settings file with every setting, its default and its help."""
    click.echo(reference.template(), nl=False)


def _rows(loaded: Loaded) -> list[tuple[str, object, str | None]]:
    """(Name, value as shown, who gave it) of every setting."""
    return [(name, value, loaded.origins.get(name)) for name, value in reference.shown(loaded.settings).items()]
