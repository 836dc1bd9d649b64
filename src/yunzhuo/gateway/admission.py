"""The way in: a ticket is spent at the manager, then the screen behind it is called."""

from typing import Final

import httpx

from yunzhuo.gateway.config import LimitSettings
from yunzhuo.gateway.protocol.errors import RequestRefused, ScreenError
from yunzhuo.gateway.reports import Ended
from yunzhuo.gateway.screen import open_screen
from yunzhuo.gateway.state import Admitted, ReportEnd, SessionName
from yunzhuo.gateway.tickets import redeem
from yunzhuo.phoenix.common.logging import get_logger

_log = get_logger()

_BAD_GATEWAY: Final = 502


class Admission:
    """Admits with one manager's word."""

    def __init__(self, client: httpx.AsyncClient, limits: LimitSettings, report_end: ReportEnd) -> None:
        self._client = client
        self._limits = limits
        self._report_end = report_end

    async def admit(self, ticket: str, *, client_address: str) -> Admitted:
        """Raises RequestRefused. A session whose screen cannot be opened is reported as ended."""
        grant = await redeem(
            self._client, ticket, client_address=client_address, timeout_seconds=self._limits.redeem_timeout_seconds
        )
        name = SessionName(grant.session_id, grant.user_id, grant.desktop_id, client_address)
        try:
            screen = await open_screen(grant.protocol, grant.target, timeout_seconds=self._limits.connect_timeout_seconds)
        except ScreenError as error:
            _log.warning("screen_not_opened", session_id=name.session_id, code=error.code, message=error.message)
            self._report_end(name, Ended(0, 0, error.code))
            # What the screen's server said stays in our log; the person who waits is told what it means.
            raise RequestRefused(
                _BAD_GATEWAY, error.code, "the desktop's screen does not answer", reason="screen_unavailable"
            ) from error
        return Admitted(name, screen)
