"""A timer goes on, whatever its work does, and says how it goes."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from yunzhuo.phoenix.common.clock import FixedClock
from yunzhuo.phoenix.common.errors import Unavailable
from yunzhuo.scheduler.timers import CRASHED, Standing, Timer

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def away() -> None:
    raise Unavailable("cloud_unavailable", "The cloud does not answer.")


def broken() -> None:
    raise KeyError("nobody thought of this")


def went(*turns: Callable[[], object]) -> tuple[Standing, list[str]]:
    """A timer after these turns, a minute apart, and what was logged of them."""
    clock, ended, left = FixedClock(NOON), threading.Event(), list(turns)
    standing = Standing(clock)

    def turn() -> None:
        clock.set(clock.now() + timedelta(minutes=1))
        action = left.pop(0)
        if not left:
            ended.set()
        action()

    with structlog.testing.capture_logs() as logged:
        Timer("disks", 0.001, turn).run(ended, standing)
    return standing, [str(each["event"]) for each in logged]


@pytest.mark.parametrize(("failing", "code"), [(away, "cloud_unavailable"), (broken, CRASHED)])
def test_what_fails_is_tried_again_until_it_works(failing: Callable[[], None], code: str) -> None:
    standing, _ = went(failing, failing, failing)
    assert (standing.failure_code, standing.failing_since) == (code, NOON + timedelta(minutes=1))
    standing, logged = went(failing, lambda: None, lambda: None)
    assert (standing.failure_code, standing.failing_since) == (None, None)
    assert standing.due_at == NOON + timedelta(minutes=3, milliseconds=1)
    assert logged[-1] == "timer_works_again"


def test_the_same_failure_is_logged_once_and_another_one_too() -> None:
    def full() -> None:
        raise Unavailable("disk_full", "There is no room.")

    assert went(away, away, away)[1] == ["timer_failed"]
    assert went(broken, broken, away, broken)[1] == ["timer_crashed", "timer_failed", "timer_crashed"]
    assert went(broken, lambda: 1 / 0, broken)[1] == ["timer_crashed"] * 3
    assert went(away, full, full)[1] == ["timer_failed", "timer_failed"]
    assert went(away, lambda: None, away)[1] == ["timer_failed", "timer_works_again", "timer_failed"]
    assert went(lambda: None)[1] == []
