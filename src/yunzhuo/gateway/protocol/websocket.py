"""WebSocket frames (RFC 6455 section 5) as a relay needs them: payloads are passed on as they come, never gathered.

A message may be of any length, for nothing of it is kept; the limit is on one frame's announced length.
"""

from dataclasses import dataclass
from typing import Final

from websockets.speedups import apply_mask

from yunzhuo.gateway.protocol.errors import FrameError

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

CLOSE_NORMAL: Final = 1000
CLOSE_PROTOCOL_ERROR: Final = 1002
CLOSE_UNSUPPORTED: Final = 1003
CLOSE_NO_CODE: Final = 1005
CLOSE_INVALID_TEXT: Final = 1007
CLOSE_TOO_BIG: Final = 1009
CLOSE_INTERNAL_ERROR: Final = 1011
CLOSE_RESTART: Final = 1012

_FINAL: Final = 0x80
_RESERVED: Final = 0x70
_OPCODE: Final = 0x0F
_MASKED: Final = 0x80
_LENGTH: Final = 0x7F
_CONTROL: Final = 0x8
_LENGTH_16_BIT: Final = 126
_LENGTH_64_BIT: Final = 127
_SHORTEST_HEADER: Final = 2
_LONGEST_HEADER: Final = 14
_CONTROL_MAX_BYTES: Final = 125
_MASK_BYTES: Final = 4
_PASSED_ON: Final = frozenset({CONTINUATION, BINARY})
_ECHO: Final = b"echo "

# RFC 6455 section 7.4: what may stand in a Close frame. 1004 to 1006 and 1015 may not; 3000 to 4999 are applications' own.
_CLOSE_CODES: Final = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}) | frozenset(
    range(3000, 5000)
)


@dataclass(frozen=True, slots=True)
class Close:
    """A Close frame that was received. ``code`` is 1005 when it had none."""

    code: int
    reason: str


class FrameDecoder:
    """Takes a client's bytes in any portions and gives back the payload, unmasked.

    Only binary messages are for the screen. A short text message that begins with ``echo`` is a page's question how long the
    way here is, and is treated as a ping, which pages cannot send; any other text is refused. Of several pings that came
    together the last one counts (RFC 6455 section 5.5.3), so that a flood of pings cannot fill memory with answers. Pongs say
    nothing beyond having arrived. After a Close frame everything is ignored. Memory is bounded by one header and one control
    payload.
    """

    __slots__ = (
        "_closed",
        "_control",
        "_echo",
        "_fragmented",
        "_header",
        "_mask",
        "_max_frame_bytes",
        "_opcode",
        "_ping",
        "_remaining",
    )

    def __init__(self, *, max_frame_bytes: int) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._header = b""
        self._opcode = BINARY
        self._remaining = 0
        self._mask = b""
        self._control = b""
        self._fragmented = False
        self._ping: bytes | None = None
        self._echo: bytes | None = None
        self._closed: Close | None = None

    @property
    def closed(self) -> Close | None:
        """The client's Close frame, once it has come."""
        return self._closed

    @property
    def ping(self) -> bytes | None:
        """The payload of the last ping that has not been taken."""
        return self._ping

    @property
    def asks(self) -> bool:
        """Whether a ping or a page's echo waits for its answer."""
        return self._ping is not None or self._echo is not None

    def take_answers(self) -> bytes:
        """The frames that answer the last ping and the last echo, handed out once."""
        ping, echo, self._ping, self._echo = self._ping, self._echo, None, None
        return (b"" if ping is None else pong_frame(ping)) + (b"" if echo is None else _control_frame(TEXT, echo))

    def receive(self, data: bytes | memoryview) -> list[bytes]:
        """The payload in ``data``, in order, in as many pieces as there were. Raises FrameError; then it is over."""
        payloads: list[bytes] = []
        view = memoryview(data)
        position, end = 0, len(data)
        while position < end and self._closed is None:
            position = (
                self._receive_payload(view, position, payloads) if self._remaining else self._receive_header(view, position)
            )
        return payloads

    def _receive_payload(self, view: memoryview, position: int, payloads: list[bytes]) -> int:
        taken = min(self._remaining, len(view) - position)
        piece = apply_mask(view[position : position + taken], self._mask)
        self._remaining -= taken
        if self._remaining:
            turn = taken % _MASK_BYTES
            self._mask = self._mask[turn:] + self._mask[:turn]
        if self._opcode in _PASSED_ON:
            payloads.append(piece)
        else:
            self._control += piece
            if not self._remaining:
                self._end_control()
        return position + taken

    def _receive_header(self, view: memoryview, position: int) -> int:
        kept = len(self._header)
        header = self._header + bytes(view[position : position + _LONGEST_HEADER - kept])
        if len(header) < _SHORTEST_HEADER:
            self._header = header
            return len(view)
        _check_start(header[0], header[1], self._fragmented)
        size = _header_size(header[1] & _LENGTH)
        if len(header) < size:
            self._header = header
            return len(view)
        self._header = b""
        self._begin(header[0], _payload_length(header, size), header[size - _MASK_BYTES : size])
        return position + size - kept

    def _begin(self, first: int, length: int, mask: bytes) -> None:
        if length > self._max_frame_bytes:
            raise FrameError(CLOSE_TOO_BIG, "frame_too_big", f"a frame may have {self._max_frame_bytes} bytes")
        self._opcode = first & _OPCODE
        self._remaining = length
        self._mask = mask
        if self._opcode in _PASSED_ON:
            self._fragmented = not first & _FINAL
        elif not length:
            self._end_control()

    def _end_control(self) -> None:
        payload, self._control = self._control, b""
        if self._opcode == CLOSE:
            self._closed = _parse_close(payload)
        elif self._opcode == PING:
            self._ping = payload
        elif self._opcode == TEXT:
            if not payload.startswith(_ECHO):
                raise _no_text()
            self._echo = payload


def _check_start(first: int, second: int, fragmented: bool) -> None:
    """RFC 6455 sections 5.1 (masking), 5.2 (reserved bits, opcodes), 5.4 (fragments), 5.5 (control frames)."""
    opcode = first & _OPCODE
    if not second & _MASKED:
        raise _violation("frames from a client are masked")
    if first & _RESERVED:
        raise _violation("reserved bits are set")
    if opcode >= _CONTROL:
        if opcode not in {CLOSE, PING, PONG}:
            raise _violation("unknown opcode")
        if not first & _FINAL:
            raise _violation("a control frame is in fragments")
        if second & _LENGTH > _CONTROL_MAX_BYTES:
            raise _violation("a control frame is too long")
    elif opcode > BINARY:
        raise _violation("unknown opcode")
    elif fragmented != (opcode == CONTINUATION):
        raise _violation("fragments are out of order")
    elif opcode == TEXT and (not first & _FINAL or second & _LENGTH > _CONTROL_MAX_BYTES):
        raise _no_text()


def _header_size(length_code: int) -> int:
    if length_code < _LENGTH_16_BIT:
        return 2 + _MASK_BYTES
    return (4 if length_code == _LENGTH_16_BIT else 10) + _MASK_BYTES


def _payload_length(header: bytes, size: int) -> int:
    """RFC 6455 section 5.2: the shortest form that holds the length, the highest of 64 bits clear."""
    code = header[1] & _LENGTH
    if code < _LENGTH_16_BIT:
        return code
    length = int.from_bytes(header[2 : size - _MASK_BYTES], "big")
    if length < (_LENGTH_16_BIT if code == _LENGTH_16_BIT else 1 << 16) or length >> 63:
        raise _violation("a length is not in its shortest form")
    return length


def _parse_close(payload: bytes) -> Close:
    """RFC 6455 section 5.5.1."""
    if not payload:
        return Close(CLOSE_NO_CODE, "")
    code = int.from_bytes(payload[:2], "big")
    if code not in _CLOSE_CODES:  # one byte alone is at most 255, and so no code either
        raise _violation("no such close code")
    try:
        return Close(code, payload[2:].decode())
    except UnicodeDecodeError:
        raise FrameError(CLOSE_INVALID_TEXT, "invalid_text", "a close reason is not UTF-8") from None


def _no_text() -> FrameError:
    return FrameError(CLOSE_UNSUPPORTED, "text_not_supported", "only binary messages are understood")


def _violation(message: str) -> FrameError:
    return FrameError(CLOSE_PROTOCOL_ERROR, "websocket_violation", message)


_SMALL_HEADERS: Final = tuple(bytes((_FINAL | BINARY, length)) for length in range(_LENGTH_16_BIT))


def binary_header(length: int) -> bytes:
    """The header of a whole binary message of ``length`` bytes from the server."""
    if length < _LENGTH_16_BIT:
        return _SMALL_HEADERS[length]
    if length < 1 << 16:
        return bytes((_FINAL | BINARY, _LENGTH_16_BIT)) + length.to_bytes(2, "big")
    return bytes((_FINAL | BINARY, _LENGTH_64_BIT)) + length.to_bytes(8, "big")


def binary_frame(payload: bytes) -> bytes:
    """A whole binary message from the server."""
    return binary_header(len(payload)) + payload


def ping_frame(payload: bytes = b"") -> bytes:
    """A ping from the server; ``payload`` has at most 125 bytes."""
    return _control_frame(PING, payload)


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping with the same payload."""
    return _control_frame(PONG, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """A Close frame from the server; a reason that is too long is cut between two characters. 1005 makes an empty one."""
    if code == CLOSE_NO_CODE:
        return _control_frame(CLOSE, b"")
    text = reason.encode()[: _CONTROL_MAX_BYTES - 2].decode(errors="ignore").encode()
    return _control_frame(CLOSE, code.to_bytes(2, "big") + text)


def _control_frame(opcode: int, payload: bytes) -> bytes:
    if len(payload) > _CONTROL_MAX_BYTES:
        raise ValueError("a control frame has at most 125 bytes")
    return bytes((_FINAL | opcode, len(payload))) + payload
