"""What a service is to be, and how one is doing: the same words for systemd and for Windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

WINDOWS_NAME = "Yunzhuo"  # what the service is called among the Services of Windows


class Part(StrEnum):
    """What runs as a service."""

    ALL = "all"  # what `yunzhuo up` starts
    GATEWAY = "gateway"  # a gateway on a computer of its own


@dataclass(frozen=True)
class Plan:
    """``python`` runs Yunzhuo as ``account`` (None: whoever the service manager belongs to), which is in ``groups`` besides its
    own. ``home`` is the state folder, None for a gateway, which has none; ``writable`` is written to as well.
    ``has_machines``: desktops run on this computer and outlive a stop.
    """

    part: Part
    python: Path
    config_file: Path | None
    home: Path | None
    account: str | None
    groups: Sequence[str] = ()
    writable: Sequence[Path] = ()
    has_machines: bool = False

    @property
    def command(self) -> list[str]:
        """What the service runs."""
        options: list[str] = []
        if self.config_file:
            options += ["--config", str(self.config_file)]
        if self.home:
            options += ["--home", str(self.home)]
        return [str(self.python), "-m", "yunzhuo", "gateway" if self.part is Part.GATEWAY else "up", *options]


class State(StrEnum):
    """How a service is, in words of ours."""

    NOT_INSTALLED = "not installed"
    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    FAILED = "failed"
    UNKNOWN = "unknown"  # there is no service manager to ask


@dataclass(frozen=True)
class Status:
    """``at_boot``: whether it starts with the computer. ``says``: its own last words on itself. ``details``: whatever else the
    service manager knows.
    """

    state: State
    at_boot: bool = False
    pid: int | None = None
    says: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


class ServiceManager(Protocol):
    """systemd, or the Services of Windows. Everything raises Forbidden without the rights, Unavailable when it fails."""

    def install(self, plan: Plan) -> Sequence[str]:
        """Write it down, to be started with the computer; twice is once. Answers what a person should know."""

    def start(self) -> None:
        """Returns when it runs, or raises Unavailable when it did not come up. NotFound: not installed."""

    def stop(self) -> None:
        """Returns when all of it has ended. NotFound: not installed."""

    def status(self) -> Status:
        """How it is now."""

    def uninstall(self) -> None:
        """Stop it and forget it; state folder and account stay. NotFound: not installed."""
