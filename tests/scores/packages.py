"""How much of each package the tests take: a table of what ``coverage json`` told. Ends with 1 if one is under its mark.

``python -m tests.scores.packages COVERAGE.json``
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Packages that are told of by themselves, with the least that is asked of their branches, in percent; the deepest counts.
MARKS = {
    "services/rules": 95,
    "phoenix/security": 95,
    **dict.fromkeys(("cli", "gateway", "host", "license", "scheduler", "services", "web", "webkit"), 90),
    **dict.fromkeys((f"phoenix/{name}" for name in ("cloud", "common", "config", "db")), 90),
    "phoenix": 90,
    "": 90,
}
_ROOT = "src/yunzhuo/"


@dataclass
class Taken:
    """What was taken of what there is, statements and branches."""

    statements: int = 0
    statements_taken: int = 0
    branches: int = 0
    branches_taken: int = 0

    def add(self, summary: Mapping[str, Any]) -> None:
        self.statements += summary["num_statements"]
        self.statements_taken += summary["covered_lines"]
        self.branches += summary["num_branches"]
        self.branches_taken += summary["covered_branches"]

    @property
    def of_statements(self) -> float:
        return _percent(self.statements_taken, self.statements)

    @property
    def of_branches(self) -> float:
        return _percent(self.branches_taken, self.branches)


def package_of(path: str) -> str:
    """The package that a file is counted to."""
    inner = path.removeprefix(_ROOT)
    return max((name for name in MARKS if not name or inner.startswith(f"{name}/")), key=len)


def by_package(files: Mapping[str, Mapping[str, Any]]) -> dict[str, Taken]:
    """The sums of each package, in the order of :data:`MARKS`."""
    found: dict[str, Taken] = defaultdict(Taken)
    for path, told in files.items():
        if path.startswith(_ROOT):  # and not a copy that a test has built elsewhere
            found[package_of(path)].add(told["summary"])
    return {name: found[name] for name in MARKS if name in found}


def table(found: Mapping[str, Taken]) -> Iterable[str]:
    """The lines of the table."""
    yield f"{'package':<18} {'statements':>18} {'branches':>18}  asked"
    for name, taken in found.items():
        statements = f"{taken.of_statements:6.1f} % of {taken.statements:>5}"
        branches = f"{taken.of_branches:6.1f} % of {taken.branches:>5}"
        under = "" if taken.of_branches >= MARKS[name] else "  UNDER"
        yield f"{name or 'yunzhuo':<18} {statements:>18} {branches:>18}  {MARKS[name]:>3} %{under}"


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 100.0


def main(path: str) -> int:
    found = by_package(json.loads(Path(path).read_text())["files"])
    print("\n".join(table(found)))
    return int(any(taken.of_branches < MARKS[name] for name, taken in found.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
