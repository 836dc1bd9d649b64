"""The lock between processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from yunzhuo.phoenix.common.lock import LockHeld, hold, holder

HOLD_UNTIL_KILLED = """
import sys
from pathlib import Path
from yunzhuo.phoenix.common.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_holder_is_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "yunzhuo.lock"

    with hold(path), pytest.raises(LockHeld) as refused, hold(path):
        pass

    assert refused.value.holder_pid == os.getpid()
    assert f"process {os.getpid()}" in refused.value.message


def test_it_can_be_held_again_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "yunzhuo.lock"
    for _ in range(2):
        with hold(path):
            assert holder(path) == os.getpid()
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_death_of_its_holder_frees_it(tmp_path: Path) -> None:
    path = tmp_path / "yunzhuo.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_UNTIL_KILLED, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(LockHeld) as refused, hold(path):
            pass
        assert refused.value.holder_pid == child.pid
        child.kill()
        child.wait()

    with hold(path):
        assert holder(path) == os.getpid()


def test_a_lock_file_without_a_pid_names_nobody(tmp_path: Path) -> None:
    path = tmp_path / "yunzhuo.lock"
    path.write_text("rubbish")

    assert holder(path) is None
    assert holder(tmp_path / "none") is None
