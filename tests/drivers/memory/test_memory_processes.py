"""Several processes at once, and processes that die in the middle of it."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.drivers.memory.conftest import make_request
from tests.support.waiting import eventually
from yunzhuo.phoenix.cloud import memory
from yunzhuo.phoenix.cloud.memory import Fault, FaultKind, MemoryCloud
from yunzhuo.phoenix.config.settings import CloudSettings, Settings

_PROGRAM = Path(__file__).with_name("program.py")


@contextmanager
def _user(home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has started and waits to be told to go."""
    process = subprocess.Popen(
        [sys.executable, str(_PROGRAM), str(home), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def _go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def _answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _wait_for_creates(cloud: MemoryCloud, number: int) -> None:
    eventually(lambda: cloud.control.calls.count("servers.create") >= number, 30)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[MemoryCloud]:
    cloud = memory.connect(Settings(home=tmp_path, cloud=CloudSettings(driver="memory")))
    yield cloud
    cloud.close()


@pytest.mark.slow
def test_four_processes_that_make_the_file_and_the_same_servers_at_once(tmp_path: Path, cloud: MemoryCloud) -> None:
    with ExitStack() as stack:
        users = [stack.enter_context(_user(tmp_path, "create_all", "25")) for _ in range(4)]
        assert list(tmp_path.iterdir()) == []
        for user in users:
            _go(user)
        answers = {_answer(user) for user in users}
    assert len(answers) == 1
    assert sorted(answers.pop().split()) == sorted(server.id for server in cloud.servers.list())
    by_process = Counter(call.process_id for call in cloud.control.calls.list("servers.create"))
    assert sorted(by_process.values()) == [25, 25, 25, 25]


@pytest.mark.slow
@pytest.mark.parametrize(("part", "is_made"), [("before", False), ("after", True)])
def test_a_process_killed_in_the_middle_of_a_create(tmp_path: Path, cloud: MemoryCloud, part: str, is_made: bool) -> None:
    seconds = 120 if part == "before" else 3
    cloud.control.faults.set(Fault(operation="servers.create", kind=FaultKind.SLOW, seconds=seconds))
    with _user(tmp_path, "create_one", "one") as user:
        _go(user)
        eventually(lambda: cloud.control.calls.count("servers.create"), 20)
        if is_made:
            eventually(lambda: cloud.servers.find("one"), 20)
        os.kill(user.pid, signal.SIGKILL)
        user.wait()
    found = cloud.servers.find("one")
    assert (found is not None) is is_made
    assert [call.outcome for call in cloud.control.calls.list("servers.create")] == [None]
    made = cloud.servers.create(make_request("one"))
    assert found is None or made.id == found.id
    assert [server.id for server in cloud.servers.list()] == [made.id]


@pytest.mark.slow
def test_processes_killed_at_any_moment_leave_a_whole_cloud(tmp_path: Path, cloud: MemoryCloud) -> None:
    cloud.control.change_options(delete_seconds=0)
    with ExitStack() as stack:
        users = [stack.enter_context(_user(tmp_path, "churn")) for _ in range(3)]
        for number, user in enumerate(users):
            _go(user)
            _wait_for_creates(cloud, 60 * (number + 1))
            os.kill(user.pid, signal.SIGKILL)
            user.wait()
            tags = Counter(server.desktop_id for server in cloud.servers.list())
            assert set(tags.values()) <= {1}
    with closing(sqlite3.connect(tmp_path / "memory-cloud.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert sum(host.servers for host in cloud.hosts.list()) == len(cloud.servers.list())


@pytest.mark.slow
def test_a_cloud_that_kills_its_caller_has_done_what_was_asked(tmp_path: Path, cloud: MemoryCloud) -> None:
    cloud.control.faults.set(Fault(operation="servers.create", kind=FaultKind.CRASH))
    with _user(tmp_path, "create_one", "one") as user:
        _go(user)
        assert _answer(user) == ""
        assert user.wait(20) == -signal.SIGKILL
    made = cloud.servers.find("one")
    assert made is not None
    assert [call.outcome for call in cloud.control.calls.list("servers.create")] == [None]
    assert cloud.servers.create(make_request("one")).id == made.id
