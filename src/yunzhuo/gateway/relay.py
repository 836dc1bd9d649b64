"""An open session: the browser's frames become the screen's bytes, and back. Callbacks only, nothing per message.

Each side that cannot take more stops the reading of the other, so a slow peer costs a bounded amount of memory. Until the
viewer is through its RFB handshake the screen is not read from.
"""

import asyncio
from enum import Enum
from typing import Final

from yunzhuo.gateway.metrics import Slot
from yunzhuo.gateway.protocol import websocket
from yunzhuo.gateway.protocol.errors import FrameError, ScreenError
from yunzhuo.gateway.protocol.rfb import ViewerSecurity
from yunzhuo.gateway.protocol.websocket import FrameDecoder, binary_frame, binary_header
from yunzhuo.gateway.reports import Ended
from yunzhuo.gateway.state import Admitted, WorkerState

CLOSE_SCREEN_GONE: Final = 4001
CLOSE_RFB_VIOLATION: Final = 4002

_CLOSING_SECONDS: Final = 2.0


class End(Enum):
    """Why a session ends: the word for the manager, the WebSocket close code and the text for the browser."""

    VIEWER_CLOSED = ("viewer_closed", websocket.CLOSE_NORMAL, "")
    VIEWER_LOST = ("viewer_lost", websocket.CLOSE_NO_CODE, "")
    VIEWER_SILENT = ("viewer_silent", websocket.CLOSE_NO_CODE, "")
    VIEWER_VIOLATION = ("viewer_violation", websocket.CLOSE_PROTOCOL_ERROR, "protocol error")
    HANDSHAKE_TIMEOUT = ("handshake_timeout", CLOSE_RFB_VIOLATION, "the RFB handshake took too long")
    SCREEN_CLOSED = ("screen_closed", CLOSE_SCREEN_GONE, "the desktop closed its screen")
    GATEWAY_STOPPING = ("gateway_stopping", websocket.CLOSE_RESTART, "the gateway is stopping; connect again")

    def __init__(self, reason: str, close_code: int, text: str) -> None:
        self.reason = reason
        self.close_code = close_code
        self.text = text


class Session:
    """One viewer and one screen, from the opened WebSocket to the last byte."""

    __slots__ = ("_admitted", "_counted", "_state", "_timer", "bytes_in", "bytes_out", "ended", "screen", "viewer")

    def __init__(self, state: WorkerState, admitted: Admitted, viewer_transport: asyncio.Transport) -> None:
        self._state = state
        self._admitted = admitted
        self._counted = (0, 0)
        self._timer: asyncio.TimerHandle | None = None
        self.bytes_in = 0
        self.bytes_out = 0
        self.ended: End | None = None
        self.viewer = _Viewer(self, viewer_transport, state)
        self.screen = _Screen(self, admitted.screen.transport)

    def open(self, accepted: bytes, early: bytes) -> None:
        """Takes over both connections; ``accepted`` answers the request, ``early`` is what already came behind it."""
        high = self._state.config.limits.write_buffer_bytes
        for side in (self.viewer, self.screen):
            side.transport.set_write_buffer_limits(high, high // 4)
            side.transport.set_protocol(side)
        self._state.counters.add(Slot.SESSIONS)
        self._state.counters.add(Slot.SESSIONS_OPEN)
        self.viewer.transport.write(accepted + binary_frame(ViewerSecurity.GREETING))
        if early:
            self.viewer.data_received(early)

    def begin_relay(self, rest: bytes) -> None:
        """The viewer is through its handshake; ``rest`` is what it already said to the screen."""
        if self._admitted.screen.rest:
            self.screen.data_received(self._admitted.screen.rest)
        if rest:
            self.to_screen([rest])
        self.screen.transport.resume_reading()

    def to_screen(self, payloads: list[bytes]) -> None:
        if len(payloads) == 1:
            self.bytes_in += len(payloads[0])
            self.screen.transport.write(payloads[0])
        else:
            self.bytes_in += sum(map(len, payloads))
            self.screen.transport.writelines(payloads)

    def end(self, why: End, *, close_code: int | None = None, text: str | None = None) -> None:
        """Closes both sides, the first reason counts. What is still buffered has a short time to get out."""
        if self.ended is not None:
            return
        self.ended = why
        self._timer = asyncio.get_running_loop().call_later(_CLOSING_SECONDS, self.abort)
        self.screen.transport.close()
        self.viewer.close(close_code or why.close_code, why.text if text is None else text)
        self._count_bytes()
        self._state.counters.add(Slot.SESSIONS_OPEN, -1)
        self._state.report_end(self._admitted.name, Ended(self.bytes_in, self.bytes_out, why.reason))

    def side_lost(self) -> None:
        """One of the two connections is no more."""
        if self.viewer.lost and self.screen.lost:
            if self._timer is not None:
                self._timer.cancel()
            self._state.remove(self)

    def tick(self) -> None:
        if self.ended is None:
            self.viewer.tick()
            self._count_bytes()

    def stop(self) -> None:
        self.end(End.GATEWAY_STOPPING)

    def abort(self) -> None:
        self.end(End.VIEWER_LOST)
        self.viewer.transport.abort()
        self.screen.transport.abort()

    def _count_bytes(self) -> None:
        counted_in, counted_out = self._counted
        self._counted = (self.bytes_in, self.bytes_out)
        self._state.counters.add(Slot.BYTES_IN, self.bytes_in - counted_in)
        self._state.counters.add(Slot.BYTES_OUT, self.bytes_out - counted_out)


class _Viewer(asyncio.Protocol):
    """The browser's side: frames, pings, the closing handshake (RFC 6455 section 7)."""

    __slots__ = (
        "_deaf",
        "_decoder",
        "_give_up_ticks",
        "_handshake_ticks",
        "_ping_ticks",
        "_quiet_ticks",
        "_security",
        "_session",
        "_writing_paused",
        "lost",
        "transport",
    )

    def __init__(self, session: Session, transport: asyncio.Transport, state: WorkerState) -> None:
        limits = state.config.limits
        self._session = session
        self.transport = transport
        self._decoder = FrameDecoder(max_frame_bytes=limits.max_frame_bytes)
        self._security: ViewerSecurity | None = ViewerSecurity()
        self._handshake_ticks = state.ticks(limits.handshake_timeout_seconds)
        self._ping_ticks = state.ticks(limits.idle_ping_seconds)
        self._give_up_ticks = self._ping_ticks + state.ticks(limits.pong_timeout_seconds)
        self._quiet_ticks = 0
        self._writing_paused = False
        self._deaf = False
        self.lost = False

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._quiet_ticks = 0
        session = self._session
        try:
            payloads = self._decoder.receive(data)
            if payloads and session.ended is None:
                if self._security is None:
                    session.to_screen(payloads)
                else:
                    self._shake_hands(self._security, b"".join(payloads))
        except FrameError as error:
            self._deaf = True
            session.end(End.VIEWER_VIOLATION, close_code=error.close_code, text=error.message)
        except ScreenError as error:
            self._deaf = True
            session.end(End.VIEWER_VIOLATION, close_code=CLOSE_RFB_VIOLATION, text=error.message)
        else:
            if self._decoder.asks or self._decoder.closed is not None:
                self._answer_control()

    def _shake_hands(self, security: ViewerSecurity, data: bytes) -> None:
        answer = security.receive(data)
        if answer:
            self.transport.write(binary_frame(answer))
        if security.done:
            self._security = None
            self._session.begin_relay(security.take_rest())

    def _answer_control(self) -> None:
        if self._decoder.closed is not None:
            self._session.end(End.VIEWER_CLOSED, close_code=self._decoder.closed.code)
            self.transport.close()
        elif not self._writing_paused and self._session.ended is None:
            # While writing is paused the last ping waits: answers that nobody reads would pile up.
            self.transport.write(self._decoder.take_answers())

    def close(self, code: int, text: str) -> None:
        """Says why, then waits for the browser to say the same; the session's timer ends the waiting."""
        if self.lost or self.transport.is_closing():
            return
        self.transport.resume_reading()
        self.transport.write(websocket.close_frame(code, text))
        if self._deaf and self.transport.can_write_eof():
            self.transport.write_eof()

    def tick(self) -> None:
        """Pings a silent browser, gives up one that does not answer.

        Nothing is heard from a browser while the screen takes nothing more: then only a failed ping tells that it is gone.
        """
        self._quiet_ticks += 1
        if self._security is not None:
            self._handshake_ticks -= 1
            if self._handshake_ticks <= 0:
                self._session.end(End.HANDSHAKE_TIMEOUT)
        elif self._quiet_ticks >= self._give_up_ticks and self.transport.is_reading():
            self._session.end(End.VIEWER_SILENT)
            self._session.abort()
        elif self._quiet_ticks % self._ping_ticks == 0 and not self._writing_paused:
            self.transport.write(websocket.ping_frame())

    def resume_reading(self) -> None:
        """The screen takes more again; the silence until now was not the browser's."""
        self._quiet_ticks = 0
        self.transport.resume_reading()

    def pause_writing(self) -> None:
        self._writing_paused = True
        self._session.screen.transport.pause_reading()

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._session.ended is not None:
            return
        if self._security is None:
            self._session.screen.transport.resume_reading()
        if self._decoder.asks:
            self._answer_control()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        self._session.end(End.VIEWER_LOST)
        self._session.side_lost()


class _Screen(asyncio.Protocol):
    """The real server's side: bytes."""

    __slots__ = ("_session", "lost", "transport")

    def __init__(self, session: Session, transport: asyncio.Transport) -> None:
        self._session = session
        self.transport = transport
        self.lost = False

    def data_received(self, data: bytes) -> None:
        session = self._session
        length = len(data)
        session.bytes_out += length
        session.viewer.transport.writelines((binary_header(length), data))

    def pause_writing(self) -> None:
        self._session.viewer.transport.pause_reading()

    def resume_writing(self) -> None:
        self._session.viewer.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        self._session.end(End.SCREEN_CLOSED)
        self._session.side_lost()
