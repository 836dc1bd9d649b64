"""What a worker and the manager tell each other while sessions are open: how they stand, and which have to end.

The manager is asked twice a second which rights have ended, as long as there is anything to end; so an open session ends well
within a second of its right. A manager that is away changes nothing: what is open goes on.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from itertools import islice
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from yunzhuo import __version__
from yunzhuo.gateway.manager import ManagerAway, ManagerLink
from yunzhuo.gateway.state import WorkerState
from yunzhuo.phoenix.common.logging import get_logger

WITHDRAWN_PATH: Final = "/internal/gateway/withdrawn"
REPORT_PATH: Final = "/internal/gateway/report"

_log = get_logger()

_ASK_SECONDS: Final = 0.4
_ANSWER_SECONDS: Final = 2.0
_SESSIONS_IN_A_REPORT: Final = 100


class Withdrawn(BaseModel):
    """Which of this gateway's sessions have to end, and why each."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    withdrawn: dict[str, str] = Field(default_factory=dict, max_length=100_000)


class ManagerWatch:
    """Asks and reports for one worker."""

    def __init__(self, manager: ManagerLink, state: WorkerState, chain: Callable[[], str]) -> None:
        self._manager = manager
        self._state = state
        self._chain = chain
        self._tells_all = True
        self._failing = ""

    def tell_all(self) -> None:
        """Let the next report hold what else the manager should know: the certificate."""
        self._tells_all = True

    async def run(self) -> None:
        """For ever."""
        await asyncio.gather(self._ask(), self._report())

    async def _ask(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            if self._state.sessions:
                await self._end_what_is_withdrawn()
            await asyncio.sleep(max(0.0, began + _ASK_SECONDS - loop.time()))

    async def _end_what_is_withdrawn(self) -> None:
        try:
            answer = await self._manager.post(WITHDRAWN_PATH, {}, timeout_seconds=_ANSWER_SECONDS)
            if answer.status != HTTPStatus.OK:
                self._trouble(f"status {answer.status}")
                return
            withdrawn = Withdrawn.model_validate_json(answer.body).withdrawn
        except (ManagerAway, ValidationError) as error:
            self._trouble(type(error).__name__)
            return
        if self._failing:
            self._failing = ""
            _log.info("manager_answers_again")
        if withdrawn:
            ending = [(one, session_id) for one, session_id in self._state.sessions.items() if session_id in withdrawn]
            for session, session_id in ending:
                _log.info("session_withdrawn", session_id=session_id, reason=withdrawn[session_id])
                session.withdraw(withdrawn[session_id])

    def _trouble(self, what: str) -> None:
        """Said once, not twice a second."""
        if self._failing != what:
            _log.warning("manager_not_asked", error=what)
        self._failing = what

    async def _report(self) -> None:
        while True:
            await self._tell_round()
            await asyncio.sleep(self._state.config.report_seconds)

    async def _tell_round(self) -> None:
        """A few sessions at a time, so that thousands take no more memory than those few."""
        open_now = iter(list(self._state.sessions.items()))
        while True:
            few = [{"id": session_id, **asdict(one.seen())} for one, session_id in islice(open_now, _SESSIONS_IN_A_REPORT)]
            await self._tell(few)
            if len(few) < _SESSIONS_IN_A_REPORT:
                return

    async def _tell(self, sessions: list[dict[str, object]]) -> None:
        limits = self._state.config.limits
        told: dict[str, object] = {
            "version": __version__,
            "capacity": limits.max_connections * self._state.config.processes,
            "sessions": sessions,
        }
        if self._tells_all:
            told["certificate"] = self._chain()
        with contextlib.suppress(ManagerAway):
            answer = await self._manager.post(REPORT_PATH, told)
            if answer.is_good:
                self._tells_all = False
