"""The link stage of a SPICE channel ("Spice protocol", 2009, section 11; spice-protocol's spice/protocol.h), seen from between.

Viewer and server exchange link messages, which pass through as they are. Then the viewer sends a password, encrypted for the
key that the server has just shown; the gateway puts the server's real password in its place. The viewer's ticket was proof
enough before, so what it sends there does not matter, and the real password never leaves the gateway in clear.
"""

import struct
from collections.abc import Callable
from enum import Enum, auto
from typing import ClassVar, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from yunzhuo.gateway.protocol.errors import ScreenError
from yunzhuo.gateway.protocol.handshake import Turn

HEADER: Final = struct.Struct("<4sIII")  # SpiceLinkHeader: magic, major and minor version, size of what follows
MAGIC: Final = b"REDQ"
MAJOR_VERSION: Final = 2
MESSAGE: Final = struct.Struct("<IBBIII")  # SpiceLinkMess: connection, channel type and id, numbers of caps, their offset
REPLY: Final = struct.Struct("<I162sIII")  # SpiceLinkReply: error, public key, numbers of caps, their offset
WORD_BYTES: Final = 4
TICKET_BYTES: Final = 128  # what is encrypted with a key of 1024 bits
KEY_BITS: Final = 1024
MAX_PASSWORD_BYTES: Final = 60  # SPICE_MAX_PASSWORD_LENGTH
# Bit of the common capabilities: the viewer first names the way in which it will prove itself.
AUTH_SELECTION: Final = 1 << 0
AUTH_SPICE: Final = 1
# Another one: messages have a header of six bytes instead of eighteen.
MINI_HEADER: Final = 1 << 3


class _Step(Enum):
    """Whose bytes are waited for, and which."""

    VIEWER_HEADER = auto()
    VIEWER_MESSAGE = auto()
    SCREEN_HEADER = auto()
    SCREEN_REPLY = auto()
    VIEWER_MECHANISM = auto()
    VIEWER_TICKET = auto()
    SCREEN_RESULT = auto()
    DONE = auto()
    REFUSED = auto()


_HEADERS: Final = frozenset({_Step.VIEWER_HEADER, _Step.SCREEN_HEADER})
_OF_VIEWER: Final = frozenset({_Step.VIEWER_HEADER, _Step.VIEWER_MESSAGE, _Step.VIEWER_MECHANISM, _Step.VIEWER_TICKET})


class SpiceLink:
    """The link stage of one channel; a :class:`Handshake`. ``max_message_bytes`` bounds a link message of either side."""

    greeting: ClassVar = b""
    reads_screen: ClassVar = True

    __slots__ = (
        *("_buffers", "_max_message_bytes", "_needed", "_password", "_screen_key", "_step", "_viewer_capabilities"),
        *("channel", "is_mini"),
    )

    def __init__(self, *, password: str, max_message_bytes: int) -> None:
        self._password = password.encode()
        if len(self._password) > MAX_PASSWORD_BYTES:
            raise ScreenError("screen_password_too_long", "the screen's password is longer than SPICE can carry")
        self._max_message_bytes = max_message_bytes
        self._buffers = {True: bytearray(), False: bytearray()}  # the viewer's, the screen's
        self._step = _Step.VIEWER_HEADER
        self._needed = HEADER.size
        self._viewer_capabilities = 0
        self.channel = 0
        self.is_mini = False
        self._screen_key: rsa.RSAPublicKey | None = None

    @property
    def done(self) -> bool:
        return self._step is _Step.DONE

    def from_viewer(self, data: bytes) -> Turn:
        return self._advance(data, is_viewer=True)

    def from_screen(self, data: bytes) -> Turn:
        if self._step in (_Step.VIEWER_HEADER, _Step.VIEWER_MESSAGE):
            raise not_spoken()  # a SPICE server waits to be spoken to
        return self._advance(data, is_viewer=False)

    def _advance(self, data: bytes, *, is_viewer: bool) -> Turn:
        """Takes every whole step that is there, of both sides: what came early waits for its turn, within bounds."""
        self._buffers[is_viewer] += data
        to_viewer = to_screen = b""
        while self._step not in (_Step.DONE, _Step.REFUSED):
            buffer = self._buffers[self._step in _OF_VIEWER]
            if len(buffer) < self._needed:
                if self._step in _HEADERS and not MAGIC.startswith(buffer[: len(MAGIC)]):
                    raise not_spoken()  # another protocol may never say as much as a header
                break
            taken = bytes(buffer[: self._needed])
            del buffer[: self._needed]
            turn = self._STEPS[self._step](self, taken)
            to_viewer, to_screen = to_viewer + turn.to_viewer, to_screen + turn.to_screen
        if self._step in (_Step.DONE, _Step.REFUSED):
            to_viewer, to_screen = to_viewer + self._take_rest(is_viewer=False), to_screen + self._take_rest(is_viewer=True)
        elif any(len(buffer) > self._max_message_bytes for buffer in self._buffers.values()):
            raise ScreenError("spice_too_early", "more was sent than belongs into a SPICE link")
        return Turn(to_viewer, to_screen)

    def _take_rest(self, *, is_viewer: bool) -> bytes:
        buffer = self._buffers[is_viewer]
        rest = bytes(buffer)
        buffer.clear()
        return rest

    def _wait_for(self, step: _Step, size: int) -> None:
        self._step, self._needed = step, size

    def _on_viewer_header(self, header: bytes) -> Turn:
        self._wait_for(_Step.VIEWER_MESSAGE, self._size_after(header, MESSAGE.size))
        return Turn(to_screen=header)

    def _on_viewer_message(self, message: bytes) -> Turn:
        _, self.channel, _, n_common, n_channel, offset = MESSAGE.unpack_from(message)
        self._viewer_capabilities = first_capabilities(message, n_common, n_channel, offset)
        self._wait_for(_Step.SCREEN_HEADER, HEADER.size)
        return Turn(to_screen=message)

    def _on_screen_header(self, header: bytes) -> Turn:
        # A server that refuses a link may send the error alone, without key and capabilities.
        self._wait_for(_Step.SCREEN_REPLY, self._size_after(header, WORD_BYTES))
        return Turn(to_viewer=header)

    def _on_screen_reply(self, reply: bytes) -> Turn:
        if int.from_bytes(reply[:WORD_BYTES], "little"):
            self._wait_for(_Step.REFUSED, 0)  # the viewer reads why, and the server hangs up
            return Turn(to_viewer=reply)
        if len(reply) < REPLY.size:
            raise not_spoken()
        _, key, n_common, n_channel, offset = REPLY.unpack_from(reply)
        self._screen_key = public_key(key)
        of_both = self._viewer_capabilities & first_capabilities(reply, n_common, n_channel, offset)
        self.is_mini = bool(of_both & MINI_HEADER)
        if of_both & AUTH_SELECTION:
            self._wait_for(_Step.VIEWER_MECHANISM, WORD_BYTES)
        else:
            self._wait_for(_Step.VIEWER_TICKET, TICKET_BYTES)
        return Turn(to_viewer=reply)

    def _on_viewer_mechanism(self, word: bytes) -> Turn:
        if int.from_bytes(word, "little") != AUTH_SPICE:
            raise ScreenError("spice_mechanism_unknown", "the viewer wants to prove itself in a way that is not offered")
        self._wait_for(_Step.VIEWER_TICKET, TICKET_BYTES)
        return Turn(to_screen=word)

    def _on_viewer_ticket(self, _encrypted: bytes) -> Turn:
        if self._screen_key is None:
            raise not_spoken()
        self._wait_for(_Step.SCREEN_RESULT, WORD_BYTES)
        return Turn(to_screen=encrypted_password(self._screen_key, self._password))

    def _on_screen_result(self, word: bytes) -> Turn:
        self._wait_for(_Step.REFUSED if any(word) else _Step.DONE, 0)
        return Turn(to_viewer=word)

    def _size_after(self, header: bytes, least: int) -> int:
        magic, major, _minor, size = HEADER.unpack(header)
        if magic != MAGIC or major != MAJOR_VERSION:
            raise not_spoken()
        if not least <= size <= self._max_message_bytes:
            raise ScreenError("spice_message_size", "a SPICE link message has an impossible length")
        return int(size)

    _STEPS: ClassVar[dict[_Step, Callable[["SpiceLink", bytes], Turn]]] = {
        _Step.VIEWER_HEADER: _on_viewer_header,
        _Step.VIEWER_MESSAGE: _on_viewer_message,
        _Step.SCREEN_HEADER: _on_screen_header,
        _Step.SCREEN_REPLY: _on_screen_reply,
        _Step.VIEWER_MECHANISM: _on_viewer_mechanism,
        _Step.VIEWER_TICKET: _on_viewer_ticket,
        _Step.SCREEN_RESULT: _on_screen_result,
    }


def encrypted_password(key: rsa.RSAPublicKey, password: bytes) -> bytes:
    """As a server takes it: RSA-OAEP with SHA-1 over the password and a NUL. Raises ScreenError for a key that is none."""
    sha1 = hashes.SHA1()  # nosec B303 # prescribed by SPICE
    oaep = padding.OAEP(mgf=padding.MGF1(sha1), algorithm=sha1, label=None)
    try:
        return key.encrypt(password + b"\0", oaep)
    except ValueError:
        raise not_spoken() from None


def first_capabilities(message: bytes, n_common: int, n_channel: int, offset: int) -> int:
    """The first word of the common capabilities, 0 where there is none."""
    if offset + WORD_BYTES * (n_common + n_channel) > len(message):
        raise ScreenError("spice_message_size", "the capabilities of a SPICE link lie outside its message")
    return int.from_bytes(message[offset : offset + WORD_BYTES], "little") if n_common else 0


def public_key(der: bytes) -> rsa.RSAPublicKey:
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        raise not_spoken() from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size != KEY_BITS:
        raise not_spoken()
    return key


def not_spoken() -> ScreenError:
    return ScreenError("spice_not_spoken", "the peer does not speak SPICE")
