"""The time of an answer does not tell whether there is an account: a small look; the bench itself takes ten thousand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[3] / "bench" / "sign_in_timing.py"


@pytest.mark.slow
def test_known_and_unknown_addresses_take_as_long() -> None:
    command = [sys.executable, str(BENCH), "--rounds", "400", "--quick-hash", "--json"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    found = json.loads(said.stdout.splitlines()[-1])
    for what in ("sign_in", "reset"):
        # Chance alone moves it by 0.02; an answer that skips a question to the database is far beyond 0.6.
        assert abs(found[what]["auc"] - 0.5) < 0.1, found
