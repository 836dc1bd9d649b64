"""The link stage of a native SPICE channel, on both sides of the gateway ("Spice protocol", section 11).

Toward the viewer the gateway is a server with a key of its own, so that the password, which is the ticket, is readable for it
(:class:`ViewerLink`); toward the real server it is a viewer with the real password (:class:`ScreenLink`), and says there what
the viewer said. The capabilities of a server are told before anybody is known, so they cannot be the real server's: they are
those that every server since 2013 (spice-server 0.12.4) has.
"""

import struct
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from yunzhuo.gateway.protocol.errors import ScreenError
from yunzhuo.gateway.protocol.spice import (
    AUTH_SELECTION,
    AUTH_SPICE,
    HEADER,
    KEY_BITS,
    MAGIC,
    MAJOR_VERSION,
    MAX_PASSWORD_BYTES,
    MESSAGE,
    MINI_HEADER,
    REPLY,
    TICKET_BYTES,
    WORD_BYTES,
    encrypted_password,
    first_capabilities,
    not_spoken,
    public_key,
)

OK: Final = 0
ERROR: Final = 1
NEED_SECURED: Final = 5
PERMISSION_DENIED: Final = 7
CHANNEL_NOT_AVAILABLE: Final = 9
_MINOR_VERSION: Final = 2
_COMMON: Final = AUTH_SELECTION | AUTH_SPICE << 1 | MINI_HEADER
# What a server of each channel's type can do: main, display, inputs, playback, record.
_OF_CHANNEL: Final = {1: 0xF, 2: 0x1052, 3: 0x1, 5: 0xF, 6: 0xF}


class ServerKey:
    """The gateway's own key; one for each process is enough, and nobody has to keep it."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(65537, KEY_BITS)
        self.der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def password(self, encrypted: bytes) -> str:
        """What was encrypted for this key; "" when it was not."""
        sha1 = hashes.SHA1()  # nosec B303 # prescribed by SPICE
        oaep = padding.OAEP(mgf=padding.MGF1(sha1), algorithm=sha1, label=None)
        try:
            return self._key.decrypt(encrypted, oaep).rstrip(b"\0").decode("ascii")
        except ValueError:  # UnicodeDecodeError is one
            return ""


def message(body: bytes) -> bytes:
    """A link message with its header."""
    return HEADER.pack(MAGIC, MAJOR_VERSION, _MINOR_VERSION, len(body)) + body


def error_reply(code: int) -> bytes:
    """A server's answer to a link that is not to be."""
    return message(REPLY.pack(code, bytes(162), 0, 0, REPLY.size))


class ViewerLink:
    """The server's side. ``receive`` says what to answer; ``ticket`` is there once the viewer has given it."""

    __slots__ = ("_buffer", "_key", "_max_message_bytes", "_selects", "channel", "channel_id", "hello", "is_mini", "ticket")

    def __init__(self, key: ServerKey, *, max_message_bytes: int) -> None:
        self._key = key
        self._max_message_bytes = max_message_bytes
        self._buffer = bytearray()
        self._selects = False
        self.hello = b""
        self.channel = 0
        self.channel_id = 0
        self.is_mini = False
        self.ticket: str | None = None

    def receive(self, data: bytes) -> bytes:
        """Takes the viewer's bytes in any portions. Raises ScreenError."""
        self._buffer += data
        if len(self._buffer) > self._max_message_bytes:
            raise ScreenError("spice_too_early", "more was sent than belongs into a SPICE link")
        answer = b""
        if not self.hello:
            body = self._take_message()
            if body is None:
                return b""
            self._understand(body)
            answer = self._reply()
        if self.hello and self.ticket is None:
            self._take_ticket()
        return answer

    def take_rest(self) -> bytes:
        """What came behind the ticket, handed out once."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def _take_message(self) -> bytes | None:
        start = bytes(self._buffer[: len(MAGIC)])
        if not MAGIC.startswith(start):
            raise not_spoken()
        if len(self._buffer) < HEADER.size:
            return None
        _, major, _, size = HEADER.unpack_from(self._buffer)
        if major != MAJOR_VERSION:
            raise not_spoken()
        if not MESSAGE.size <= size <= self._max_message_bytes - HEADER.size:
            raise ScreenError("spice_message_size", "a SPICE link message has an impossible length")
        if len(self._buffer) < HEADER.size + size:
            return None
        self.hello = bytes(self._buffer[: HEADER.size + size])
        del self._buffer[: HEADER.size + size]
        return self.hello[HEADER.size :]

    def _understand(self, body: bytes) -> None:
        _, self.channel, self.channel_id, n_common, n_channel, offset = MESSAGE.unpack_from(body)
        capabilities = first_capabilities(body, n_common, n_channel, offset)
        self._selects = bool(capabilities & AUTH_SELECTION)
        self.is_mini = bool(capabilities & MINI_HEADER)

    def _reply(self) -> bytes:
        of_channel = _OF_CHANNEL.get(self.channel)
        words = (_COMMON,) if of_channel is None else (_COMMON, of_channel)
        body = REPLY.pack(OK, self._key.der, 1, len(words) - 1, REPLY.size) + struct.pack(f"<{len(words)}I", *words)
        return message(body)

    def _take_ticket(self) -> None:
        mechanism_bytes = WORD_BYTES if self._selects else 0
        if len(self._buffer) < mechanism_bytes + TICKET_BYTES:
            return
        if self._selects and int.from_bytes(self._buffer[:WORD_BYTES], "little") != AUTH_SPICE:
            raise ScreenError("spice_mechanism_unknown", "the viewer wants to prove itself in a way that is not offered")
        encrypted = bytes(self._buffer[mechanism_bytes : mechanism_bytes + TICKET_BYTES])
        del self._buffer[: mechanism_bytes + TICKET_BYTES]
        self.ticket = self._key.password(encrypted)


class ScreenLink:
    """The viewer's side toward a real server: sends what the viewer said (``greeting`` first), and the server's password."""

    __slots__ = ("_buffer", "_is_mini", "_max_message_bytes", "_password", "_proved", "done", "greeting")

    def __init__(self, hello: bytes, *, is_mini: bool, password: str, max_message_bytes: int) -> None:
        self._password = password.encode()
        if len(self._password) > MAX_PASSWORD_BYTES:
            raise ScreenError("screen_password_too_long", "the screen's password is longer than SPICE can carry")
        self._is_mini = is_mini
        self._max_message_bytes = max_message_bytes
        self._buffer = bytearray()
        self._proved = False
        self.greeting = hello
        self.done = False

    def receive(self, data: bytes) -> bytes:
        """Takes the server's bytes in any portions; answers what to send to it. Raises ScreenError."""
        self._buffer += data
        answer = b""
        if not self._proved:
            answer = self._on_reply()
        if self._proved and not self.done and len(self._buffer) >= WORD_BYTES:
            verdict = int.from_bytes(self._buffer[:WORD_BYTES], "little")
            del self._buffer[:WORD_BYTES]
            if verdict:
                raise ScreenError("screen_refused", f"the screen's server refused the gateway: {verdict}")
            self.done = True
        return answer

    def take_rest(self) -> bytes:
        """What the server said behind its verdict, handed out once."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def _on_reply(self) -> bytes:
        if len(self._buffer) < HEADER.size:
            if not MAGIC.startswith(bytes(self._buffer[: len(MAGIC)])):
                raise not_spoken()
            return b""
        magic, major, _, size = HEADER.unpack_from(self._buffer)
        if magic != MAGIC or major != MAJOR_VERSION:
            raise not_spoken()
        if not WORD_BYTES <= size <= self._max_message_bytes:
            raise ScreenError("spice_message_size", "a SPICE link message has an impossible length")
        if len(self._buffer) < HEADER.size + size:
            return b""
        reply = bytes(self._buffer[HEADER.size : HEADER.size + size])
        del self._buffer[: HEADER.size + size]
        if error := int.from_bytes(reply[:WORD_BYTES], "little"):
            raise ScreenError("screen_refused", f"the screen's server refused the link: {error}")
        if len(reply) < REPLY.size:
            raise not_spoken()
        _, key, n_common, n_channel, offset = REPLY.unpack_from(reply)
        capabilities = first_capabilities(reply, n_common, n_channel, offset)
        if self._is_mini and not capabilities & MINI_HEADER:
            raise ScreenError("spice_server_too_old", "the screen's server is too old for native viewers")
        self._proved = True
        mechanism = AUTH_SPICE.to_bytes(WORD_BYTES, "little") if capabilities & AUTH_SELECTION and self._selects() else b""
        return mechanism + encrypted_password(public_key(key), self._password)

    def _selects(self) -> bool:
        _, _, _, n_common, n_channel, offset = MESSAGE.unpack_from(self.greeting, HEADER.size)
        return bool(first_capabilities(self.greeting[HEADER.size :], n_common, n_channel, offset) & AUTH_SELECTION)
