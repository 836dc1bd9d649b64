"""Waiting for what another process will do."""

import asyncio
from collections.abc import Awaitable, Callable


async def eventually(question: Callable[[], Awaitable[object]], timeout_seconds: float = 20) -> None:
    """Returns when the answer is a true one; fails when none is in time."""
    async with asyncio.timeout(timeout_seconds):
        while not await question():  # noqa: ASYNC110 -- another process answers, no event of ours tells when
            await asyncio.sleep(0.01)
