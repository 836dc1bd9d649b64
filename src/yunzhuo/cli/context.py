"""What all commands share: where the settings come from, ``--json``, and how an error is shown."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from yunzhuo.phoenix.config.loader import Loaded, load_with_origins
from yunzhuo.phoenix.config.settings import Settings


@dataclass
class CommandContext:
    """The common options. They may stand before the command or after it; the last one counts."""

    config_file: Path | None = None
    json_output: bool = False
    flags: dict[str, object] = field(default_factory=dict)

    def loaded(self) -> Loaded:
        """The settings in force and where they came from. Raises InvalidInput with every mistake."""
        return load_with_origins(self.config_file, os.environ, self.flags)

    def settings(self) -> Settings:
        """The settings in force. Raises InvalidInput with every mistake."""
        return self.loaded().settings


pass_context = click.make_pass_decorator(CommandContext)


def common_options() -> list[click.Parameter]:
    """``--config``, ``--home`` and ``--json``, which every command takes."""
    return [
        click.Option(
            ["--config"],
            type=click.Path(path_type=Path, dir_okay=False),
            expose_value=False,
            callback=_remember_config,
            help="Settings file.",
        ),
        click.Option(
            ["--home"],
            type=click.Path(path_type=Path, file_okay=False),
            expose_value=False,
            callback=_remember_home,
            help="State folder.",
        ),
        click.Option(["--json"], is_flag=True, expose_value=False, callback=_remember_json, help="Answer in JSON."),
    ]


def _remember_config(context: click.Context, _option: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.find_object(CommandContext).config_file = value  # type: ignore[union-attr]  # main() always passes one


def _remember_home(context: click.Context, _option: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.find_object(CommandContext).flags["home"] = value  # type: ignore[union-attr]  # main() always passes one


def _remember_json(context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        context.find_object(CommandContext).json_output = True  # type: ignore[union-attr]  # main() always passes one


class Command(click.Command):
    """A command that takes the common options beside its own."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        own = {name for parameter in self.params for name in parameter.opts}
        self.params += [option for option in common_options() if own.isdisjoint(option.opts)]


class Group(click.Group):
    """A group whose commands take the common options."""

    command_class = Command
    group_class = type

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.params += common_options()


def print_answer(data: object, text: str, *, as_json: bool) -> None:
    """A command's answer: ``data`` for programs or ``text`` for people."""
    click.echo(json.dumps(data, ensure_ascii=False, default=str) if as_json else text)


def print_problem(code: str, message: str, details: Mapping[str, object], *, as_json: bool) -> None:
    """What went wrong: one clear line on standard error, or an object on standard output."""
    if as_json:
        click.echo(
            json.dumps({"error": {"code": code, "message": message, "details": details}}, ensure_ascii=False, default=str)
        )
    else:
        fields = details.get("fields")
        reasons = [str(reason) for reason in fields.values()] if isinstance(fields, Mapping) else []
        untold = " ".join(reason for reason in reasons if reason not in message)
        sys.stderr.write(f"error: {message} {untold}".rstrip() + "\n")
