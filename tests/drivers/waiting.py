"""Waiting for what a cloud has accepted."""

import time
from collections.abc import Callable
from typing import TypeVar

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Server, ServerStatus

_Result = TypeVar("_Result")


def eventually(question: Callable[[], _Result | None], timeout_seconds: float, *, what: str = "it") -> _Result:
    """The first true answer to ``question``; fails when there is none in time."""
    deadline = time.monotonic() + timeout_seconds
    pause = 0.002
    while not (answer := question()):
        assert time.monotonic() < deadline, f"{what} did not come true within {timeout_seconds} s; last answer: {answer!r}"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)
    return answer


def eventually_is(cloud: Cloud, server_id: str, status: ServerStatus, timeout_seconds: float) -> Server:
    """The server once it has the status; fails at once when it goes into ERROR instead."""

    def ask() -> Server | None:
        server = cloud.servers.get(server_id)
        assert status is ServerStatus.ERROR or server.status is not ServerStatus.ERROR, server.fault
        return server if server.status is status else None

    return eventually(ask, timeout_seconds, what=f"status {status.value}")
