"""The way in: a ticket is spent at the manager, then the screen behind it is called."""

from functools import lru_cache
from typing import Any, Final

from yunzhuo.gateway.config import LimitSettings
from yunzhuo.gateway.manager import ManagerLink
from yunzhuo.gateway.protocol.errors import RequestRefused, ScreenError
from yunzhuo.gateway.protocol.policy import Policy
from yunzhuo.gateway.protocol.spice_link import ViewerLink
from yunzhuo.gateway.protocol.spice_messages import CHANNELS, is_allowed
from yunzhuo.gateway.reports import Ended
from yunzhuo.gateway.screen import OpenScreen, open_linked, open_screen
from yunzhuo.gateway.state import Admitted, ReportEnd, SessionName
from yunzhuo.gateway.tickets import Grant, redeem
from yunzhuo.phoenix.common.logging import get_logger

_log = get_logger()

_FORBIDDEN: Final = 403
_BAD_GATEWAY: Final = 502


class Admission:
    """Admits with one manager's word."""

    def __init__(self, manager: ManagerLink, limits: LimitSettings, report_end: ReportEnd) -> None:
        self._manager = manager
        self._limits = limits
        self._report_end = report_end

    async def admit(self, ticket: str, *, client_address: str, link: ViewerLink | None = None) -> Admitted:
        """Raises RequestRefused. A session whose screen cannot be opened is reported as ended."""
        grant = await redeem(
            self._manager,
            ticket,
            client_address=client_address,
            channel=None if link is None else CHANNELS.get(link.channel, "other"),
        )
        name = SessionName(grant.session_id, grant.user_id, grant.desktop_id, client_address)
        policy = _policy(**grant.policy.model_dump())
        try:
            screen = await self._open(grant, policy, link)
        except ScreenError as error:
            _log.warning("screen_not_opened", session_id=name.session_id, code=error.code, message=error.message)
            self._report_end(name, Ended(0, 0, error.code))
            # What the screen's server said stays in our log; the person who waits is told what it means.
            raise RequestRefused(
                _BAD_GATEWAY, error.code, "the desktop's screen does not answer", reason="screen_unavailable"
            ) from error
        except RequestRefused as refused:
            self._report_end(name, Ended(0, 0, refused.code))
            raise
        return Admitted(name, screen, policy, grant.ends_in_seconds)

    async def _open(self, grant: Grant, policy: Policy, link: ViewerLink | None) -> OpenScreen:
        timeout_seconds = self._limits.connect_timeout_seconds
        if link is None:
            return await open_screen(grant.protocol, grant.target, timeout_seconds=timeout_seconds)
        if grant.protocol != "spice":
            raise RequestRefused(_FORBIDDEN, "another_protocol", "this ticket is for another protocol", reason="ticket_refused")
        if not is_allowed(link.channel, policy):
            raise RequestRefused(_FORBIDDEN, "policy", "this session's policy does not allow it", reason="ticket_refused")
        return await open_linked(link, grant.target, timeout_seconds=timeout_seconds)


@lru_cache(maxsize=64)
def _policy(**allowed: Any) -> Policy:
    """The same policy is one object, however many sessions have it."""
    return Policy(**allowed)
