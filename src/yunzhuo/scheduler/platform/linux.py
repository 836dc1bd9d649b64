"""The supervisor's Linux side."""

import contextlib
import ctypes
import os
import signal
import subprocess  # nosec B404 # lists of arguments, never a shell
import sys
from collections.abc import Collection
from typing import Any

assert sys.platform != "win32"  # nosec B101 # tells the type checker, too, that the rest is not for Windows

NOT_HERE: frozenset[str] = frozenset()
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def popen_options() -> dict[str, Any]:
    """A session of its own: signals of the terminal do not reach it."""
    return {"start_new_session": True}


def ask_to_stop(child: "subprocess.Popen[bytes]") -> None:
    """SIGTERM; a child that has just ended is no error."""
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGTERM)


def adopt_orphans() -> None:
    """Become the child subreaper, so that orphans come to us and not to a process 1 that may never reap them."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans(own: Collection[int]) -> None:
    """Reap every ended orphan that comes before an ended child of ``own`` (that one's own thread is about to reap it)."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid in own:
            return
        with contextlib.suppress(ChildProcessError):
            os.waitpid(ended.si_pid, os.WNOHANG)
