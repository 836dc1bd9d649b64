"""The supervisor over small real processes that die, hang, flood and are killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from yunzhuo.scheduler.console import Console
from yunzhuo.scheduler.supervised import FAST_RESTARTS, Process, restart_delay_seconds
from yunzhuo.scheduler.supervisor import Patience, Supervisor

pytestmark = pytest.mark.slow

# Each notes its end in the file "ends", so that tests see the order.
POLITE = """
import os, signal, sys
def end(*_):
    with open("ends", "a") as ends: ends.write(sys.argv[1] + " ")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
open(sys.argv[1] + ".up", "a").write("x")
sys.stdin.read()
end()
"""
STUBBORN = """
import signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1] + ".up", "a").write("x")
while True: signal.pause()
"""
DYING = """
import sys
open(sys.argv[1] + ".up", "a").write("x")
sys.exit("error: no luck today")
"""
FLOODING = """
import signal, sys
open(sys.argv[1] + ".up", "a").write("x")
for n in range(20000): print("error: flood", n, "x" * 80, file=sys.stderr)
open(sys.argv[1] + ".through", "a").write("x")
signal.pause()
"""
LEAVING_AN_ORPHAN = """
import subprocess, sys
orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
open(sys.argv[1] + ".orphan", "w").write(str(orphan.pid))
sys.stdin.read()
"""
SUPERVISOR = """
import sys
from pathlib import Path
from yunzhuo.scheduler.console import Console
from yunzhuo.scheduler.supervisor import Patience, Supervisor
from yunzhuo.scheduler.supervised import Process
here = Path.cwd()
processes = [Process(name, [sys.executable, "-c", code, name]) for name, code in zip(sys.argv[2::2], sys.argv[3::2])]
patience = Patience(0.3, float(sys.argv[1]))
Supervisor(processes, log_dir=here, state_file=here / "state", console=Console(print), patience=patience).run()
"""
QUICK = Patience(stagger_seconds=0.3, kill_after_seconds=0.8)


def eventually(condition: Callable[[], bool], timeout_seconds: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def process(name: str, code: str) -> Process:
    return Process(name, [sys.executable, "-c", code, name])


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


class Running:
    """A supervisor at work in the main thread, while the test's steps run in another."""

    def __init__(self, folder: Path, *processes: Process) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.supervisor = Supervisor(
            processes,
            log_dir=folder,
            state_file=folder / "state",
            console=Console(lambda _level, line: self.said.append(line)),
            patience=QUICK,
        )

    def while_it_runs(self, steps: Callable[[], None]) -> None:
        failures: list[BaseException] = []

        def run_steps() -> None:
            try:
                steps()
            except BaseException as failure:
                failures.append(failure)
            self.supervisor.stop()

        thread = threading.Thread(target=run_steps)
        thread.start()
        self.supervisor.run()
        thread.join()
        if failures:
            raise failures[0]

    def starts(self, name: str) -> int:
        path = self.folder / f"{name}.up"
        return len(path.read_text()) if path.exists() else 0

    def pids(self) -> dict[str, int]:
        """Who runs, as the supervisor wrote it down last."""
        path = self.folder / "state"
        return state(self.folder) if path.exists() else {}

    def new_pid(self, name: str, known: set[int]) -> int:
        """The pid of a process once it is none of ``known``."""
        eventually(lambda: self.pids().get(name) not in {None, *known})
        return self.pids()[name]


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_dies_is_started_again(tmp_path: Path) -> None:
    running = Running(tmp_path, process("web", POLITE), process("host", POLITE))

    def steps() -> None:
        killed: set[int] = set()
        for _ in range(3):
            pid = running.new_pid("web", killed)
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        running.new_pid("web", killed)

    running.while_it_runs(steps)

    assert running.starts("host") == 1
    assert sum(line.startswith("web ended (SIGKILL); starting it again") for line in running.said) == 3


def test_one_that_dies_at_once_is_tried_again_and_what_it_said_is_shown(tmp_path: Path) -> None:
    running = Running(tmp_path, process("web", DYING))

    running.while_it_runs(lambda: eventually(lambda: running.starts("web") >= 3))

    assert running.supervisor.deaths_in_a_row()["web"] >= 2
    assert running.supervisor.last_lines("web", 1) == ["error: no luck today"]
    assert "[web] error: no luck today" in running.said


def test_a_program_that_is_not_there_does_not_stop_the_others(tmp_path: Path) -> None:
    running = Running(tmp_path, Process("web", [str(tmp_path / "missing")]), process("host", POLITE))

    running.while_it_runs(lambda: eventually(lambda: running.starts("host") == 1))

    assert "cannot start" in running.supervisor.last_lines("web", 1)[0]


def test_processes_drain_in_the_opposite_order(tmp_path: Path) -> None:
    running = Running(tmp_path, *(process(name, POLITE) for name in ("host", "worker", "web")))

    running.while_it_runs(lambda: eventually(lambda: all(running.starts(name) for name in ("host", "worker", "web"))))

    assert (tmp_path / "ends").read_text() == "web worker host "
    assert not (tmp_path / "state").exists()


def test_one_that_does_not_drain_is_killed_and_the_others_do_not_wait_for_it(tmp_path: Path) -> None:
    running = Running(tmp_path, process("host", POLITE), process("web", STUBBORN))
    pids: list[int] = []
    stopped: list[float] = []

    def steps() -> None:
        eventually(lambda: bool(running.starts("host") and running.starts("web")))
        pids.extend(running.pids().values())
        stopped.append(time.monotonic())

    running.while_it_runs(steps)

    assert time.monotonic() - stopped[0] < 2.5
    assert (tmp_path / "ends").read_text() == "host "
    assert not any(is_alive(pid) for pid in pids)


def test_a_flood_of_lines_neither_blocks_nor_drowns(tmp_path: Path) -> None:
    running = Running(tmp_path, process("web", FLOODING))

    running.while_it_runs(lambda: eventually((tmp_path / "web.through").exists, 20))

    assert 0 < len(running.said) < 500


@pytest.fixture
def supervisor_process(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(kill_after_seconds: float = 0.8, **children: str) -> "subprocess.Popen[bytes]":
        arguments = [str(kill_after_seconds), *(word for pair in children.items() for word in pair)]
        child = subprocess.Popen([sys.executable, "-c", SUPERVISOR, *arguments], stdout=subprocess.PIPE, start_new_session=True)
        started.append(child)
        return child

    yield start
    for child in started:
        with child:
            child.kill()


def state(folder: Path) -> dict[str, int]:
    eventually((folder / "state").exists)
    return {name: entry["pid"] for name, entry in json.loads((folder / "state").read_text())["processes"].items()}


def test_when_the_supervisor_is_killed_its_children_end(
    supervisor_process: Callable[..., "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    supervisor = supervisor_process(web=POLITE, host=POLITE)
    eventually(lambda: (tmp_path / "web.up").exists() and (tmp_path / "host.up").exists())
    pids = state(tmp_path)

    supervisor.kill()

    eventually(lambda: not any(is_alive(pid) for pid in pids.values()))
    assert sorted((tmp_path / "ends").read_text().split()) == ["host", "web"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_drains(
    supervisor_process: Callable[..., "subprocess.Popen[bytes]"], tmp_path: Path, number: signal.Signals
) -> None:
    supervisor = supervisor_process(web=POLITE)
    eventually((tmp_path / "web.up").exists)

    # Twice within a moment, as when a terminal and make both pass on one Ctrl-C.
    supervisor.send_signal(number)
    supervisor.send_signal(number)

    assert supervisor.wait(5) == 0
    assert (tmp_path / "ends").read_text() == "web "


def test_a_second_ctrl_c_kills_at_once(supervisor_process: Callable[..., "subprocess.Popen[bytes]"], tmp_path: Path) -> None:
    supervisor = supervisor_process(60, web=STUBBORN, host=STUBBORN)
    eventually(lambda: (tmp_path / "web.up").exists() and (tmp_path / "host.up").exists())
    pids = state(tmp_path)
    supervisor.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        supervisor.wait(1.1)
    supervisor.send_signal(signal.SIGINT)

    assert supervisor.wait(5) == 0
    assert not any(is_alive(pid) for pid in pids.values())


def test_orphans_come_to_the_supervisor_and_are_reaped(
    supervisor_process: Callable[..., "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    supervisor = supervisor_process(host=LEAVING_AN_ORPHAN)
    eventually((tmp_path / "host.orphan").exists)
    eventually(lambda: (tmp_path / "host.orphan").read_text() != "")
    orphan = int((tmp_path / "host.orphan").read_text())
    os.kill(state(tmp_path)["host"], signal.SIGKILL)

    eventually(lambda: f"PPid:\t{supervisor.pid}" in Path(f"/proc/{orphan}/status").read_text())
    os.kill(orphan, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{orphan}").exists())


def test_waiting_grows_slowly_first_and_has_an_end() -> None:
    delays = [restart_delay_seconds(deaths) for deaths in range(1, 200)]

    assert max(delays[:FAST_RESTARTS]) <= 1.0
    assert delays == sorted(delays)
    assert delays[-1] == 30.0
