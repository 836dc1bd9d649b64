"""What a viewer says after the RFB handshake (RFC 6143 section 7.5, and the extensions that viewers and QEMU know), message
by message: when a person last did something, and what a policy leaves out.

Payload is not kept: a message is known by its first bytes, and the rest of it passes, or does not. An extension whose length
is unknown cannot be walked over; then all that follows passes unseen, unless there is a policy to keep.
"""

from typing import Final

from yunzhuo.gateway.protocol.errors import ScreenError
from yunzhuo.gateway.protocol.policy import NoteInput, Policy

_CLIENT_INIT: Final = -1
_SET_ENCODINGS: Final = 2
_KEY: Final = 4
_POINTER: Final = 5
_CUT_TEXT: Final = 6
_FENCE: Final = 248
_POWER: Final = 250  # xvp: shut down, reboot, reset
_DESKTOP_SIZE: Final = 251
_GENERAL_INPUT: Final = 253
_QEMU: Final = 255
_QEMU_KEY: Final = 0
_QEMU_AUDIO: Final = 1
_QEMU_AUDIO_FORMAT: Final = 2
_FIXED: Final = {_CLIENT_INIT: 1, 0: 20, 3: 10, _KEY: 8, _POINTER: 6, 150: 10, _POWER: 4}
# How many bytes of the others tell their length.
_TELLING: Final = {_SET_ENCODINGS: 4, _CUT_TEXT: 8, _FENCE: 9, _DESKTOP_SIZE: 8, _GENERAL_INPUT: 4, _QEMU: 4}
_EXTENDED_CLIPBOARD: Final = (0xC0A1E5CE).to_bytes(4, "big")
_MAX_ENCODINGS: Final = 256
_ENCODING_BYTES: Final = 4
_INPUT: Final = frozenset({_KEY, _POINTER})
_CHANGES: Final = frozenset({_KEY, _POINTER, _CUT_TEXT, _POWER, _DESKTOP_SIZE, _GENERAL_INPUT})


class ViewerMessages:
    """The viewer's side of one VNC session, from ClientInit on."""

    __slots__ = ("_blind", "_dropped", "_gathers", "_held", "_kind", "_left", "_note_input", "_strips")

    def __init__(self, policy: Policy, note_input: NoteInput) -> None:
        self._dropped = _CHANGES if policy.view_only else frozenset() if policy.clipboard_to_desktop else frozenset({_CUT_TEXT})
        self._strips = not policy.clipboard_from_desktop
        self._note_input = note_input
        self._held = b""
        self._left = 0
        self._kind = _CLIENT_INIT
        self._gathers = False
        self._blind = False

    def receive(self, data: bytes) -> bytes:
        """What of ``data`` goes on to the screen. Raises ScreenError for what a policy cannot let pass unseen."""
        if self._blind:
            return data
        if self._held:
            data, self._held = self._held + data, b""
        position, end = 0, len(data)
        kept: list[bytes] = []
        kept_until = 0
        while position < end:
            if not self._left and not self._begin(data, position):
                # Too little to know what it is, or all of a message that has to be changed: it waits.
                self._held = data[position:]
                kept.append(data[kept_until:position])
                return b"".join(kept)
            taken = min(self._left, end - position)
            if self._gathers:
                kept += (data[kept_until:position], _without_clipboard(data[position : position + taken]))
                kept_until = position + taken
            elif self._kind in self._dropped:
                kept.append(data[kept_until:position])
                kept_until = position + taken
            self._left -= taken
            position += taken
        if not kept_until:
            return data
        kept.append(data[kept_until:])
        return b"".join(kept)

    def _begin(self, data: bytes, position: int) -> bool:
        """Whether the message at ``position`` can be walked over; sets how long it is."""
        kind = data[position] if self._kind != _CLIENT_INIT or self._left else _CLIENT_INIT
        if kind == _CLIENT_INIT:
            self._kind, self._left = _CLIENT_INIT, 1
            # What follows is an ordinary message.
            self._kind = 0
            return True
        size = _FIXED.get(kind)
        if size is None:
            size = self._size_of(kind, data, position)
            if size < 0:
                return False
            if size == 0:
                self._kind, self._gathers = kind, False
                self._left = len(data) - position  # all that is there passes, and from then on everything
                return True
        self._gathers = kind == _SET_ENCODINGS and self._strips
        if self._gathers:
            if size > _ENCODING_BYTES * (_MAX_ENCODINGS + 1):
                raise ScreenError("rfb_message_size", "a viewer names more encodings than there are")
            if len(data) - position < size:
                return False
        self._left = size
        self._kind = _KEY if kind == _QEMU and data[position + 1] == _QEMU_KEY else kind
        if self._kind in _INPUT:
            self._note_input()
        return True

    def _size_of(self, kind: int, data: bytes, position: int) -> int:
        """The length of a message that tells it; -1: not yet; 0: nobody knows, and nothing is looked at any more."""
        telling = _TELLING.get(kind)
        if telling is not None:
            head = data[position : position + telling]
            if len(head) < telling:
                return -1
            match kind:
                case 2:
                    return _ENCODING_BYTES + _ENCODING_BYTES * int.from_bytes(head[2:4], "big")
                case 6:
                    # A negative length is the extended clipboard's.
                    return 8 + abs(int.from_bytes(head[4:8], "big", signed=True))
                case 248:
                    return 9 + head[8]
                case 251:
                    return 8 + 16 * head[6]
                case 253:
                    return 4 + int.from_bytes(head[2:4], "little" if not head[1] & 0x80 else "big")
                case _ if head[1] == _QEMU_KEY:
                    return 12
                case _ if head[1] == _QEMU_AUDIO:
                    return 10 if int.from_bytes(head[2:4], "big") == _QEMU_AUDIO_FORMAT else 4
        if self._dropped or self._strips:
            raise ScreenError("rfb_message_unknown", "the viewer says what this session's policy cannot let pass unseen")
        self._blind = True
        return 0


def _without_clipboard(message: bytes) -> bytes:
    """SetEncodings without the extended clipboard (a pseudo-encoding of the RFB community's)."""
    encodings = [message[place : place + 4] for place in range(4, len(message), 4)]
    left = [encoding for encoding in encodings if encoding != _EXTENDED_CLIPBOARD]
    return message[:2] + len(left).to_bytes(2, "big") + b"".join(left)
