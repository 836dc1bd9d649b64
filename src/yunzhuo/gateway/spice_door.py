"""A native SPICE viewer's new channel, until it is refused or becomes a session. Its password is the ticket."""

import asyncio
from typing import Final

from yunzhuo.gateway.protocol import spice_link
from yunzhuo.gateway.protocol.errors import RequestRefused, ScreenError
from yunzhuo.gateway.protocol.spice_link import ViewerLink
from yunzhuo.gateway.protocol.upgrade import is_ticket
from yunzhuo.gateway.relay import Session
from yunzhuo.gateway.reports import Ended
from yunzhuo.gateway.state import Admitted, Connection, WorkerState
from yunzhuo.phoenix.common.logging import get_logger

_log = get_logger()

_LINK_MAX_BYTES: Final = 4096
_VERDICTS: Final = {
    "manager_unavailable": spice_link.ERROR,
    "screen_unavailable": spice_link.ERROR,
    "gateway_stopping": spice_link.ERROR,
}


def go_on_as_spice(
    state: WorkerState, before: Connection, transport: asyncio.Transport, address: str, first: bytes
) -> "SpiceDoor":
    """``before`` is over, and a SPICE viewer's channel goes on; ``first`` is what it has said so far."""
    door = SpiceDoor(state, transport, address)
    state.replace(before, door)
    transport.set_protocol(door)
    door.begin(first)
    return door


class SpiceDoor(asyncio.Protocol):
    """Answers the link message with the gateway's own key, has the ticket redeemed, and links on in the viewer's name."""

    __slots__ = ("_address", "_early", "_link", "_lost", "_state", "_task", "_timer", "_transport")

    def __init__(self, state: WorkerState, transport: asyncio.Transport, address: str) -> None:
        self._state = state
        self._transport = transport
        self._address = address
        self._link = ViewerLink(state.spice_key, max_message_bytes=_LINK_MAX_BYTES)
        self._early = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._lost = False
        timeout_seconds = state.config.limits.handshake_timeout_seconds
        self._timer = asyncio.get_running_loop().call_later(timeout_seconds, self._late)

    def begin(self, first: bytes) -> None:
        """Takes what has come already."""
        if self._state.refuses_plain and self._transport.get_extra_info("ssl_object") is None:
            # The viewer tries again with TLS if its file names a port for that.
            self._refuse("tls_required", spice_link.error_reply(spice_link.NEED_SECURED))
        elif self._state.stopping:
            self._refuse("gateway_stopping", spice_link.error_reply(spice_link.ERROR))
        else:
            self.data_received(first)

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        if self._task is not None:
            self._early += data
            if len(self._early) > self._state.config.limits.max_handshake_bytes:
                self._transport.abort()
            return
        try:
            self._transport.write(self._link.receive(data))
        except ScreenError as error:
            self._refuse(error.code)
            return
        ticket = self._link.ticket
        if ticket is None:
            return
        if not is_ticket(ticket):
            self._refuse("ticket_missing", _verdict(spice_link.PERMISSION_DENIED))
            return
        self._early += self._link.take_rest()
        self._task = asyncio.get_running_loop().create_task(self._admit(ticket))
        self._state.run(self._task)

    async def _admit(self, ticket: str) -> None:
        """Goes on when the viewer has gone: only so can the session be reported as ended."""
        self._timer.cancel()
        try:
            self._enter(await self._state.admit(ticket, client_address=self._address, link=self._link))
        except RequestRefused as refused:
            verdict = _VERDICTS.get(refused.reason, spice_link.PERMISSION_DENIED)
            self._refuse(refused.reason, _verdict(verdict))

    def _enter(self, admitted: Admitted) -> None:
        state = self._state
        if self._lost or state.stopping:
            admitted.screen.transport.abort()
            state.report_end(admitted.name, Ended(0, 0, "viewer_lost" if self._lost else "gateway_stopping"))
            self._refuse("gateway_stopping", _verdict(spice_link.ERROR))
            return
        session = Session(state, admitted, self._transport, is_framed=False)
        state.replace(self, session)
        _log.info(
            "session_opened",
            session_id=admitted.name.session_id,
            user_id=admitted.name.user_id,
            desktop_id=admitted.name.desktop_id,
            client_address=self._address,
            channel=self._link.channel,
        )
        session.open(_verdict(spice_link.OK), bytes(self._early))

    def _refuse(self, reason: str, last_words: bytes = b"") -> None:
        if self._lost or self._transport.is_closing():
            return
        self._state.counters.refuse(reason)
        _log.debug("connection_refused", reason=reason, client_address=self._address)
        self._transport.write(last_words)
        self._transport.close()

    def _late(self) -> None:
        self._refuse("handshake_timeout")

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        self._timer.cancel()
        self._state.remove(self, self._address)

    def tick(self) -> None:
        """A door's time is bounded by its own timer."""

    def stop(self) -> None:
        if self._task is None:
            self._refuse("gateway_stopping")

    def abort(self) -> None:
        self._transport.abort()


def _verdict(code: int) -> bytes:
    """The word that ends the link stage."""
    return code.to_bytes(4, "little")
