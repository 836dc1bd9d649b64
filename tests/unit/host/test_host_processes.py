"""Processes are known by more than a pid, and their end is seen at once."""

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.host.adoption import find_machines
from yunzhuo.host.launch import last_words, start_process
from yunzhuo.host.monitor import MachineFailed
from yunzhuo.host.processes import (
    ProcessGone,
    WatchedProcess,
    cpu_seconds,
    end_hard,
    identify,
    parse_stat,
    running,
    working_below,
)


@given(name=st.text(max_size=15), state=st.sampled_from("RSDZTX"), start_ticks=st.integers(0, 2**63))
def test_a_processs_own_name_cannot_confuse_us(name: str, state: str, start_ticks: int) -> None:
    rest = " ".join([state, *("0" for _ in range(18)), str(start_ticks), "0", "0"])
    assert parse_stat(f"4711 ({name}) {rest}") == (state, start_ticks)


def test_we_are_somebody_and_the_dead_are_nobody() -> None:
    me = identify(os.getpid())
    assert me is not None
    assert me == identify(os.getpid())
    assert identify(2**22 + 1) is None


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert identify(child.pid) is None
    child.wait()


async def test_a_later_owner_of_the_pid_is_not_taken_for_the_process(tmp_path: Path) -> None:
    process = start_process(["sleep", "60"], tmp_path)
    with pytest.raises(ProcessGone):
        WatchedProcess(replace(process.identity, start_ticks=process.identity.start_ticks - 1))
    with pytest.raises(ProcessGone):
        WatchedProcess(replace(process.identity, boot_id="another boot"))
    await process.kill()


async def test_the_end_is_told_once_with_how(tmp_path: Path) -> None:
    ends: list[str] = []
    killed = start_process(["sleep", "60"], tmp_path)
    killed.on_end(lambda: ends.append("killed"))
    killed.send(signal.SIGKILL)
    await asyncio.wait_for(killed.wait(), 5)
    assert (ends, killed.exit_code, killed.has_ended) == (["killed"], -signal.SIGKILL, True)
    ended = start_process(["sh", "-c", "exit 3"], tmp_path)
    await asyncio.wait_for(ended.wait(), 5)
    assert ended.exit_code == 3
    ended.send(signal.SIGKILL)
    ended.on_end(lambda: ends.append("late"))
    await asyncio.sleep(0)
    assert ends == ["killed", "late"]


async def test_a_process_that_is_not_our_child_can_be_watched_and_ended(tmp_path: Path) -> None:
    # Its parent is the shell, which ends at once.
    shell = await asyncio.create_subprocess_exec(
        *("sh", "-c", "setsid sleep 60 >/dev/null 2>&1 & echo $!"), cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    pid, _ = await shell.communicate()
    identity = identify(int(pid))
    assert identity is not None
    watched = WatchedProcess(identity)
    await end_hard(identity)
    await asyncio.wait_for(watched.wait(), 5)
    assert watched.exit_code is None
    await end_hard(identity)


async def test_letting_go_leaves_the_process_alone(tmp_path: Path) -> None:
    process = start_process(["sleep", "60"], tmp_path)
    process.let_go()
    assert identify(process.identity.pid) == process.identity
    await end_hard(process.identity)


async def test_processes_are_found_by_where_they_work(tmp_path: Path) -> None:
    folder, other = tmp_path / "one" / "inner", tmp_path / "one-more"
    folder.mkdir(parents=True)
    other.mkdir()
    inside = start_process(["sleep", "61"], folder)
    outside = start_process(["sleep", "62"], other)
    assert [(found.folder, found.argv) for found in working_below(tmp_path / "one")] == [(folder, ("sleep", "61"))]
    assert inside.identity in [found.identity for found in running("sleep")]
    (folder / "qemu.log").unlink()
    folder.rmdir()
    assert [found.folder for found in working_below(tmp_path / "one")] == [folder], "even where the folder is gone"
    await asyncio.gather(inside.kill(), outside.kill())
    assert list(working_below(tmp_path)) == []


async def test_only_what_was_started_as_the_folders_machine_is_taken_for_it(tmp_path: Path) -> None:
    for name in ("abc", ".gone-def"):
        (tmp_path / name).mkdir()
    # No shell: between its fork and the child's exec there are two processes with its words.
    wait = [sys.executable, "-c", "import signal; signal.pause()"]
    machine = start_process([*wait, "yunzhuo-abc"], tmp_path / "abc")
    going = start_process([*wait, "yunzhuo-def"], tmp_path / ".gone-def")
    shell = start_process(wait, tmp_path / "abc")
    impostor = start_process([*wait, "yunzhuo-def"], tmp_path / "abc")
    found = find_machines(tmp_path)
    assert dict(found) == {tmp_path / "abc": [machine.identity], tmp_path / ".gone-def": [going.identity]}
    await asyncio.gather(*(process.kill() for process in (machine, going, shell, impostor)))


async def test_what_cannot_be_started_says_so(tmp_path: Path) -> None:
    with pytest.raises(MachineFailed, match="no-such-program cannot be started"):
        start_process(["no-such-program"], tmp_path)


async def test_the_last_line_is_what_counts(tmp_path: Path) -> None:
    process = start_process(["sh", "-c", "echo one; echo 'qemu-system-x86_64: two' >&2; echo"], tmp_path)
    await process.wait()
    assert last_words(tmp_path) == "two"
    assert last_words(tmp_path / "nowhere") == "it ended without a word."


def test_the_time_of_a_process_is_its_own_and_nobody_elses() -> None:
    me = identify(os.getpid())
    assert me is not None
    first = cpu_seconds(me)
    assert first is not None
    assert 0 <= first <= sum(os.times()[:2]) + 0.02
    assert cpu_seconds(replace(me, start_ticks=me.start_ticks + 1)) is None
