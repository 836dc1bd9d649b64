"""Reads the settings once: file < environment < flags. Every mistake is reported together, with where it came from."""

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import ValidationError

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.config.reference import ENVIRONMENT_PREFIX, all_settings, section_names
from yunzhuo.phoenix.config.settings import Settings

SYSTEM_FILE = Path("/etc/yunzhuo/yunzhuo.toml")


@dataclass(frozen=True)
class Loaded:
    """Settings, and who said what: ``origins`` has the dotted name of each value that somebody gave."""

    settings: Settings
    origins: Mapping[str, str]
    file: Path | None


@dataclass(frozen=True)
class _Value:
    name: str
    value: object
    origin: str


@dataclass
class _Mistakes:
    """What is wrong so far: (where it came from, the setting's name, what is wrong with it)."""

    found: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, origin: str, name: str, problem: str) -> None:
        self.found.append((origin, name, problem))

    def raise_if_any(self) -> None:
        if not self.found:
            return
        lines = [f"  {origin}: {f'{name}: ' if name else ''}{problem}" for origin, name, problem in self.found]
        many = "mistakes" if len(lines) > 1 else "mistake"
        fields = {name or origin: problem for origin, name, problem in self.found}
        raise InvalidInput(
            "\n".join([f"The settings have {len(lines)} {many}:", *lines]), code="invalid_settings", fields=fields
        )


def load(file: Path | None, environ: Mapping[str, str], flags: Mapping[str, object]) -> Settings:
    """The settings in force. ``flags`` has dotted names (``web.port``); a flag that is None was not given.

    Without ``file``, the clone's ``etc/yunzhuo.toml`` is read, else ``/etc/yunzhuo/yunzhuo.toml``, else none. Raises
    InvalidInput with a line for every mistake. ``home`` is absolute in the answer: its default lies in the clone, a relative
    one that somebody gave in the current folder.
    """
    return load_with_origins(file, environ, flags).settings


def load_with_origins(file: Path | None, environ: Mapping[str, str], flags: Mapping[str, object]) -> Loaded:
    """Like :func:`load`, and where each value came from."""
    mistakes = _Mistakes()
    file = file or default_file()
    given: dict[str, _Value] = {}
    for source in (_from_file(file, mistakes), _from_environment(environ, mistakes), _from_flags(flags, mistakes)):
        given.update((value.name, value) for value in source)
    settings = _validate(given, mistakes)
    mistakes.raise_if_any()
    settings = settings.model_copy(update={"home": _home(settings, is_default="home" not in given)})
    _contradictions(settings, given, mistakes)
    mistakes.raise_if_any()
    return Loaded(settings, {name: value.origin for name, value in given.items()}, file)


def project_root() -> Path | None:
    """The clone this code runs from, or None when it was installed elsewhere."""
    root = Path(__file__).resolve().parents[4]
    return root if (root / "pyproject.toml").is_file() and (root / "src" / "yunzhuo").is_dir() else None


def default_file() -> Path | None:
    """The settings file that is read when none was named."""
    root = project_root()
    candidates = [*([root / "etc" / "yunzhuo.toml"] if root else []), SYSTEM_FILE]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def freeze(settings: Settings, file: Path) -> None:
    """Write all of ``settings`` to ``file`` (mode 600: URLs may carry passwords), for processes that must read the same."""
    partial = file.with_name(f"{file.name}.partial")
    with open(partial, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
        out.write(tomlkit.dumps(settings.model_dump(mode="json")))
    partial.replace(file)


def _from_file(file: Path | None, mistakes: _Mistakes) -> Iterator[_Value]:
    if file is None:
        return
    origin = str(file)
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        mistakes.add(origin, "", f"cannot be read ({error.strerror})")
    except UnicodeDecodeError:
        mistakes.add(origin, "", "is not UTF-8 text")
    except tomllib.TOMLDecodeError as error:
        mistakes.add(origin, "", f"is not TOML: {error}")
    else:
        yield from _from_document(document, origin, mistakes)


def _from_document(document: Mapping[str, Any], origin: str, mistakes: _Mistakes) -> Iterator[_Value]:
    for key, value in document.items():
        if key not in section_names():
            yield from _known(_Value(key, value, origin), mistakes)
        elif isinstance(value, Mapping):
            for nested_key, nested_value in value.items():
                yield from _known(_Value(f"{key}.{nested_key}", nested_value, origin), mistakes)
        else:
            mistakes.add(origin, key, f"is a section: write [{key}] and its settings below it")


def _from_environment(environ: Mapping[str, str], mistakes: _Mistakes) -> Iterator[_Value]:
    for variable, text in environ.items():
        # An empty variable counts as not set: that is how shells and unit files take one back.
        if not variable.startswith(ENVIRONMENT_PREFIX) or not text:
            continue
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".")
        for value in _known(_Value(name, text, variable), mistakes):
            if not all_settings()[name].is_list:
                yield value
                continue
            try:
                yield _Value(name, json.loads(text), variable)
            except json.JSONDecodeError:
                mistakes.add(variable, name, "should be a list in JSON")


def _from_flags(flags: Mapping[str, object], mistakes: _Mistakes) -> Iterator[_Value]:
    for name, value in flags.items():
        if value is not None:
            yield from _known(_Value(name, value, "command line"), mistakes)


def _known(value: _Value, mistakes: _Mistakes) -> Iterator[_Value]:
    if value.name in all_settings():
        yield value
        return
    close = get_close_matches(value.name, list(all_settings()), n=1, cutoff=0.6)
    mistakes.add(value.origin, value.name, f"no such setting (did you mean {close[0]}?)" if close else "no such setting")


def _validate(given: Mapping[str, _Value], mistakes: _Mistakes) -> Settings:
    tree: dict[str, Any] = {}
    for name, value in given.items():
        section, _, key = name.rpartition(".")
        (tree.setdefault(section, {}) if section else tree)[key] = value.value
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            location = ".".join(str(part) for part in problem["loc"])
            origin = next(value.origin for name, value in given.items() if f"{location}.".startswith(f"{name}."))
            mistakes.add(origin, location, _readable(problem["type"], problem["msg"]))
        return Settings()


def _readable(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "no such setting"
    return message.removeprefix("Input ").removeprefix("Value error, ")


def _home(settings: Settings, *, is_default: bool) -> Path:
    base = (project_root() if is_default else None) or Path.cwd()
    return Path(os.path.normpath(base / settings.home.expanduser()))


def _contradictions(settings: Settings, given: Mapping[str, _Value], mistakes: _Mistakes) -> None:
    """Values that are right alone and wrong together."""

    def origin(*names: str) -> str:
        return next((given[name].origin for name in names if name in given), "defaults")

    ports: dict[int, str] = {}
    for name, port in (
        ("web.port", settings.web.port),
        ("gateway.port", settings.gateway.port),
        ("stream.port", settings.stream.port),
        *_agents_ports(settings),
    ):
        if port in ports:
            mistakes.add(origin(name, ports[port]), name, f"is {port}, and so is {ports[port]}")
        ports.setdefault(port, name)
    flavor_ids = [flavor.id for flavor in settings.host.flavors]
    for flavor_id in sorted({one for one in flavor_ids if flavor_ids.count(one) > 1}):
        mistakes.add(origin("host.flavors"), "host.flavors", f"has more than one flavor {flavor_id}")
    for flavor_id in settings.host.prepared_flavors:
        if flavor_id not in flavor_ids:
            mistakes.add(
                origin("host.prepared_flavors", "host.flavors"),
                "host.prepared_flavors",
                f"there is no flavor {flavor_id} to prepare",
            )
    if settings.agents.tls_certificate and not settings.agents.ca_file:
        mistakes.add(origin("agents.tls_certificate"), "agents.ca_file", "says whom agents believe then")


def _agents_ports(settings: Settings) -> Iterator[tuple[str, int]]:
    if settings.agents.public_url:
        yield "agents.port", settings.agents.port
        yield "agents.local_port", settings.agents.local_port
