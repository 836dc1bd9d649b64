"""What a service manager is told by the process that it started: sd_notify(3), on a datagram socket that it names."""

import contextlib
import os
import socket
import sys
import time
from collections.abc import Mapping

# Meant for the process that the service manager started, and for none of that one's children.
VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM")
_BEATS_A_WATCH = 4


class Notifier:
    """Tells the service manager behind ``address`` how we are; says nothing where that is None.

    ``watchdog_seconds``: it gives us up when it has not heard :meth:`beat` for so long; None: it does not watch.
    """

    def __init__(self, address: str | None, watchdog_seconds: float | None = None) -> None:
        self._address = address
        self._beat_seconds = None if watchdog_seconds is None else watchdog_seconds / _BEATS_A_WATCH
        self._next_beat = 0.0

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Notifier":
        """By the variables that a service manager sets: what was meant for another process does not count."""
        watched = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = environment.get("WATCHDOG_USEC", "")
        seconds = int(microseconds) / 1_000_000 if watched and microseconds.isdecimal() and int(microseconds) > 0 else None
        return cls(environment.get("NOTIFY_SOCKET") or None, seconds)

    def ready(self, status: str) -> None:
        """Whoever waits for the start need not wait any longer."""
        self._send("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """One line for whoever asks how the service is."""
        self._send(f"STATUS={status}")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1", "STATUS=stopping")

    def beat(self) -> None:
        """All is well. May be called as often as one likes."""
        now = time.monotonic()
        if self._beat_seconds is not None and now >= self._next_beat:
            self._next_beat = now + self._beat_seconds
            self._send("WATCHDOG=1")

    def _send(self, *assignments: str) -> None:
        if sys.platform != "win32" and self._address is not None:
            # Names in the abstract namespace begin with a zero byte, which is written as @ (systemd's manual, sd_notify(3)).
            address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
            # A service manager that went away is no reason to stop: it says itself what it misses.
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.settimeout(1.0)
                line.sendto("\n".join(assignment.replace("\n", " ") for assignment in assignments).encode(), address)
