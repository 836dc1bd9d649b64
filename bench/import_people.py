"""How long a list of 10,000 people takes, and what its one-time passwords cost beside argon2.

One command. The list is taken in whole (CSV and XLSX, each into an installation of its own); beside it, by turns, one-time
passwords are hashed as they are stored and as chosen ones are (argon2id), to say what the list would take with those. The
goal is below a minute. ``--json`` prints one JSON object as the last line.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.security.passwords import Passwords, one_time_password
from yunzhuo.services import list_files
from yunzhuo.services.access import installation
from yunzhuo.services.assembly import services
from yunzhuo.services.first_start import prepare
from yunzhuo.services.list_files import FileKind
from yunzhuo.services.people_import import COLUMNS

GOAL_SECONDS = 60.0
HASHES = 20


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def taken_in(people: int, kind: FileKind) -> float:
    rows = [(f"pupil-{number}@bench.local", "user", f"Class {number % 50}", "zh_CN") for number in range(people)]
    content = list_files.write(rows, COLUMNS, kind)
    with tempfile.TemporaryDirectory(prefix="yunzhuo-bench-") as folder:
        settings = Settings.model_validate({"home": Path(folder) / "home", "cloud": {"driver": "memory"}})
        prepare(settings)
        with services(settings) as all_services:
            chief = installation(all_services.accounts.default_organization_id())
            for number in range(50):
                all_services.groups.create(chief, f"Class {number}")
            made: list[int] = []
            took = seconds(lambda: made.append(len(all_services.people_import.run(chief, content, kind).made)))
    if made != [people]:
        raise SystemExit(f"{made} of {people} accounts were made")
    return took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    took = {kind: taken_in(asked.people, kind) for kind in FileKind}
    passwords, ratios, slow_seconds = Passwords(), [], []
    for _ in range(HASHES):
        password = one_time_password(10)
        fast, slow = seconds(partial(passwords.hash_one_time, password)), seconds(partial(passwords.hash, password))
        ratios.append(slow / fast)
        slow_seconds.append(slow)
    with_argon2 = statistics.median(slow_seconds) * asked.people
    figures = {
        "people": asked.people,
        "csv_seconds": round(took[FileKind.CSV], 1),
        "xlsx_seconds": round(took[FileKind.XLSX], 1),
        "argon2_alone_seconds": round(with_argon2, 1),
        "argon2_to_one_time_hash": round(statistics.median(ratios)),
        "goal_seconds": GOAL_SECONDS,
        "is_met": max(took.values()) < GOAL_SECONDS,
    }
    print(f"{asked.people} people: CSV {figures['csv_seconds']} s, XLSX {figures['xlsx_seconds']} s (goal: {GOAL_SECONDS} s).")
    print(f"With argon2 for each one-time password, hashing alone would take {figures['argon2_alone_seconds']} s.")
    if asked.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
