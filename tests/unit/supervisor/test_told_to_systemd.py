"""What systemd is told: on a datagram socket (sd_notify), and before every line for the journal."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from yunzhuo.scheduler.console import Console, Level
from yunzhuo.scheduler.platform.journal import goes_to_journal, marked
from yunzhuo.scheduler.platform.notify import Notifier
from yunzhuo.scheduler.relay import LogFile, relay
from yunzhuo.scheduler.supervised import FAST_RESTARTS, LONG_LIFE_SECONDS, Process, Supervised, restart_delay_seconds


@pytest.fixture(params=["path", "abstract"])
def line(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A service manager's end, and its address as the variable has it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        name = str(tmp_path / "notify") if request.param == "path" else f"@{tmp_path}"
        manager.bind(name.replace("@", "\0", 1))
        manager.setblocking(False)
        yield manager, name


def heard(manager: socket.socket) -> list[str]:
    said = []
    while True:
        try:
            said.append(manager.recv(4096).decode())
        except BlockingIOError:
            return said


def test_the_start_and_the_end_are_told(line: tuple[socket.socket, str]) -> None:
    manager, address = line
    notifier = Notifier.of({"NOTIFY_SOCKET": address})

    notifier.ready("two\nlines")
    notifier.beat()  # nobody watches
    notifier.stopping()

    assert heard(manager) == ["READY=1\nSTATUS=two lines", "STOPPING=1\nSTATUS=stopping"]


def test_it_beats_four_times_a_watch_however_often_it_is_called(line: tuple[socket.socket, str]) -> None:
    manager, address = line
    notifier = Notifier.of({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())})

    for _ in range(100):
        notifier.beat()

    assert heard(manager) == ["WATCHDOG=1"]


@pytest.mark.parametrize(
    "environment",
    [
        {"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {},
    ],
    ids=["another process's", "none", "rubbish", "nothing"],
)
def test_who_is_not_watched_does_not_beat(line: tuple[socket.socket, str], environment: dict[str, str]) -> None:
    manager, address = line

    Notifier.of({"NOTIFY_SOCKET": address, **environment}).beat()

    assert heard(manager) == []


@pytest.mark.parametrize("address", [None, "/no/such/socket", "@nobody-listens-here"])
def test_without_a_service_manager_nothing_is_said_and_nothing_fails(address: str | None) -> None:
    Notifier(address, watchdog_seconds=1).beat()


def test_only_the_stream_that_the_journal_gave_is_marked(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w") as journal, (tmp_path / "other").open("w") as other:
        found = os.fstat(journal.fileno())
        environment = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}

        assert goes_to_journal(journal, environment)
        assert not goes_to_journal(other, environment)
        assert not goes_to_journal(journal, {})
    assert not goes_to_journal(journal, environment)  # closed


def test_each_line_says_how_serious_it_is() -> None:
    assert marked(Level.WARNING, "one\ntwo") == "<4>one\n<4>two"


def test_a_journal_gets_every_line_with_its_level(tmp_path: Path) -> None:
    said: list[tuple[Level, str]] = []
    console = Console(lambda level, line: said.append((level, line)), takes_all=True)
    log_file = LogFile(tmp_path / "web.log")
    lines = ("[info     ] a", "[error    ] b", "[debug    ] c")
    info, error, debug = (f"2026-01-31T08:00:00Z {line}" for line in lines)
    text = "\n".join([info, error, "  more of it", debug])
    (tmp_path / "output").write_text(text)

    relay("web", (tmp_path / "output").open("rb"), log_file, console).join(5)
    log_file.close()

    assert [level for level, _ in said] == [Level.INFO, Level.ERROR, Level.ERROR, Level.DEBUG]
    assert said[2][1] == "[web]   more of it"


def test_who_dies_again_and_again_is_ailing(tmp_path: Path) -> None:
    log_file = LogFile(tmp_path / "web.log")
    one = Supervised(Process("web", [str(tmp_path / "missing")]), log_file, Console(lambda *_: None), lambda *_: None)
    for _ in range(FAST_RESTARTS):
        one.start()
    assert not one.is_ailing
    one.start()
    log_file.close()

    assert one.is_ailing


def test_who_lived_long_is_started_again_as_soon_as_at_the_first_death(tmp_path: Path) -> None:
    log_file = LogFile(tmp_path / "web.log")
    second = 0.0
    missing = Process("web", [str(tmp_path / "missing")])
    one = Supervised(missing, log_file, Console(lambda *_: None), lambda *_: None, now=lambda: second)
    for _ in range(FAST_RESTARTS + 1):
        one.start()
    assert one.due == second + restart_delay_seconds(FAST_RESTARTS + 1)
    second += LONG_LIFE_SECONDS
    assert one.died(-9) == restart_delay_seconds(1)
    log_file.close()

    assert not one.is_ailing
    assert one.restarts == FAST_RESTARTS + 2


def test_what_does_not_run_is_neither_asked_nor_killed(tmp_path: Path) -> None:
    log_file = LogFile(tmp_path / "web.log")
    one = Supervised(Process("web", [str(tmp_path / "missing")]), log_file, Console(lambda *_: None), lambda *_: None)
    one.start()
    one.ask_to_stop()
    one.kill()
    one.close(timeout_seconds=0)

    assert one.pid is None
    assert log_file.last_lines(9) == [f"cannot start {tmp_path / 'missing'}: No such file or directory"]
