"""``yunzhuo apply`` and ``yunzhuo export``: pools, schedules and quotas as one file."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import tomlkit
from tomlkit.items import Array

from yunzhuo.cli.asking import acting
from yunzhuo.cli.context import Command, CommandContext, pass_context, print_answer
from yunzhuo.cli.toml_lines import line_of
from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.configuration import Piece, Plan, Step, StepKind
from yunzhuo.services.rules.configuration import Difference, Value

DIFFERENT = 2
MOST_BYTES = 1024 * 1024
_SIGNS = {StepKind.ADD: "+", StepKind.CHANGE: "~", StepKind.REMOVE: "-"}
_COLORS = {StepKind.ADD: "green", StepKind.CHANGE: "yellow", StepKind.REMOVE: "red"}

_as = click.option("--as", "email", metavar="EMAIL", help="Who asks; else the first administrator.")


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dry-run", is_flag=True, help=f"Show the difference only; the exit code is {DIFFERENT} when there is one.")
@click.option("--prune", is_flag=True, help="Remove what this file made earlier and mentions no more.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_as
@pass_context
def apply(context: CommandContext, file: Path, dry_run: bool, prune: bool, yes: bool, email: str | None) -> int:
    """Make pools, schedules and quotas what FILE says.

    The difference is shown first. What the file does not mention is left alone. Either all of it is done or nothing.
    """
    click.get_current_context().meta["yunzhuo.as"] = email
    text, document = _read(file)
    with acting(context) as (all_services, actor):
        try:
            plan = all_services.configuration.plan(actor, document, prune=prune)
        except InvalidInput as error:
            raise _told(error, file, text, document) from error
        if dry_run or not plan.steps:
            print_answer(_data(plan, is_done=False), _shown(plan, "Nothing is done."), as_json=context.json_output)
            return DIFFERENT if plan.steps else 0
        if not yes:
            click.echo(_shown(plan), err=True)
            click.confirm("Do this?", abort=True, err=True)
        done = all_services.configuration.apply(actor, document, plan.fingerprint, prune=prune)
    print_answer(_data(done, is_done=True), _shown(done, "Done.") if yes else "Done.", as_json=context.json_output)
    return 0


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, writable=True), required=False)
@_as
@pass_context
def export(context: CommandContext, file: Path | None, email: str | None) -> None:
    """Write pools, schedules and quotas as `yunzhuo apply` reads them: into FILE, a new one, or onto the screen."""
    click.get_current_context().meta["yunzhuo.as"] = email
    with acting(context) as (all_services, actor):
        document = all_services.configuration.export(actor)
    text = as_toml(document)
    if file is None:
        print_answer(document, text.rstrip("\n"), as_json=context.json_output)
        return
    with file.open("x", encoding="utf-8") as out:
        out.write(text)
    print_answer({"file": str(file)}, f"It is in {file}.", as_json=context.json_output)


def as_toml(document: Mapping[str, Any]) -> str:
    """A document as people write it, long lists a line each."""
    written = tomlkit.document()
    for name, value in document.items():
        if not isinstance(value, list):
            written.add(name, value)
            continue
        tables = tomlkit.aot()
        for entry in value:
            table = tomlkit.table()
            for key, said in entry.items():
                table.add(key, _list(said) if isinstance(said, list) else said)
            tables.append(table)
        written.add(name, tables)
    return tomlkit.dumps(written)


def _list(said: list[str]) -> Array:
    written = tomlkit.array()
    written.extend(said)
    return written.multiline(len(said) > 1)


def _read(file: Path) -> tuple[str, Mapping[str, Any]]:
    content = file.read_bytes()
    if len(content) > MOST_BYTES:
        raise InvalidInput(f"{file} is larger than {MOST_BYTES} bytes.", code="configuration_invalid")
    try:
        text = content.decode()
        return text, tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidInput(f"{file} is not TOML: {error}", code="configuration_invalid") from error


def _told(error: InvalidInput, file: Path, text: str, document: Mapping[str, Any]) -> InvalidInput:
    """All mistakes for whoever has the file before them: where, in which table, which key."""
    lines = [f"  {_place(file, text, document, place)}: {reason}" for place, reason in error.fields.items()]
    count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    return InvalidInput(f"{file} has {count}:\n" + "\n".join(lines), code=error.code, fields=error.fields)


def _place(file: Path, text: str, document: Mapping[str, Any], place: str) -> str:
    section, *rest = place.split(".")
    line = line_of(text, place)
    where = f"{file}:{line}" if line else f"{file}"
    if not rest:
        return f"{where}: {section}"
    entry = document[section][int(rest[0])]
    name = next((entry[key] for key in ("name", "person", "group") if key in entry), None) if isinstance(entry, dict) else None
    called = f"{section} “{name}”" if name else f"{section} number {int(rest[0]) + 1}"
    return ": ".join([where, called, *rest[1:2]])


def _shown(plan: Plan, end: str = "") -> str:
    """The difference for people: a thing each, and below it its fields."""
    if not plan.steps:
        return "There is no difference."
    counts = [sum(1 for step in plan.steps if step.deed is deed) for deed in StepKind]
    summary = "{} to add, {} to change, {} to remove.".format(*counts)
    return "\n".join([*_lines(plan.steps), "", f"{summary} {end}".rstrip()])


def _lines(steps: Iterable[Step]) -> Iterator[str]:
    for step in steps:
        yield click.style(f"{_SIGNS[step.deed]} {_called(step)}", fg=_COLORS[step.deed])
        for each in step.differences if step.deed is not StepKind.REMOVE else ():
            yield f"    {_field(step, each)}"


def _called(step: Step) -> str:
    if step.key.kind is not Piece.QUOTA:
        return f"{step.key.kind} “{step.key.name}”"
    return f"{step.key.kind} of {step.key.resource} for the {step.key.of} “{step.key.name}”"


def _field(step: Step, difference: Difference) -> str:
    name, before, after = difference.field, difference.before, difference.after
    if step.deed is StepKind.ADD:
        return f"{name}: {_value(after)}"
    if name == "members" and isinstance(before, tuple | None) and isinstance(after, tuple | None):
        old, new = set(before or ()), set(after or ())
        return f"{name}: " + ", ".join(
            [*(f"+ {each}" for each in sorted(new - old)), *(f"- {each}" for each in sorted(old - new))]
        )
    return f"{name}: {_value(before)} -> {_value(after)}"


def _value(value: Value) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ", ".join(value) or "nothing"
        case _:
            return str(value)


def _data(plan: Plan, *, is_done: bool) -> dict[str, Any]:
    """The difference for programs."""
    return {
        "name": plan.name,
        "done": is_done,
        "steps": [
            {
                "deed": step.deed,
                "kind": step.key.kind,
                "name": step.key.name,
                "of": step.key.of or None,
                "resource": step.key.resource or None,
                "differences": [{"field": each.field, "before": each.before, "after": each.after} for each in step.differences],
            }
            for step in plan.steps
        ],
    }
