"""What passes on a SPICE channel after its link, message by message ("Spice protocol", sections 3 and 8; spice-protocol's
enums.h and vd_agent.h), as far as a policy, or the time of a person's last input, asks for it.

Only two channels are looked at: inputs (keys and mouse) and main (what the agent in the desktop is told and tells: clipboard
and files). What a policy forbids there is not left out but made into a message of no kind and no content: the two sides count
each other's messages, and would wait for the answer to one that never came.
"""

import struct
from typing import Final

from yunzhuo.gateway.protocol.errors import ScreenError
from yunzhuo.gateway.protocol.policy import Messages, NoteInput, Policy

MAIN: Final = 1
INPUTS: Final = 3
USB: Final = 9
FOLDERS: Final = 11  # WebDAV
CHANNELS: Final = {
    1: "main",
    2: "display",
    3: "inputs",
    4: "cursor",
    5: "playback",
    6: "record",
    8: "smartcard",
    9: "usbredir",
    10: "port",
    11: "webdav",
}

MINI_HEADER: Final = struct.Struct("<HI")  # type, size
FULL_HEADER: Final = struct.Struct("<QHII")  # serial, type, size, sub-messages
_AGENT_HEADER: Final = struct.Struct("<IIQI")  # VDAgentMessage: protocol, type, opaque, size
_TO_AGENT: Final = 107  # SPICE_MSGC_MAIN_AGENT_DATA
_FROM_AGENT: Final = 109  # SPICE_MSG_MAIN_AGENT_DATA
_AGENT_MAX_BYTES: Final = 65536  # VD_AGENT_MAX_DATA_SIZE is 2048
_PERSONS: Final = frozenset({101, 102, 103, 104, 111, 112, 113, 114})  # SPICE_MSGC_INPUTS_KEY_*, _MOUSE_*
_CLIPBOARD: Final = frozenset({4, 7, 9})  # VD_AGENT_CLIPBOARD, _GRAB, _RELEASE
_CLIPBOARD_REQUEST: Final = 8
_FILE_TRANSFER: Final = frozenset({10, 11, 12})  # VD_AGENT_FILE_XFER_*
_OF_NO_KIND: Final = 0


def is_allowed(channel: int, policy: Policy) -> bool:
    """Whether a viewer may open a channel of this type at all."""
    return not (channel == USB and not policy.usb) and not (channel == FOLDERS and not policy.file_transfer)


def viewer_messages(channel: int, *, is_mini: bool, policy: Policy, note_input: NoteInput) -> Messages | None:
    """The viewer's side of a channel; None: nothing has to be looked at."""
    if channel == INPUTS:
        return InputMessages(is_mini=is_mini, is_dropped=policy.view_only, note_input=note_input)
    if channel == MAIN and policy.watches_agent:
        forbidden = frozenset[int]()
        if policy.view_only or not policy.clipboard_to_desktop:
            forbidden |= _CLIPBOARD
        if not policy.clipboard_from_desktop:
            forbidden |= {_CLIPBOARD_REQUEST}
        if policy.view_only or not policy.file_transfer:
            forbidden |= _FILE_TRANSFER
        return AgentMessages(is_mini=is_mini, carrier=_TO_AGENT, forbidden=forbidden)
    return None


def screen_messages(channel: int, *, is_mini: bool, policy: Policy) -> Messages | None:
    """The server's side of a channel; None: nothing has to be looked at."""
    if channel == MAIN and not policy.clipboard_from_desktop:
        return AgentMessages(is_mini=is_mini, carrier=_FROM_AGENT, forbidden=_CLIPBOARD)
    return None


class _Walk:
    """Where one is in a stream of messages."""

    __slots__ = ("_held", "_left", "_struct", "_type_at")

    def __init__(self, *, is_mini: bool) -> None:
        self._struct = MINI_HEADER if is_mini else FULL_HEADER
        self._type_at = 0 if is_mini else 1
        self._held = b""
        self._left = 0

    def _head(self, data: bytes, position: int) -> tuple[int, int] | None:
        """Type and whole length of the message at ``position``; None: not enough of it is there."""
        if len(data) - position < self._struct.size:
            return None
        fields = self._struct.unpack_from(data, position)
        return fields[self._type_at], self._struct.size + fields[self._type_at + 1]


class InputMessages(_Walk):
    """Notes what a person does; in a session that is to be looked at only, leaves it out."""

    __slots__ = ("_is_dropped", "_note_input", "_passes")

    def __init__(self, *, is_mini: bool, is_dropped: bool, note_input: NoteInput) -> None:
        super().__init__(is_mini=is_mini)
        self._is_dropped = is_dropped
        self._note_input = note_input
        self._passes = True

    def receive(self, data: bytes) -> bytes:
        if self._held:
            data, self._held = self._held + data, b""
        kept: list[bytes] = []
        position, end = 0, len(data)
        while position < end:
            if not self._left:
                head = self._head(data, position)
                if head is None:
                    self._held = data[position:]
                    break
                kind, self._left = head
                self._passes = not (self._is_dropped and kind in _PERSONS)
                if kind in _PERSONS:
                    self._note_input()
            taken = min(self._left, end - position)
            if self._passes:
                kept.append(data[position : position + taken])
            self._left -= taken
            position += taken
        return b"".join(kept)


class AgentMessages(_Walk):
    """Empties what the agent must not be told, or must not tell. Messages to and from it are kept until they are whole."""

    __slots__ = ("_agent_left", "_carrier", "_empties", "_forbidden")

    def __init__(self, *, is_mini: bool, carrier: int, forbidden: frozenset[int]) -> None:
        super().__init__(is_mini=is_mini)
        self._carrier = carrier
        self._forbidden = forbidden
        self._agent_left = 0
        self._empties = False

    def receive(self, data: bytes) -> bytes:
        if self._held:
            data, self._held = self._held + data, b""
        kept: list[bytes] = []
        position, end = 0, len(data)
        while position < end:
            if not self._left:
                head = self._head(data, position)
                if head is None:
                    self._held = data[position:]
                    break
                kind, size = head
                if kind == self._carrier:
                    if size > _AGENT_MAX_BYTES:
                        raise _strange()
                    if end - position < size:
                        self._held = data[position:]
                        break
                    kept.append(self._looked_at(data[position : position + size]))
                    position += size
                    continue
                self._left = size
            taken = min(self._left, end - position)
            kept.append(data[position : position + taken])
            self._left -= taken
            position += taken
        return b"".join(kept)

    def _looked_at(self, message: bytes) -> bytes:
        """A whole message that carries a part of the agent's own stream."""
        changed = bytearray(message)
        position = self._struct.size
        while position < len(changed):
            if not self._agent_left:
                if len(changed) - position < _AGENT_HEADER.size:
                    # No agent or viewer begins a message at the end of another's carrier; one that does could hide its kind.
                    raise _strange()
                protocol, kind, opaque, self._agent_left = _AGENT_HEADER.unpack_from(changed, position)
                self._empties = kind in self._forbidden
                if self._empties:
                    _AGENT_HEADER.pack_into(changed, position, protocol, _OF_NO_KIND, opaque, self._agent_left)
                position += _AGENT_HEADER.size
            taken = min(self._agent_left, len(changed) - position)
            if self._empties:
                changed[position : position + taken] = bytes(taken)
            self._agent_left -= taken
            position += taken
        return bytes(changed)


def _strange() -> ScreenError:
    return ScreenError("spice_agent_strange", "the agent's messages are not as a session's policy can let them pass")
