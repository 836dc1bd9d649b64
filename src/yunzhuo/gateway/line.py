"""How good the line to a viewer is, as the kernel knows it: nothing has to be sent to find out."""

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import Final

# struct tcp_info of linux/tcp.h: eight bytes, then words; the 16th is tcpi_rtt (microseconds), the 24th tcpi_total_retrans.
_TCP_INFO_BYTES: Final = 104
_WORDS: Final = struct.Struct("=8x24I")
_ROUND_TRIP: Final = 15
_RETRANSMITTED: Final = 23


@dataclass(frozen=True, slots=True)
class Line:
    """The way there and back in milliseconds, None where it is not known; and how many packets had to be sent again."""

    round_trip_ms: float | None
    drops: int


def look(transport: asyncio.Transport) -> Line:
    """The line that a connection runs over. Behind a proxy it is the line to the proxy."""
    try:
        told = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    except (OSError, AttributeError):
        return Line(None, 0)
    if len(told) < _TCP_INFO_BYTES:
        return Line(None, 0)
    words = _WORDS.unpack(told)
    return Line(words[_ROUND_TRIP] / 1000, words[_RETRANSMITTED])
