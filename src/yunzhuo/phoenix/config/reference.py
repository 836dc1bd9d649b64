"""What can be set, read off the settings themselves: for the loader, for ``etc/yunzhuo.toml`` and for the documentation."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal, get_args, get_origin

import tomlkit
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from yunzhuo.phoenix.config.section import Section
from yunzhuo.phoenix.config.settings import Settings

_PASSWORD_IN_URL = re.compile(r"(?<=://)(?P<user>[^:/@]*):[^/@]*(?=@)")
ENVIRONMENT_PREFIX = "YUNZHUO_"

_HEADER = """\
# Yunzhuo's settings, each with its default and one line of help. Take the "# " before a line away and change it.
#
# The environment goes over this file (YUNZHUO_WEB__PORT=9000 is port in [web]) and flags go over both. `yunzhuo config check`
# says whether all is right, `yunzhuo config show` what is in force and why. `yunzhuo config template` made this file.
"""


@dataclass(frozen=True)
class Setting:
    """One value that can be set. ``name`` is dotted: ``web.port``."""

    name: str
    section: type[Section]
    field: FieldInfo

    @property
    def environment_variable(self) -> str:
        """The variable that sets it: ``YUNZHUO_WEB__PORT``."""
        return ENVIRONMENT_PREFIX + self.name.upper().replace(".", "__")

    @property
    def key(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2]

    @property
    def help(self) -> str:
        """One line of help."""
        return self.field.description or ""

    @property
    def default(self) -> object:
        """The default as plain values: str, int, float, bool, list, dict."""
        return _plain(self.field.get_default(call_default_factory=True))

    @property
    def choices(self) -> tuple[str, ...]:
        """The words it may be, where there are only a few."""
        annotation = self.field.annotation
        return tuple(str(word) for word in get_args(annotation)) if get_origin(annotation) is Literal else ()

    @property
    def is_list(self) -> bool:
        """Whether its value is a list (in the environment: JSON)."""
        return get_origin(self.field.annotation) is tuple


def shown(settings: Settings) -> Mapping[str, object]:
    """Every setting in force by its dotted name, as it may be seen: without the passwords in addresses."""
    values = settings.model_dump(mode="json")
    found: dict[str, object] = {}
    for name in all_settings():
        section, _, key = name.rpartition(".")
        value = values[section][key] if section else values[key]
        found[name] = _PASSWORD_IN_URL.sub(r"\g<user>:***", value) if isinstance(value, str) else value
    return found


@cache
def all_settings() -> Mapping[str, Setting]:
    """Every setting by its dotted name, in the order of the file."""
    return MappingProxyType({setting.name: setting for setting in _walk(Settings, "")})


@cache
def section_names() -> frozenset[str]:
    """The names of the tables a settings file may have."""
    return frozenset(name for name in Settings.model_fields if _section_of(Settings.model_fields[name]) is not None)


def template() -> str:
    """The text of ``etc/yunzhuo.toml``: every setting commented out, so that defaults stay ours to improve."""
    lines = [_HEADER]
    section: type[Section] = Settings
    for setting in all_settings().values():
        if setting.section is not section:
            section = setting.section
            lines += [f"# {section.__doc__}", f"[{setting.name.partition('.')[0]}]"]
        choices = f" One of: {', '.join(setting.choices)}." if setting.choices else ""
        lines += [f"# {setting.help}{choices}", *_commented(setting.key, setting.default), ""]
    return "\n".join(lines).rstrip() + "\n"


def markdown() -> str:
    """The configuration reference: one table a section."""
    lines: list[str] = []
    section: type[Section] | None = None
    for setting in all_settings().values():
        if setting.section is not section:
            section = setting.section
            title = setting.name.partition(".")[0] if "." in setting.name else ""
            heading = f"## `[{title}]`" if title else "## The installation"
            lines += [
                "",
                heading,
                "",
                str(section.__doc__),
                "",
                "| setting | default | meaning | environment |",
                "|---|---|---|---|",
            ]
        default = ", ".join(line.strip() for line in toml_value(setting.default).splitlines())
        choices = " One of: " + ", ".join(f"`{word}`" for word in setting.choices) + "." if setting.choices else ""
        lines.append(f"| `{setting.key}` | `{default}` | {setting.help}{choices} | `{setting.environment_variable}` |")
    return "\n".join(lines).strip() + "\n"


def toml_value(value: object) -> str:
    """``value`` as TOML; a list of tables takes one line a table."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + "".join(f"  {_inline_table(row)},\n" for row in value) + "]"
    return tomlkit.item(value).as_string()


def _walk(section: type[Section], prefix: str) -> Iterator[Setting]:
    for key, field in section.model_fields.items():
        nested = _section_of(field)
        if nested is None:
            yield Setting(prefix + key, section, field)
        else:
            yield from _walk(nested, f"{prefix}{key}.")


def _section_of(field: FieldInfo) -> type[Section] | None:
    annotation = field.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, bool, int, float)) else str(value)


def _inline_table(row: Mapping[str, object]) -> str:
    return "{ " + ", ".join(f"{key} = {toml_value(value)}" for key, value in row.items()) + " }"


def _commented(key: str, default: object) -> list[str]:
    return [f"# {line}" for line in f"{key} = {toml_value(default)}".splitlines()]
