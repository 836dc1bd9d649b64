"""Which faults in ``services/rules`` their unit tests notice: small changes are made to the rules, and the tests run on each.

``python -m tests.scores.mutation`` works in a copy of sources and tests in the user's cache folder, where what was found out
stays: a run that was ended goes on, only changed functions are looked at again, changed tests meet those that survived.
``--fresh`` forgets all of it. It ends with 1 when less than :data:`ASKED_PERCENT` are noticed.
"""

import argparse
import filecmp
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ASKED_PERCENT = 80
ROOT = Path(__file__).parents[2]
RULES = Path("src/yunzhuo/services/rules")
# What the unit tests of the rules need to run.
_COPIED = (
    *("pyproject.toml", "src", "guest", "tests/__init__.py", "tests/conftest.py"),
    *("tests/gateway", "tests/support", "tests/unit/services"),
)
# mutmut's exit codes of the tests for a change: noticed by them, or by an endless loop; everything else was not.
_NOTICED, _TIMED_OUT, _SURVIVED = frozenset({1, 3}), frozenset({24, 36, 152, 255, -24}), 0


def workplace() -> Path:
    """Where the copy is kept, one for each clone."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "yunzhuo" / "mutation" / "-".join(ROOT.parts[1:])


def synchronize(target: Path) -> bool:
    """Bring the copy up to date; answers whether tests have changed. Files that are the same keep their times."""
    wanted = set(_files())
    have = {path.relative_to(target) for name in _COPIED for path in _below(target / name)}
    changed = {path for path in wanted if path not in have or not filecmp.cmp(ROOT / path, target / path, shallow=False)}
    for path in changed:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, target / path)
    for path in have - wanted:
        (target / path).unlink()
    return any(path.parts[0] == "tests" for path in changed | (have - wanted))


def _files() -> Iterator[Path]:
    for name in _COPIED:
        yield from (path.relative_to(ROOT) for path in _below(ROOT / name))


def _below(place: Path) -> Iterable[Path]:
    found = [place] if place.is_file() else place.rglob("*")
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def results(place: Path) -> dict[str, dict[str, int | None]]:
    """By module, each change and the exit code of the tests on it (None: not looked at yet)."""
    found: dict[str, dict[str, int | None]] = {}
    for told in sorted((place / "mutants" / RULES).glob("*.py.meta")):
        codes = json.loads(told.read_text())["exit_code_by_key"]
        if codes:
            found[told.name.removesuffix(".py.meta")] = codes
    return found


def table(found: Mapping[str, Mapping[str, int | None]]) -> tuple[list[str], float]:
    """The lines of the table, and how many percent of all were noticed."""
    lines, total = [f"{'module':<20} {'changes':>8} {'noticed':>8} {'':>8}"], Counter[str]()
    for module, codes in found.items():
        noticed = sum(code in _NOTICED or code in _TIMED_OUT for code in codes.values())
        total.update(changes=len(codes), noticed=noticed)
        lines.append(f"{module:<20} {len(codes):>8} {noticed:>8} {100 * noticed / len(codes):>6.1f} %")
    percent = 100 * total["noticed"] / max(total["changes"], 1)
    lines.append(f"{'all':<20} {total['changes']:>8} {total['noticed']:>8} {percent:>6.1f} %")
    return lines, percent


def main() -> int:
    parser = argparse.ArgumentParser(description="Which faults in the rules their tests notice.")
    parser.add_argument("--fresh", action="store_true", help="forget what was found out before")
    parser.add_argument("--survivors", action="store_true", help="only show the changes that nothing noticed")
    asked = parser.parse_args()
    place = workplace()
    if asked.survivors:
        return _show_survivors(place)
    if asked.fresh:
        shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True, exist_ok=True)
    has_new_tests = synchronize(place)
    if has_new_tests:
        _forget_survivors(place)
    ended = subprocess.run([sys.executable, "-m", "mutmut", "run", "--max-children", "1"], cwd=place, check=False)
    if ended.returncode:
        return ended.returncode
    lines, percent = table(results(place))
    print("\n".join(lines))
    return int(percent < ASKED_PERCENT)


def _forget_survivors(place: Path) -> None:
    for told in (place / "mutants" / RULES).glob("*.py.meta"):
        content = json.loads(told.read_text())
        codes = content["exit_code_by_key"]
        content["exit_code_by_key"] = {key: code if code in _NOTICED else None for key, code in codes.items()}
        told.write_text(json.dumps(content))


def _show_survivors(place: Path) -> int:
    for codes in results(place).values():
        for key, code in codes.items():
            if code is not None and code not in _NOTICED | _TIMED_OUT:
                print(f"# {key}: {code}", flush=True)
                subprocess.run([sys.executable, "-m", "mutmut", "show", key], cwd=place, check=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
