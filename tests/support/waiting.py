"""Waiting for what comes true by itself."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")


def eventually(
    question: Callable[[], _Result | None], timeout_seconds: float, *, what: str | Callable[[], str] = "it"
) -> _Result:
    """The first true answer to ``question``; fails when there is none in time. ``what`` names it, or tells more then."""
    deadline = time.monotonic() + timeout_seconds
    pause = 0.002
    while not (answer := question()):
        if time.monotonic() >= deadline:
            told = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {timeout_seconds} s: {told}; last answer: {answer!r}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)
    return answer


async def until(question: Callable[[], object], timeout_seconds: float = 20) -> None:
    """Return when ``question`` has a true answer, which nobody tells; raises TimeoutError when it has none in time."""
    async with asyncio.timeout(timeout_seconds):
        while not question():  # noqa: ASYNC110 - what is asked about has no event to wait for
            await asyncio.sleep(0.01)
