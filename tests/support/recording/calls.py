"""What a recording (see ``hook/sitecustomize.py``) says: which part of Yunzhuo called which, where and when."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Call:
    """A function of a part: ``services.desktops``, ``DesktopService.request``."""

    part: str
    function: str

    def __str__(self) -> str:
        return f"{self.part}: {self.function}"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One call, ``at_ns`` of the monotonic clock; ``path`` leads to it from where its thread or task began."""

    process: str
    at_ns: int
    path: Sequence[Call]


@dataclass
class Tree:
    """Calls below calls, in the order in which each came first."""

    below: dict[Call, "Tree"] = field(default_factory=dict)

    def add(self, path: Iterable[Call]) -> None:
        """Make room for a path."""
        place = self
        for call in path:
            place = place.below.setdefault(call, Tree())

    def lines(self) -> Iterator[tuple[int, Call]]:
        """(Depth, call) from top to bottom."""
        for call, tree in self.below.items():
            yield 0, call
            yield from ((depth + 1, inner) for depth, inner in tree.lines())


def read_recording(folder: Path) -> list[Recorded]:
    """Every recorded call, in order of time."""
    found: list[Recorded] = []
    for file in folder.glob("*.jsonl"):
        process = file.name.partition("-")[0]
        for line in file.read_text(encoding="utf-8").splitlines():
            at_ns, path = json.loads(line)
            found.append(Recorded(process, at_ns, tuple(Call(part, function) for part, function in path)))
    return sorted(found, key=lambda recorded: recorded.at_ns)


def paths_from(
    recording: Iterable[Recorded], process: str, beginning: Sequence[Call], left_out: Collection[Sequence[Call]] = frozenset()
) -> list[Sequence[Call]]:
    """The paths in a process that begin so, in order of time; without those in which one of the runs that are ``left_out``
    occurs, so without all that is below it."""
    return [
        recorded.path
        for recorded in recording
        if recorded.process == process
        and _holds_at(recorded.path, 0, beginning)
        and not any(_holds_at(recorded.path, start, run) for run in left_out for start in range(len(recorded.path)))
    ]


def _holds_at(path: Sequence[Call], start: int, run: Sequence[Call]) -> bool:
    return tuple(path[start : start + len(run)]) == tuple(run)
