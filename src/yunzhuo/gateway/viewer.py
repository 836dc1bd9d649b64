"""The viewer's side of an open session: a browser's WebSocket, or a native viewer's bare connection."""

import asyncio
import os
from typing import TYPE_CHECKING

from yunzhuo.gateway.protocol import websocket
from yunzhuo.gateway.protocol.errors import FrameError, ScreenError
from yunzhuo.gateway.protocol.websocket import FrameDecoder, binary_frame, binary_header
from yunzhuo.gateway.state import FRAME_HEADER_BYTES, WorkerState

if TYPE_CHECKING:
    from yunzhuo.gateway.relay import Session


class Viewer(asyncio.BufferedProtocol):
    """What both kinds have in common: writing from the shared buffer, and being lost."""

    __slots__ = ("_descriptor", "_handshake_ticks", "_scratch", "_session", "is_bare", "lost", "transport", "writing_paused")

    def __init__(self, session: "Session", transport: asyncio.Transport, state: WorkerState) -> None:
        self._session = session
        self._scratch = state.scratch
        self.transport = transport
        # Through TLS nothing can be written past the transport.
        self.is_bare = transport.get_extra_info("ssl_object") is None
        self._descriptor: int = transport.get_extra_info("socket").fileno() if self.is_bare else -1
        self._handshake_ticks = state.ticks(state.config.limits.handshake_timeout_seconds)
        self.writing_paused = False
        self.lost = False

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._scratch.reading

    def buffer_updated(self, nbytes: int) -> None:
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        """Never called. uvloop keeps the method of the protocol before, and with it the whole door, unless there is one."""

    def receive(self, data: bytes) -> None:
        """Bytes that were read earlier, when there was no session yet; they may be more than fits into the buffer."""
        reading = self._scratch.reading
        for start in range(0, len(data), len(reading)):
            piece = data[start : start + len(reading)]
            reading[: len(piece)] = piece
            self.buffer_updated(len(piece))

    def send(self, data: bytes) -> None:
        """Payload of our own."""
        raise NotImplementedError

    def pass_on(self, size: int, piped: int = 0) -> None:
        """Payload: the first ``size`` bytes of the shared buffer, and then ``piped`` bytes that are in the pipe."""
        raise NotImplementedError

    def close(self, code: int, text: str) -> None:
        raise NotImplementedError

    def tick(self) -> None:
        if self._session.handshake is not None:
            self._handshake_ticks -= 1
            if self._handshake_ticks <= 0:
                self._session.handshake_late()

    def _write(self, start: int, end: int, piped: int) -> None:
        """A part of the shared buffer, and what is in the pipe: straight into the kernel as far as it takes it, the rest is
        copied and kept.

        Only while nothing is kept already: then the order would be wrong.
        """
        self._write_part(start, end)
        if piped:
            transport = self.transport
            is_free = not (transport.is_closing() or transport.get_write_buffer_size())
            left = self._scratch.pipe.give(self._descriptor if is_free else -1, piped)
            if left and not transport.is_closing():
                transport.writelines(left)

    def _write_part(self, start: int, end: int) -> None:
        transport = self.transport
        if transport.is_closing():
            return
        if self._descriptor >= 0 and not transport.get_write_buffer_size():
            try:
                start += os.write(self._descriptor, self._scratch.view[start:end])
            except BlockingIOError:
                pass
            except OSError:
                pass  # the transport finds out in its own way, with what follows
            if start == end:
                return
        transport.write(bytes(self._scratch.view[start:end]))

    def resume_reading(self) -> None:
        """The screen takes more again."""
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        self.writing_paused = True
        self._session.screen.look_again()

    def resume_writing(self) -> None:
        self.writing_paused = False
        self._session.screen.look_again()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        self._session.viewer_lost()
        self._session.side_lost()


class BareViewer(Viewer):
    """A native SPICE viewer: bytes as they are. The kernel asks a silent one whether it is there (see the listener)."""

    __slots__ = ()

    def buffer_updated(self, nbytes: int) -> None:
        session, screen = self._session, self._session.screen.transport
        data = bytes(self._scratch.reading[:nbytes])
        if not session.is_looked_at():
            session.bytes_in += nbytes
            screen.write(data)
            return
        try:
            session.to_screen([data])
        except ScreenError as error:
            session.viewer_misspoke(error)

    def send(self, data: bytes) -> None:
        self.transport.write(data)

    def pass_on(self, size: int, piped: int = 0) -> None:
        self._write(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + size, piped)

    def close(self, code: int, text: str) -> None:
        self.transport.close()


class FramedViewer(Viewer):
    """A browser: frames, pings, the closing handshake (RFC 6455 section 7)."""

    __slots__ = ("_deaf", "_decoder", "_give_up_ticks", "_ping_ticks", "_quiet_ticks")

    def __init__(self, session: "Session", transport: asyncio.Transport, state: WorkerState) -> None:
        super().__init__(session, transport, state)
        limits = state.config.limits
        self._decoder = FrameDecoder(max_frame_bytes=limits.max_frame_bytes)
        self._ping_ticks = state.ticks(limits.idle_ping_seconds)
        self._give_up_ticks = self._ping_ticks + state.ticks(limits.pong_timeout_seconds)
        self._quiet_ticks = 0
        self._deaf = False

    def buffer_updated(self, nbytes: int) -> None:
        if self._deaf:
            return
        self._quiet_ticks = 0
        session = self._session
        try:
            payloads = self._decoder.receive(self._scratch.reading[:nbytes])
            if payloads and session.ended is None:
                handshake = session.handshake
                if handshake is None:
                    session.to_screen(payloads)
                else:
                    session.shake_hands(handshake, handshake.from_viewer(b"".join(payloads)))
        except FrameError as error:
            self._deaf = True
            session.viewer_violated(error.close_code, error.message)
        except ScreenError as error:
            self._deaf = True
            session.viewer_misspoke(error)
        else:
            if self._decoder.asks or self._decoder.closed is not None:
                self._answer_control()

    def send(self, data: bytes) -> None:
        if data:
            self.transport.write(binary_frame(data))

    def pass_on(self, size: int, piped: int = 0) -> None:
        header = binary_header(size + piped)
        start = FRAME_HEADER_BYTES - len(header)
        self._scratch.buffer[start:FRAME_HEADER_BYTES] = header
        self._write(start, FRAME_HEADER_BYTES + size, piped)

    def _answer_control(self) -> None:
        if self._decoder.closed is not None:
            self._session.viewer_closed(self._decoder.closed.code)
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
        super().tick()
        self._quiet_ticks += 1
        if self._session.handshake is not None or self._session.ended is not None:
            return
        if self._quiet_ticks >= self._give_up_ticks and self.transport.is_reading():
            self._session.viewer_silent()
        elif self._quiet_ticks % self._ping_ticks == 0 and not self.writing_paused:
            self.transport.write(websocket.ping_frame())

    def resume_reading(self) -> None:
        """The silence until now was not the browser's."""
        self._quiet_ticks = 0
        super().resume_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._decoder.asks and self._session.ended is None:
            self._answer_control()
