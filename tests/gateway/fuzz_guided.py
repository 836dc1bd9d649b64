"""Fuzzes the gateway's protocol code guided by what it covers, with atheris: ``python -m tests.gateway.fuzz_guided SECONDS``.

Each machine of :mod:`tests.gateway.fuzz` has its share of the time, in a process of its own, which begins with what is kept in
``corpus/guided`` and what the other fuzzer makes. With ``--keep`` what covers more is kept for the next time; ``test_fuzz``
runs it on any Python. A stream that a machine cannot bear is printed, and the exit code is 1.
"""

import argparse
import base64
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.gateway import fuzz

KEPT: Final = Path(__file__).parent / "corpus" / "guided"
LONGEST_BYTES: Final = 2048
_SEEDS: Final = 20
_MOST_KEPT: Final = 200


def kept(machine: str) -> list[bytes]:
    """What is kept of a machine's corpus."""
    file = KEPT / f"{machine}.json"
    return [base64.b64decode(one) for one in json.loads(file.read_text())] if file.exists() else []


def keep(machine: str, streams: list[bytes]) -> None:
    """One line a stream, so that a change of the corpus is seen as one."""
    lines = sorted(base64.b64encode(one).decode() for one in streams)
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{machine}.json").write_text(json.dumps(lines, indent=0) + "\n")


def one(machine: str, seconds: float, *, is_kept: bool) -> bool:
    """Whether a machine bore everything."""
    with tempfile.TemporaryDirectory() as name:
        found = Path(name) / "found"
        found.mkdir()
        dice = random.Random(machine)
        make = next(make for run, make in fuzz.TARGETS if run.__name__ == machine)
        for number, stream in enumerate([*kept(machine), *(make(dice)[:LONGEST_BYTES] for _ in range(_SEEDS))]):
            (found / f"{number}").write_bytes(stream)
        command = [sys.executable, "-m", "tests.gateway.fuzz_one", machine]
        limits = [f"-max_total_time={max(1, round(seconds))}", f"-max_len={LONGEST_BYTES}", "-verbosity=0", "-timeout=10"]
        ran = subprocess.run([*command, *limits, f"-artifact_prefix={name}/", str(found)], check=False)
        for artifact in Path(name).glob("*-*"):
            print(f"{machine} cannot bear {base64.b64encode(artifact.read_bytes()).decode()}", flush=True)
        print(f"{machine}: {len(list(found.iterdir()))} streams that differ, exit code {ran.returncode}", flush=True)
        if is_kept and not ran.returncode:
            # libFuzzer adds what covers more than all before it, and puts shorter streams in the place of longer ones.
            keep(machine, sorted({file.read_bytes() for file in found.iterdir()}, key=len)[:_MOST_KEPT])
        return ran.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("seconds", type=float)
    parser.add_argument("--keep", action="store_true", help="keep what was found for the next time")
    options = parser.parse_args()
    machines = [run.__name__ for run, _ in fuzz.TARGETS]
    share = options.seconds / len(machines)
    borne = [one(machine, share, is_kept=options.keep) for machine in machines]
    return 0 if all(borne) else 1


if __name__ == "__main__":
    sys.exit(main())
