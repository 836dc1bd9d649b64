"""How this process takes memory from the system."""

import contextlib
import ctypes
import gc
from typing import Final

_M_MMAP_THRESHOLD: Final = -3  # malloc.h
_THRESHOLD_BYTES: Final = 128 * 1024


def give_back_large_pieces() -> None:
    """Let what is larger than 128 KiB always be a mapping of its own.

    It begins so, but glibc raises the limit to the largest piece that was ever given back (mallopt(3)); then the 256 KiB that
    uvloop takes for each TLS connection, of which it uses little, come from a heap whose pages have been used: 20 KiB more for
    each idle connection. Another C library does without this.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _THRESHOLD_BYTES)


def leave_alone_what_stays() -> None:
    """Modules, classes and settings live as long as the process: the collector of garbage need not go through them each time
    that sessions, whose two sides know each other, have ended."""
    gc.collect()
    gc.freeze()
