"""The security handshakes of RFB (VNC), RFC 6143 section 7.1, on both sides of the gateway.

Toward the real server the gateway answers for the viewer, with the server's password (:class:`ScreenSecurity`). Toward the
viewer it is a server that asks for nothing (:class:`ViewerSecurity`): the ticket was the proof. So the password never
leaves the gateway. What comes after, from ClientInit on (section 7.3), is the same in every version and passes through.

Both are tables of steps: a step waits for a number of bytes, then answers and names the next step.
"""

import re
from collections.abc import Callable, Container, Mapping
from enum import Enum, auto
from typing import ClassVar, Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from yunzhuo.gateway.protocol.errors import ScreenError
from yunzhuo.gateway.protocol.handshake import Turn

_VERSION_BYTES: Final = 12
_VERSION: Final = re.compile(rb"RFB ([0-9]{3})\.([0-9]{3})\n")
_SECURITY_NONE: Final = 1
_SECURITY_VNC: Final = 2
_CHALLENGE_BYTES: Final = 16
_PASSWORD_BYTES: Final = 8
_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Version(Enum):
    """The versions there are (section 7.1.1). Any other number "should be interpreted as 3.3"."""

    V3_3 = b"RFB 003.003\n"
    V3_7 = b"RFB 003.007\n"
    V3_8 = b"RFB 003.008\n"

    @classmethod
    def parse(cls, line: bytes) -> "Version":
        if not _VERSION.fullmatch(line):
            raise ScreenError("rfb_not_spoken", "the peer does not speak RFB")
        return cls(line) if line in {version.value for version in cls} else cls.V3_3


def vnc_response(challenge: bytes, password: str) -> bytes:
    """The answer to a VNC Authentication challenge of 16 bytes (section 7.2.2).

    DES with the password's first eight bytes as the key, each with its bits in mirror order (the RFC's erratum 4951; every
    implementation does it). DES is triple DES with three equal keys.
    """
    key = password.encode()[:_PASSWORD_BYTES].ljust(_PASSWORD_BYTES, b"\0").translate(_REVERSED)
    # Section 7.2.2 prescribes DES in ECB mode; what protects the answer on its way is the unix socket or the private network.
    return Cipher(TripleDES(key * 3), modes.ECB()).encryptor().update(challenge)  # nosec B305 # prescribed, see above


class _Step(Enum):
    VERSION = auto()
    TYPE = auto()
    TYPE_COUNT = auto()
    TYPES = auto()
    CHALLENGE = auto()
    RESULT = auto()
    REASON_LENGTH = auto()
    REASON = auto()
    CHOICE = auto()
    DONE = auto()


# What a step answers: the next step, how many bytes that one waits for, and what is sent now.
_Turn = tuple[_Step, int, bytes]
_DONE: Final[_Turn] = (_Step.DONE, 0, b"")


class _Handshake:
    """Feeds each step of ``_STEPS`` the bytes it waits for."""

    _STEPS: ClassVar[Mapping[_Step, Callable[..., _Turn]]] = {}

    __slots__ = ("_buffer", "_needed", "_step", "version")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._step = _Step.VERSION
        self._needed = _VERSION_BYTES
        self.version = Version.V3_8

    @property
    def done(self) -> bool:
        """Whether the handshake has come to a good end."""
        return self._step is _Step.DONE

    def receive(self, data: bytes) -> bytes:
        """Takes the peer's bytes in any portions; returns what to send to it. Raises ScreenError; then it is over."""
        self._buffer += data
        answer = b""
        while not self.done and len(self._buffer) >= self._needed:
            taken = bytes(self._buffer[: self._needed])
            del self._buffer[: self._needed]
            self._step, self._needed, sent = self._STEPS[self._step](self, taken)
            answer += sent
        return answer

    def take_rest(self) -> bytes:
        """What came behind the end of the handshake, handed out once."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest


class ScreenSecurity(_Handshake):
    """The client's side toward a real server. A ``password`` of "" means that it asks for none.

    ``max_reason_bytes`` bounds what a server may say about its refusal.
    """

    __slots__ = ("_max_reason_bytes", "_password")

    def __init__(self, *, password: str, max_reason_bytes: int) -> None:
        super().__init__()
        self._password = password
        self._max_reason_bytes = max_reason_bytes

    def _on_version(self, line: bytes) -> _Turn:
        self.version = Version.parse(line)
        if self.version is Version.V3_3:
            return _Step.TYPE, 4, self.version.value
        return _Step.TYPE_COUNT, 1, self.version.value

    def _on_type(self, word: bytes) -> _Turn:
        """Version 3.3: the server alone decides (section 7.1.2)."""
        security_type = int.from_bytes(word, "big")
        if not security_type:
            return _Step.REASON_LENGTH, 4, b""
        if self._choose((security_type,)) == _SECURITY_NONE:
            return _DONE
        return _Step.CHALLENGE, _CHALLENGE_BYTES, b""

    def _on_type_count(self, count: bytes) -> _Turn:
        return (_Step.TYPES, count[0], b"") if count[0] else (_Step.REASON_LENGTH, 4, b"")

    def _on_types(self, offered: bytes) -> _Turn:
        chosen = self._choose(offered)
        answer = bytes((chosen,))
        if chosen == _SECURITY_VNC:
            return _Step.CHALLENGE, _CHALLENGE_BYTES, answer
        # Section 7.2.1: after "None", versions before 3.8 leave out the SecurityResult.
        return (_Step.RESULT, 4, answer) if self.version is Version.V3_8 else (_Step.DONE, 0, answer)

    def _choose(self, offered: Container[int]) -> int:
        if self._password and _SECURITY_VNC in offered:
            return _SECURITY_VNC
        if _SECURITY_NONE in offered:
            return _SECURITY_NONE
        raise ScreenError("screen_security_unknown", "the screen's server asks for a proof that the gateway cannot give")

    def _on_challenge(self, challenge: bytes) -> _Turn:
        return _Step.RESULT, 4, vnc_response(challenge, self._password)

    def _on_result(self, word: bytes) -> _Turn:
        """Section 7.1.3. Only version 3.8 gives a reason."""
        if not any(word):
            return _DONE
        if self.version is Version.V3_8:
            return _Step.REASON_LENGTH, 4, b""
        raise _refused("")

    def _on_reason_length(self, word: bytes) -> _Turn:
        length = int.from_bytes(word, "big")
        if not 0 < length <= self._max_reason_bytes:
            raise _refused("")
        return _Step.REASON, length, b""

    def _on_reason(self, text: bytes) -> _Turn:
        raise _refused(text.decode("latin-1"))

    _STEPS: ClassVar = {
        _Step.VERSION: _on_version,
        _Step.TYPE: _on_type,
        _Step.TYPE_COUNT: _on_type_count,
        _Step.TYPES: _on_types,
        _Step.CHALLENGE: _on_challenge,
        _Step.RESULT: _on_result,
        _Step.REASON_LENGTH: _on_reason_length,
        _Step.REASON: _on_reason,
    }


def _refused(reason: str) -> ScreenError:
    return ScreenError("screen_refused", "the screen's server refused the gateway" + (f": {reason}" if reason else ""))


class ViewerSecurity(_Handshake):
    """The server's side toward a viewer, whose ticket was proof enough: security type None only. Send ``GREETING`` first."""

    GREETING: ClassVar = Version.V3_8.value

    __slots__ = ()

    def _on_version(self, line: bytes) -> _Turn:
        self.version = Version.parse(line)
        if self.version is Version.V3_3:
            return _Step.DONE, 0, _SECURITY_NONE.to_bytes(4, "big")
        return _Step.CHOICE, 1, bytes((1, _SECURITY_NONE))

    def _on_choice(self, chosen: bytes) -> _Turn:
        if chosen[0] != _SECURITY_NONE:
            raise ScreenError("viewer_security_unknown", "the viewer chose a security type that was not offered")
        return _Step.DONE, 0, bytes(4) if self.version is Version.V3_8 else b""

    _STEPS: ClassVar = {_Step.VERSION: _on_version, _Step.CHOICE: _on_choice}


class VncHandshake:
    """The viewer's handshake as the relay runs it; a :class:`Handshake`. The screen's own was made before."""

    greeting: ClassVar = ViewerSecurity.GREETING
    reads_screen: ClassVar = False

    __slots__ = ("_security",)

    def __init__(self) -> None:
        self._security = ViewerSecurity()

    @property
    def done(self) -> bool:
        return self._security.done

    def from_viewer(self, data: bytes) -> Turn:
        answer = self._security.receive(data)
        return Turn(answer, self._security.take_rest() if self.done else b"")

    def from_screen(self, data: bytes) -> Turn:
        return Turn(to_viewer=data)
