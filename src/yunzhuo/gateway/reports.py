"""Telling the manager that sessions have ended: best effort, in order, with a bounded queue and bounded patience."""

import asyncio
from collections import deque
from dataclasses import asdict, dataclass
from typing import Final

from yunzhuo.gateway.manager import ManagerAway, ManagerLink
from yunzhuo.gateway.metrics import Counters, Slot
from yunzhuo.phoenix.common.logging import get_logger

_log = get_logger()

ENDED_PATH: Final = "/internal/gateway/ended"

_QUEUE_LENGTH: Final = 10_000
_AT_ONCE: Final = 100
_GATHER_SECONDS: Final = 0.02
# As long as the manager itself believes in sessions that it hears nothing of.
_PATIENCE_SECONDS: Final = 900.0
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
    """A queue of reports and the one task that sends them, several at a time. A report may arrive twice; the manager does not
    mind."""

    def __init__(self, manager: ManagerLink, counters: Counters) -> None:
        self._manager = manager
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
            some = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
            try:
                settled = await self._send(some)
            except asyncio.CancelledError:
                self._waiting.extendleft(reversed(some))  # for flush
                raise
            if settled:
                pause_seconds = _FIRST_PAUSE_SECONDS
                # Many that end in the same moment are told in one question.
                await asyncio.sleep(_GATHER_SECONDS)
                continue
            self._put_back(some)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)

    async def flush(self, timeout_seconds: float) -> None:
        """Tries everything that is queued once more, all at a time, and gives up the rest. For the end of the process."""
        last = list(self._waiting)
        self._waiting.clear()
        parts = [last[start : start + _AT_ONCE] for start in range(0, len(last), _AT_ONCE)]
        sending = {asyncio.ensure_future(self._send(part)): part for part in parts}
        if sending:
            await asyncio.wait(sending, timeout=timeout_seconds)
        for task, part in sending.items():
            if not task.done() or not task.result():
                task.cancel()
                for report in part:
                    self._lose(report)

    def _put_back(self, some: list[_Report]) -> None:
        now = asyncio.get_running_loop().time()
        for report in reversed(some):
            if now < report.give_up_at and len(self._waiting) < _QUEUE_LENGTH:
                self._waiting.appendleft(report)
            else:
                self._lose(report)

    async def _send(self, some: list[_Report]) -> bool:
        """Whether the matter is settled: told, or refused for good."""
        ended = [{"id": report.session_id, **asdict(report.ended)} for report in some]
        try:
            answer = await self._manager.post(ENDED_PATH, {"ended": ended})
        except ManagerAway:
            return False
        if answer.is_refusal:
            _log.warning("session_ends_refused", status=answer.status, count=len(some))
        return answer.is_good or answer.is_refusal

    def _lose(self, report: _Report) -> None:
        self._counters.add(Slot.REPORTS_LOST)
        _log.warning("session_end_not_told", session_id=report.session_id)
