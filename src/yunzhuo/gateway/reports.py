"""Telling the manager that sessions have ended: best effort, in order, with a bounded queue and bounded patience."""

import asyncio
from collections import deque
from dataclasses import asdict, dataclass
from typing import Final

import httpx

from yunzhuo.gateway.metrics import Counters, Slot
from yunzhuo.phoenix.common.logging import get_logger

_log = get_logger()

_QUEUE_LENGTH: Final = 1000
_PATIENCE_SECONDS: Final = 120.0
_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Ended:
    """What is told of a session's end. Bytes are payload; "in" goes to the desktop."""

    bytes_in: int
    bytes_out: int
    reason: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What is told of a session that goes on. ``idle_seconds``: since a person last did something; ``round_trip_ms`` None: not
    known; ``drops`` are packets that had to be sent again."""

    bytes_in: int
    bytes_out: int
    idle_seconds: float
    round_trip_ms: float | None
    drops: int


@dataclass(frozen=True, slots=True)
class _Report:
    session_id: str
    ended: Ended
    give_up_at: float


class EndReports:
    """A queue of reports and the one task that sends them. A report may arrive twice; the manager does not mind."""

    def __init__(self, client: httpx.AsyncClient, counters: Counters) -> None:
        self._client = client
        self._counters = counters
        self._waiting: deque[_Report] = deque()
        self._arrived = asyncio.Event()

    def add(self, session_id: str, ended: Ended) -> None:
        """Queues a report; the oldest one gives way when there are too many."""
        if len(self._waiting) >= _QUEUE_LENGTH:
            self._lose(self._waiting.popleft())
        give_up_at = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
        self._waiting.append(_Report(session_id, ended, give_up_at))
        self._arrived.set()

    async def run(self) -> None:
        """Sends what is queued, for ever. While the manager is away everything waits, longer with each failure."""
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            await self._arrived.wait()
            if not self._waiting:
                self._arrived.clear()
                continue
            report = self._waiting.popleft()
            try:
                settled = await self._send(report)
            except asyncio.CancelledError:
                self._waiting.appendleft(report)  # for flush
                raise
            if settled:
                pause_seconds = _FIRST_PAUSE_SECONDS
                continue
            self._put_back(report)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)

    async def flush(self, timeout_seconds: float) -> None:
        """Tries everything that is queued once more, all at a time, and gives up the rest. For the end of the process."""
        last = tuple(self._waiting)
        self._waiting.clear()
        sending = {asyncio.ensure_future(self._send(report)): report for report in last}
        if sending:
            await asyncio.wait(sending, timeout=timeout_seconds)
        for task, report in sending.items():
            if not task.done() or not task.result():
                task.cancel()
                self._lose(report)

    def _put_back(self, report: _Report) -> None:
        if asyncio.get_running_loop().time() < report.give_up_at and len(self._waiting) < _QUEUE_LENGTH:
            self._waiting.appendleft(report)
        else:
            self._lose(report)

    async def _send(self, report: _Report) -> bool:
        """Whether the matter is settled: told, or refused for good."""
        try:
            response = await self._client.post(
                f"/internal/gateway/sessions/{report.session_id}/ended", json=asdict(report.ended)
            )
        except httpx.HTTPError:
            return False
        if response.is_client_error:
            _log.warning("session_end_refused", session_id=report.session_id, status=response.status_code)
        return not response.is_server_error

    def _lose(self, report: _Report) -> None:
        self._counters.add(Slot.REPORTS_LOST)
        _log.warning("session_end_not_told", session_id=report.session_id)
