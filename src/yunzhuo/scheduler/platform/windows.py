"""The supervisor's Windows side."""

import signal
import subprocess  # nosec B404 # lists of arguments, never a shell
import sys
from collections.abc import Collection
from typing import Any

assert sys.platform == "win32"  # nosec B101 # tells the type checker, too, that the rest is for Windows only

# They stand on QEMU, and on splice(2) and SO_REUSEPORT.
NOT_HERE = frozenset({"host", "gateway"})
# Ctrl-C and Ctrl-Break in a console.
ENDING_SIGNALS = (signal.SIGINT, signal.SIGBREAK)


def popen_options() -> dict[str, Any]:
    """A process group of its own: Ctrl-C does not reach it."""
    return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}


def ask_to_stop(child: "subprocess.Popen[bytes]") -> None:
    """End its standard input: Windows has no SIGTERM, and the lifeline watches this anyway. (CTRL_BREAK reaches only processes
    of one's own console, and a service has none.)"""
    if child.stdin:
        child.stdin.close()


def adopt_orphans() -> None:
    """Nothing to do: Windows processes have no parent that has to reap them."""


def reap_orphans(own: Collection[int]) -> None:
    """Nothing to do: an ended process disappears with its last handle."""
