"""An open session: the browser's frames become the screen's bytes, and back. Callbacks only, nothing per message.

Each side that cannot take more stops the reading of the other, so a slow peer costs a bounded amount of memory. First a
handshake stands between the two (``protocol.handshake``), which says whether the screen is read from meanwhile.
"""

import asyncio
from enum import Enum
from typing import Final

from yunzhuo.gateway.metrics import Slot
from yunzhuo.gateway.protocol import websocket
from yunzhuo.gateway.protocol.errors import FrameError, ScreenError
from yunzhuo.gateway.protocol.handshake import Handshake, Turn
from yunzhuo.gateway.protocol.websocket import FrameDecoder, binary_frame, binary_header
from yunzhuo.gateway.reports import Ended
from yunzhuo.gateway.state import Admitted, WorkerState
from yunzhuo.phoenix.common.logging import get_logger

_log = get_logger()

CLOSE_SCREEN_GONE: Final = 4001
CLOSE_HANDSHAKE_FAILED: Final = 4002

_CLOSING_SECONDS: Final = 2.0


class End(Enum):
    """Why a session ends: the word for the manager, the WebSocket close code and the text for the browser."""

    VIEWER_CLOSED = ("viewer_closed", websocket.CLOSE_NORMAL, "")
    VIEWER_LOST = ("viewer_lost", websocket.CLOSE_NO_CODE, "")
    VIEWER_SILENT = ("viewer_silent", websocket.CLOSE_NO_CODE, "")
    VIEWER_VIOLATION = ("viewer_violation", websocket.CLOSE_PROTOCOL_ERROR, "protocol error")
    HANDSHAKE_TIMEOUT = ("handshake_timeout", CLOSE_HANDSHAKE_FAILED, "the handshake took too long")
    SCREEN_VIOLATION = ("screen_violation", CLOSE_SCREEN_GONE, "the desktop's screen answered nonsense")
    SCREEN_CLOSED = ("screen_closed", CLOSE_SCREEN_GONE, "the desktop closed its screen")
    GATEWAY_STOPPING = ("gateway_stopping", websocket.CLOSE_RESTART, "the gateway is stopping; connect again")

    def __init__(self, reason: str, close_code: int, text: str) -> None:
        self.reason = reason
        self.close_code = close_code
        self.text = text


class Session:
    """One viewer and one screen, from the opened WebSocket to the last byte."""

    __slots__ = (
        *("_admitted", "_counted", "_state", "_timer"),
        *("bytes_in", "bytes_out", "ended", "handshake", "screen", "viewer"),
    )

    def __init__(self, state: WorkerState, admitted: Admitted, viewer_transport: asyncio.Transport) -> None:
        self._state = state
        self._admitted = admitted
        self._counted = (0, 0)
        self._timer: asyncio.TimerHandle | None = None
        self.bytes_in = 0
        self.bytes_out = 0
        self.ended: End | None = None
        self.handshake: Handshake | None = admitted.screen.handshake
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
        handshake = self._admitted.screen.handshake
        self.viewer.transport.write(accepted + (binary_frame(handshake.greeting) if handshake.greeting else b""))
        if handshake.reads_screen:
            self.screen.transport.resume_reading()
        if early:
            self.viewer.data_received(early)

    def shake_hands(self, handshake: Handshake, turn: Turn) -> None:
        """Sends what the handshake says; once it is done, bytes pass by it."""
        if turn.to_viewer:
            self.viewer.transport.write(binary_frame(turn.to_viewer))
            if handshake.reads_screen:
                self.bytes_out += len(turn.to_viewer)
        if handshake.done and self.handshake is not None:
            self.handshake = None
            if self._admitted.screen.rest:
                self.screen.data_received(self._admitted.screen.rest)
            if not self.viewer.writing_paused:
                self.screen.transport.resume_reading()
        if turn.to_screen:
            self.to_screen([turn.to_screen])

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
        "_session",
        "lost",
        "transport",
        "writing_paused",
    )

    def __init__(self, session: Session, transport: asyncio.Transport, state: WorkerState) -> None:
        limits = state.config.limits
        self._session = session
        self.transport = transport
        self._decoder = FrameDecoder(max_frame_bytes=limits.max_frame_bytes)
        self._handshake_ticks = state.ticks(limits.handshake_timeout_seconds)
        self._ping_ticks = state.ticks(limits.idle_ping_seconds)
        self._give_up_ticks = self._ping_ticks + state.ticks(limits.pong_timeout_seconds)
        self._quiet_ticks = 0
        self.writing_paused = False
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
                handshake = session.handshake
                if handshake is None:
                    session.to_screen(payloads)
                else:
                    session.shake_hands(handshake, handshake.from_viewer(b"".join(payloads)))
        except FrameError as error:
            self._deaf = True
            session.end(End.VIEWER_VIOLATION, close_code=error.close_code, text=error.message)
        except ScreenError as error:
            self._deaf = True
            session.end(End.VIEWER_VIOLATION, close_code=CLOSE_HANDSHAKE_FAILED, text=error.message)
        else:
            if self._decoder.asks or self._decoder.closed is not None:
                self._answer_control()

    def _answer_control(self) -> None:
        if self._decoder.closed is not None:
            self._session.end(End.VIEWER_CLOSED, close_code=self._decoder.closed.code)
            self.transport.close()
        elif not self.writing_paused and self._session.ended is None:
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
        if self._session.handshake is not None:
            self._handshake_ticks -= 1
            if self._handshake_ticks <= 0:
                self._session.end(End.HANDSHAKE_TIMEOUT)
        elif self._quiet_ticks >= self._give_up_ticks and self.transport.is_reading():
            self._session.end(End.VIEWER_SILENT)
            self._session.abort()
        elif self._quiet_ticks % self._ping_ticks == 0 and not self.writing_paused:
            self.transport.write(websocket.ping_frame())

    def resume_reading(self) -> None:
        """The screen takes more again; the silence until now was not the browser's."""
        self._quiet_ticks = 0
        self.transport.resume_reading()

    def pause_writing(self) -> None:
        self.writing_paused = True
        self._session.screen.transport.pause_reading()

    def resume_writing(self) -> None:
        self.writing_paused = False
        if self._session.ended is not None:
            return
        handshake = self._session.handshake
        if handshake is None or handshake.reads_screen:
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
        if session.handshake is not None:
            self._shake_hands(session.handshake, data)
            return
        length = len(data)
        session.bytes_out += length
        session.viewer.transport.writelines((binary_header(length), data))

    def _shake_hands(self, handshake: Handshake, data: bytes) -> None:
        if self._session.ended is not None:
            return
        try:
            self._session.shake_hands(handshake, handshake.from_screen(data))
        except ScreenError as error:
            _log.warning("screen_handshake_failed", code=error.code, message=error.message)
            self._session.end(End.SCREEN_VIOLATION)

    def pause_writing(self) -> None:
        self._session.viewer.transport.pause_reading()

    def resume_writing(self) -> None:
        self._session.viewer.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        self._session.end(End.SCREEN_CLOSED)
        self._session.side_lost()
