"""How a process learns that it is to end: a signal, or, when supervised, the end of its standard input.

The supervisor holds the other end of a supervised process's standard input and never writes to it. When the supervisor
dies, however suddenly, the operating system closes that end: the one message that cannot get lost.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from enum import StrEnum
from types import FrameType

_ABANDONED_EXIT_CODE = 70  # EX_SOFTWARE: did not drain in time with nobody left to kill it


class End(StrEnum):
    """Why a process ends."""

    SIGNAL = "signal"
    SUPERVISOR_GONE = "supervisor_gone"


def watch(on_end: Callable[[End], None], *, supervised: bool, grace_seconds: float = 12.0) -> None:
    """Call ``on_end`` once, from a thread of its own, when this process is to drain and exit. Call from the main thread.

    ``on_end`` must only set things off (set an event, call ``loop.call_soon_threadsafe``). SIGTERM counts, and SIGINT where
    no supervisor stands between us and the terminal. Supervised, the end of standard input counts too; a process that is
    still there ``grace_seconds`` after that is ended hard, as nobody else would.
    """
    _Lifeline(on_end, grace_seconds).start(supervised=supervised)


class _Lifeline:
    def __init__(self, on_end: Callable[[End], None], grace_seconds: float) -> None:
        self._on_end = on_end
        self._grace_seconds = grace_seconds
        self._told = False
        self._telling = threading.Lock()
        self._wake_reader, self._wake_writer = os.pipe()

    def start(self, *, supervised: bool) -> None:
        signal.signal(signal.SIGTERM, self._wake)
        signal.signal(signal.SIGINT, signal.SIG_IGN if supervised else self._wake)
        threading.Thread(target=self._await_signal, name="lifeline-signal", daemon=True).start()
        if supervised:
            threading.Thread(target=self._await_stdin, name="lifeline-stdin", daemon=True).start()

    def _wake(self, _signal: int, _frame: FrameType | None) -> None:
        # Only a write: what on_end needs (an Event's lock, say) may be held by the very code this handler interrupts.
        os.write(self._wake_writer, b"x")

    def _await_signal(self) -> None:
        os.read(self._wake_reader, 1)
        self._tell(End.SIGNAL)

    def _await_stdin(self) -> None:
        descriptor = sys.__stdin__.fileno() if sys.__stdin__ else 0
        try:
            while os.read(descriptor, 4096):
                pass
        except OSError:
            pass  # a standard input that cannot be read has ended, too
        last_resort = threading.Timer(self._grace_seconds, os._exit, (_ABANDONED_EXIT_CODE,))
        last_resort.daemon = True
        last_resort.start()
        self._tell(End.SUPERVISOR_GONE)

    def _tell(self, why: End) -> None:
        with self._telling:
            if self._told:
                return
            self._told = True
        self._on_end(why)
