"""The benchmark of open pages, with few of them: nothing fails, everybody is told, every figure is there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.servers, pytest.mark.slow]
BENCH = Path(__file__).parents[3] / "bench" / "pages.py"


def test_few_pages_and_few_sign_ins() -> None:
    command = [sys.executable, str(BENCH), "--pages", "30", "--sign-ins", "6", "--seconds", "3", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert (figures["open_pages"], figures["sign_ins"], figures["failed"]) == (30, 6, 0)
    # 12 reboots, each at least begun and ended, told to the owner's page and the administrator's.
    assert figures["events_delivered"] >= 2 * 2 * 10
    assert figures["page_answers"] > 2 * 6  # the cards besides the newcomers' forms and lists
    for name in ("page_answer_ms_p95", "event_delay_ms_p95", "web_mib", "stream_mib", "argon2_cpu_seconds"):
        assert figures[name] > 0, name
