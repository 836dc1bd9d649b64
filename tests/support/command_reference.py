"""The command reference, made from the commands themselves."""

import inspect
from collections.abc import Iterator

import click

from yunzhuo.cli.context import CommandContext, common_options
from yunzhuo.cli.root import root

_HEAD = """\
# Commands

`yunzhuo` is in `.venv/bin` of the clone. This page is made from the commands and says what `yunzhuo COMMAND --help` says.

Answers go to standard output, complaints and progress to standard error. The exit code is 0; 1 when something could not
be done; 2 for a command that was called wrongly; 130 when it was interrupted. With `--json` the answer is JSON, and so is an
error: `{"error": {"code": ..., "message": ..., "details": ...}}`, on standard output too.

## Options of every command

They may stand before the command or after it.
"""


def command_reference() -> str:
    """The page: one part a command, in the order of ``yunzhuo --help``."""
    context = click.Context(root, info_name="yunzhuo", obj=CommandContext())
    common = [record for option in common_options() if (record := option.get_help_record(context))]
    return "\n".join([_HEAD, *_table(common), *_commands(root, context)]).rstrip() + "\n"


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        yield from _command(command, inner)
        if isinstance(command, click.Group):
            yield from _commands(command, inner)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    level = "##" if context.parent is not None and context.parent.parent is None else "###"
    options = list(_options(command, context))
    yield from (f"{level} `{context.command_path}`", "", inspect.cleandoc(command.help or ""), "")
    if not isinstance(command, click.Group) or command.invoke_without_command:
        arguments = [
            piece for each in command.params if isinstance(each, click.Argument) for piece in each.get_usage_pieces(context)
        ]
        usage = " ".join([context.command_path, *(["[OPTIONS]"] if options else []), *arguments])
        yield from ("```", usage, "```", "")
    if options:
        yield from _table(options)


def _options(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    common = {(tuple(option.opts), option.help) for option in common_options()}
    for option in command.params:
        if isinstance(option, click.Option) and (tuple(option.opts), option.help) not in common:
            record = option.get_help_record(context)
            if record is not None:  # None: hidden
                yield record


def _table(records: list[tuple[str, str]]) -> list[str]:
    rows = [f"| `{_cell(option)}` | {_cell(meaning)} |" for option, meaning in records]
    return ["| option | meaning |", "|---|---|", *rows, ""]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
