"""An open session: the viewer's bytes become the screen's, and back. Callbacks only, nothing per message.

What is read lies in one buffer that all connections of the process share, and is written from there without being copied,
as far as the other side takes it; only the rest is kept. Each side that cannot take more stops the reading of the other, so a
slow peer costs a bounded amount of memory. First a handshake may stand between the two (``protocol.handshake``), which says
whether the screen is read from meanwhile.
"""

import asyncio
from collections.abc import Sequence
from enum import Enum
from typing import Final

from yunzhuo.gateway.line import look
from yunzhuo.gateway.metrics import Slot
from yunzhuo.gateway.pace import Pace
from yunzhuo.gateway.protocol import rfb_messages, spice_messages, websocket
from yunzhuo.gateway.protocol.errors import ScreenError
from yunzhuo.gateway.protocol.handshake import Handshake, Turn
from yunzhuo.gateway.protocol.policy import Messages
from yunzhuo.gateway.protocol.spice import SpiceLink
from yunzhuo.gateway.reports import Ended, Seen
from yunzhuo.gateway.screen import OpenScreen
from yunzhuo.gateway.state import Admitted, WorkerState
from yunzhuo.gateway.viewer import BareViewer, FramedViewer, Viewer
from yunzhuo.phoenix.common.logging import get_logger

_log = get_logger()

CLOSE_SCREEN_GONE: Final = 4001
CLOSE_HANDSHAKE_FAILED: Final = 4002
CLOSE_WITHDRAWN: Final = 4003
CLOSE_GOES_ON: Final = 4004

_CLOSING_SECONDS: Final = 2.0
# So much at once is worth the way past us.
_MUCH_BYTES: Final = 64 * 1024


class End(Enum):
    """Why a session ends: the word for the manager, the WebSocket close code and the text for the browser."""

    VIEWER_CLOSED = ("viewer_closed", websocket.CLOSE_NORMAL, "")
    VIEWER_LOST = ("viewer_lost", websocket.CLOSE_NO_CODE, "")
    VIEWER_SILENT = ("viewer_silent", websocket.CLOSE_NO_CODE, "")
    VIEWER_VIOLATION = ("viewer_violation", websocket.CLOSE_PROTOCOL_ERROR, "protocol error")
    POLICY = ("policy", CLOSE_WITHDRAWN, "this session's policy does not allow it")
    HANDSHAKE_TIMEOUT = ("handshake_timeout", CLOSE_HANDSHAKE_FAILED, "the handshake took too long")
    SCREEN_VIOLATION = ("screen_violation", CLOSE_SCREEN_GONE, "the desktop's screen answered nonsense")
    SCREEN_CLOSED = ("screen_closed", CLOSE_SCREEN_GONE, "the desktop closed its screen")
    WITHDRAWN = ("withdrawn", CLOSE_WITHDRAWN, "the right to see this desktop has ended")
    RESUMED = ("resumed", CLOSE_GOES_ON, "the session goes on over another connection")
    TIME_OVER = ("time_over", CLOSE_WITHDRAWN, "the session's time is over")
    GATEWAY_STOPPING = ("gateway_stopping", websocket.CLOSE_RESTART, "the gateway is stopping; connect again")

    def __init__(self, reason: str, close_code: int, text: str) -> None:
        self.reason = reason
        self.close_code = close_code
        self.text = text


class Session:
    """One viewer and one screen, from the opened connection to the last byte."""

    __slots__ = (
        *(
            "_counted",
            "_ends_at",
            "_from_screen",
            "_from_viewer",
            "_input_at",
            "_name",
            "_opening",
            "_policy",
            "_state",
            "_timer",
        ),
        *("bytes_in", "bytes_out", "ended", "handshake", "pace", "screen", "viewer"),
    )

    def __init__(self, state: WorkerState, admitted: Admitted, transport: asyncio.Transport, *, is_framed: bool) -> None:
        self._state = state
        self._name = admitted.name
        self._policy = admitted.policy
        # Kept only until both sides have shaken hands.
        self._opening: OpenScreen | None = admitted.screen
        self._counted = (0, 0)
        self._timer: asyncio.TimerHandle | None = None
        now = asyncio.get_running_loop().time()
        self._input_at = now
        self._ends_at = None if admitted.ends_in_seconds is None else now + admitted.ends_in_seconds
        self._from_viewer: Messages | None = None
        self._from_screen: Messages | None = None
        self.bytes_in = 0
        self.bytes_out = 0
        self.ended: End | None = None
        self.handshake: Handshake | None = admitted.screen.handshake
        self.viewer: Viewer = (FramedViewer if is_framed else BareViewer)(self, transport, state)
        self.screen = _Screen(self, admitted.screen.transport, state)
        rate = admitted.policy.kib_per_second
        self.pace = Pace(rate * 1024, self.screen.look_again) if rate else None

    def open(self, accepted: bytes, early: bytes) -> None:
        """Takes over both connections; ``accepted`` answers the request, ``early`` is what already came behind it."""
        high = self._state.config.limits.write_buffer_bytes
        self.viewer.transport.pause_reading()
        for side in (self.viewer, self.screen):
            side.transport.set_write_buffer_limits(high, high // 4)
            side.transport.set_protocol(side)
        self._state.open_session(self._name.session_id, self)
        self.viewer.transport.write(accepted)
        handshake = self.handshake
        if handshake is None:
            self._hands_shaken()
        else:
            self.viewer.send(handshake.greeting)
            if handshake.reads_screen:
                self.screen.transport.resume_reading()
        self.viewer.transport.resume_reading()
        if early:
            self.viewer.receive(early)

    def shake_hands(self, handshake: Handshake, turn: Turn) -> None:
        """Sends what the handshake says; once it is done, bytes pass by it."""
        if turn.to_viewer:
            self.viewer.send(turn.to_viewer)
            if handshake.reads_screen:
                self.bytes_out += len(turn.to_viewer)
        if handshake.done and self.handshake is not None:
            if isinstance(handshake, SpiceLink) and not spice_messages.is_allowed(handshake.channel, self._policy):
                self.end(End.POLICY)
                return
            self.handshake = None
            self._hands_shaken()
        if turn.to_screen:
            self.to_screen([turn.to_screen])

    def _hands_shaken(self) -> None:
        """Both sides may be left alone with each other, but for what a policy says."""
        screen, policy, self._opening = self._opening, self._policy, None
        if screen is None:
            return
        link = screen.handshake if isinstance(screen.handshake, SpiceLink) else screen.channel
        if link is None:
            self._from_viewer = rfb_messages.ViewerMessages(policy, self.note_input)
        else:
            self._from_viewer = spice_messages.viewer_messages(
                link.channel, is_mini=link.is_mini, policy=policy, note_input=self.note_input
            )
            self._from_screen = spice_messages.screen_messages(link.channel, is_mini=link.is_mini, policy=policy)
        if screen.rest:
            self.screen.receive(screen.rest)
        self.screen.look_again()

    def note_input(self) -> None:
        """A person has done something."""
        self._input_at = asyncio.get_running_loop().time()

    def to_screen(self, payloads: Sequence[bytes]) -> None:
        """Payload of the viewer's, as far as the policy lets it pass."""
        messages = self._from_viewer
        if messages is not None and self.handshake is None:
            payloads = [passed for payload in payloads if (passed := messages.receive(payload))]
        if len(payloads) == 1:
            self.bytes_in += len(payloads[0])
            self.screen.transport.write(payloads[0])
        elif payloads:
            self.bytes_in += sum(map(len, payloads))
            self.screen.transport.writelines(payloads)

    def is_looked_at(self) -> bool:
        """Whether what the viewer sends has to be looked at, and may not go straight to the screen."""
        return self._from_viewer is not None or self.handshake is not None

    @property
    def is_unseen(self) -> bool:
        """Whether what the screen says goes to the viewer as it is, past our eyes."""
        return self._from_screen is None and self.viewer.is_bare

    def pass_to_viewer(self, size: int, piped: int = 0) -> None:
        """The first ``size`` bytes of the shared buffer go to the viewer, and then ``piped`` bytes that are in the pipe."""
        if self._from_screen is not None:
            data = self._from_screen.receive(bytes(self._state.scratch.reading[:size]))
            self.bytes_out += len(data)
            self.viewer.send(data)
        else:
            self.bytes_out += size + piped
            self.viewer.pass_on(size, piped)
        if self.pace is not None:
            self.pace.spend(size + piped)
            self.screen.look_again()

    def end(self, why: End, *, close_code: int | None = None, text: str | None = None, reason: str | None = None) -> None:
        """Closes both sides, the first reason counts. What is still buffered has a short time to get out."""
        if self.ended is not None:
            return
        self.ended = why
        self._timer = asyncio.get_running_loop().call_later(_CLOSING_SECONDS, self.abort)
        if self.pace is not None:
            self.pace.stop()
        self.screen.transport.close()
        self.viewer.close(close_code or why.close_code, why.text if text is None else text)
        self._count_bytes()
        self._state.close_session(self)
        self._state.report_end(self._name, Ended(self.bytes_in, self.bytes_out, reason or why.reason))

    def withdraw(self, reason: str) -> None:
        """At once: what is buffered for a viewer that does not read has no time to get out."""
        self.end(End.RESUMED if reason == End.RESUMED.reason else End.WITHDRAWN, reason=reason)
        if isinstance(self.viewer, BareViewer) or self.viewer.transport.get_write_buffer_size():
            self.abort()

    def seen(self) -> Seen:
        line = look(self.viewer.transport)
        idle_seconds = asyncio.get_running_loop().time() - self._input_at
        return Seen(self.bytes_in, self.bytes_out, idle_seconds, line.round_trip_ms, line.drops)

    def side_lost(self) -> None:
        """One of the two connections is no more."""
        if self.viewer.lost and self.screen.lost:
            if self._timer is not None:
                self._timer.cancel()
            self._state.remove(self, self._name.client_address)

    def tick(self) -> None:
        if self.ended is None:
            self.viewer.tick()
            self._count_bytes()
            if self._ends_at is not None and asyncio.get_running_loop().time() >= self._ends_at:
                self.end(End.TIME_OVER)

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

    # What a viewer says of itself, in the words of this module.

    def viewer_closed(self, code: int) -> None:
        self.end(End.VIEWER_CLOSED, close_code=code)

    def viewer_lost(self) -> None:
        self.end(End.VIEWER_LOST)

    def viewer_silent(self) -> None:
        self.end(End.VIEWER_SILENT)
        self.abort()

    def viewer_violated(self, code: int, text: str) -> None:
        self.end(End.VIEWER_VIOLATION, close_code=code, text=text)

    def viewer_misspoke(self, error: ScreenError) -> None:
        """The viewer does not keep to the screen's protocol, or to the session's policy."""
        if self.handshake is None:
            self.end(End.POLICY, text=error.message)
        else:
            self.end(End.VIEWER_VIOLATION, close_code=CLOSE_HANDSHAKE_FAILED, text=error.message)

    def handshake_late(self) -> None:
        self.end(End.HANDSHAKE_TIMEOUT)


class _Screen(asyncio.BufferedProtocol):
    """The real server's side: bytes."""

    __slots__ = ("_descriptor", "_reading", "_scratch", "_session", "lost", "transport")

    def __init__(self, session: Session, transport: asyncio.Transport, state: WorkerState) -> None:
        self._session = session
        self._scratch = state.scratch
        self._descriptor: int = transport.get_extra_info("socket").fileno()
        self._reading = state.scratch.reading if session.viewer.is_bare else state.scratch.reading_little
        self.transport = transport
        self.lost = False

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reading

    def buffer_updated(self, nbytes: int) -> None:
        session = self._session
        if session.handshake is None:
            try:
                if self._reading is self._scratch.reading_first:
                    self._pass_much(session, nbytes)
                else:
                    session.pass_to_viewer(nbytes)
                    if nbytes >= _MUCH_BYTES and session.is_unseen:
                        self._reading = self._scratch.reading_first
            except ScreenError as error:
                self._violated(error)
        else:
            self._shake_hands(session.handshake, bytes(self._reading[:nbytes]))

    def _pass_much(self, session: Session, nbytes: int) -> None:
        """The first byte was read, so that the loop tells of more; the rest never comes to us."""
        piped = self._scratch.pipe.take(self._descriptor)
        session.pass_to_viewer(nbytes, piped)
        if piped < _MUCH_BYTES:
            self._reading = self._scratch.reading

    def data_received(self, data: bytes) -> None:
        """Never called; see :class:`Viewer`."""

    def receive(self, data: bytes) -> None:
        """Bytes that were read earlier, when there was no session yet; they may be more than fits into the buffer."""
        reading = self._scratch.reading
        try:
            for start in range(0, len(data), len(reading)):
                piece = data[start : start + len(reading)]
                reading[: len(piece)] = piece
                self._session.pass_to_viewer(len(piece))
        except ScreenError as error:
            self._violated(error)

    def _shake_hands(self, handshake: Handshake, data: bytes) -> None:
        if self._session.ended is not None:
            return
        try:
            self._session.shake_hands(handshake, handshake.from_screen(data))
        except ScreenError as error:
            self._violated(error)

    def _violated(self, error: ScreenError) -> None:
        _log.warning("screen_violated", code=error.code, message=error.message)
        self._session.end(End.SCREEN_VIOLATION)

    def look_again(self) -> None:
        """Reads on if nothing stands against it any more, else waits."""
        session = self._session
        if session.ended is not None or self.transport.is_closing():
            return
        handshake = session.handshake
        is_wanted = handshake is None or handshake.reads_screen
        if is_wanted and not session.viewer.writing_paused and (session.pace is None or session.pace.has_room):
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def pause_writing(self) -> None:
        self._session.viewer.transport.pause_reading()

    def resume_writing(self) -> None:
        self._session.viewer.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        self._session.end(End.SCREEN_CLOSED)
        self._session.side_lost()
