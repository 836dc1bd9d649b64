"""Much at once from one socket to another without a copy in between: splice(2), through one pipe for all connections."""

import contextlib
import fcntl
import os
from typing import Final

# Larger pieces cost less; what a viewer does not take of one has to be kept for it.
PIECE_BYTES: Final = 384 * 1024
_ROOM_BYTES: Final = 1024 * 1024  # a pipe has room for so many pages, and few of a socket's are full
# What is left is kept in pieces of memory that has been used before: each page of a larger piece would be a new one.
_KEPT_BYTES: Final = 64 * 1024
_FLAGS: Final = os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE


class Pipe:
    """Between two calls of :meth:`take` it has to be emptied: it is everybody's."""

    __slots__ = ("_in", "_out")

    def __init__(self) -> None:
        self._out, self._in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # somebody has set a lower limit for pipes: then pieces are smaller
            fcntl.fcntl(self._in, fcntl.F_SETPIPE_SZ, _ROOM_BYTES)

    def take(self, source: int) -> int:
        """Takes what the socket ``source`` has now, up to :data:`PIECE_BYTES`; answers how much. 0: nothing now, or its reader
        will find out in its own way."""
        try:
            return os.splice(source, self._in, PIECE_BYTES, flags=_FLAGS)
        except OSError:
            return 0

    def give(self, sink: int, size: int) -> list[bytes]:
        """Gives ``size`` bytes that were taken to the socket ``sink``; answers what it did not take. With a ``sink`` below 0
        that is all."""
        try:
            while size and sink >= 0:
                size -= os.splice(self._out, sink, size, flags=_FLAGS)
        except OSError:
            pass  # it takes no more now, or its transport finds out in its own way, with what is left
        left = []
        while size:
            left.append(os.read(self._out, min(size, _KEPT_BYTES)))
            size -= len(left[-1])
        return left

    def close(self) -> None:
        os.close(self._in)
        os.close(self._out)
