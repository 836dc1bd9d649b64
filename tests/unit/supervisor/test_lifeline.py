"""How a process learns that it is to end, tried on real processes."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

Start = Callable[..., "subprocess.Popen[bytes]"]

CHILD = """
import sys, threading
from yunzhuo.phoenix.common.lifeline import watch
ended = threading.Event()
def on_end(why):
    print(why, flush=True)
    if "hang" not in sys.argv:
        ended.set()
watch(on_end, supervised="supervised" in sys.argv, grace_seconds=0.3)
print("watching", flush=True)
ended.wait()
"""


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def start_child(*arguments: str) -> "subprocess.Popen[bytes]":
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        started.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == b"watching\n"
        return child

    yield start_child
    for child in started:
        with child:
            child.kill()


def said(child: "subprocess.Popen[bytes]") -> bytes:
    assert child.stdout is not None
    return child.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(start: Start, number: signal.Signals) -> None:
    child = start()
    child.send_signal(number)

    assert said(child) == b"signal"
    assert child.wait(5) == 0


def test_the_end_of_standard_input_ends_a_supervised_one(start: Start) -> None:
    child = start("supervised")
    assert child.stdin is not None
    child.stdin.close()

    assert said(child) == b"supervisor_gone"
    assert child.wait(5) == 0


def test_standard_input_means_nothing_without_a_supervisor(start: Start) -> None:
    child = start()
    assert child.stdin is not None
    child.stdin.close()
    child.send_signal(signal.SIGTERM)

    assert said(child) == b"signal"


def test_ctrl_c_is_the_supervisors_business(start: Start) -> None:
    child = start("supervised")
    child.send_signal(signal.SIGINT)
    child.send_signal(signal.SIGTERM)

    assert said(child) == b"signal"
    assert child.wait(5) == 0


def test_one_that_does_not_end_is_ended_hard_when_nobody_else_could(start: Start) -> None:
    child = start("supervised", "hang")
    assert child.stdin is not None
    closed = time.monotonic()
    child.stdin.close()

    assert child.wait(5) == 70
    assert time.monotonic() - closed < 3


def test_it_is_told_once(start: Start) -> None:
    child = start("supervised", "hang")
    for _ in range(3):
        child.send_signal(signal.SIGTERM)
    assert child.stdin is not None
    assert said(child) == b"signal"
    child.stdin.close()

    assert child.wait(5) == 70
    assert said(child) == b""
