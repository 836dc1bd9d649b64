"""One process under the supervisor: started again and again, each time in a session of its own."""

import contextlib
import os
import subprocess  # nosec B404 # lists of arguments, never a shell
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, cast

from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.scheduler import platform
from yunzhuo.scheduler.console import Console
from yunzhuo.scheduler.relay import LogFile, relay

log = get_logger()

FAST_RESTARTS = 10
LONG_LIFE_SECONDS = 60.0
_FIRST_DELAY_SECONDS = 0.1
_LONGEST_FAST_DELAY_SECONDS = 1.0
_LONGEST_DELAY_SECONDS = 30.0


def restart_delay_seconds(deaths: int) -> float:
    """How long to wait after the ``deaths``-th death in a row (1 or more): at most 1 s for the first ten, then up to 30 s."""
    if deaths <= FAST_RESTARTS:
        return min(_FIRST_DELAY_SECONDS * 2.0 ** (deaths - 1), _LONGEST_FAST_DELAY_SECONDS)
    return min(_LONGEST_FAST_DELAY_SECONDS * 2.0 ** min(deaths - FAST_RESTARTS, 10), _LONGEST_DELAY_SECONDS)


@dataclass(frozen=True)
class Process:
    """What is to run, in which environment (None: the supervisor's own)."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] | None = None


class Supervised:
    """A process's present incarnation, and how often it has died. To be used by the supervisor's thread only.

    ``on_end(name, pid, exit_code)`` is called from another thread when an incarnation has ended (exit codes as Popen's:
    negative for a signal).
    """

    def __init__(
        self,
        process: Process,
        log_file: LogFile,
        console: Console,
        on_end: Callable[[str, int, int], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.process = process
        self.log_file = log_file
        self.deaths_in_a_row = 0
        self.restarts = 0
        self.due: float | None = None
        self._console = console
        self._on_end = on_end
        self._now = now
        self._child: subprocess.Popen[bytes] | None = None
        self._relay: threading.Thread | None = None
        self._started = 0.0

    @property
    def name(self) -> str:
        return self.process.name

    @property
    def pid(self) -> int | None:
        """The running incarnation's pid, or None."""
        return self._child.pid if self._child else None

    @property
    def is_ailing(self) -> bool:
        """Whether it dies again and again: more often than bad luck explains, and it has not lived long since."""
        lives_long = self._child is not None and self._now() - self._started >= LONG_LIFE_SECONDS
        return self.deaths_in_a_row > FAST_RESTARTS and not lives_long

    def start(self) -> None:
        """Start it now. A program that cannot even be started counts as one that has died."""
        self.due = None
        self._started = self._now()
        try:
            child = subprocess.Popen(  # nosec B603 # our own processes
                self.process.command,
                # Never written to: its end tells the child that we are gone (phoenix.common.lifeline).
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**(os.environ if self.process.environment is None else self.process.environment), "PYTHONUNBUFFERED": "1"},
                **platform.popen_options(),
            )
        except OSError as error:
            self.log_file.write(f"cannot start {self.process.command[0]}: {error.strerror}")
            self.died(None)
            return
        self._child = child
        log.info("process_started", name=self.name, pid=child.pid)
        output = cast("IO[bytes]", child.stdout)  # as we asked for a pipe
        self._relay = relay(self.name, output, self.log_file, self._console)
        threading.Thread(target=self._await_end, args=(child,), name=f"wait-{self.name}", daemon=True).start()

    def died(self, exit_code: int | None) -> float:
        """Note the death of the present incarnation and when the next one is due; answers the delay in seconds."""
        self.ended()
        if self._now() - self._started >= LONG_LIFE_SECONDS:
            self.deaths_in_a_row = 0
        self.deaths_in_a_row += 1
        self.restarts += 1
        delay = restart_delay_seconds(self.deaths_in_a_row)
        self.due = self._now() + delay
        log.warning("process_died", name=self.name, exit_code=exit_code, restart_in_seconds=delay)
        return delay

    def ended(self) -> None:
        """Forget the present incarnation, which has ended."""
        if self._child and self._child.stdin:
            with contextlib.suppress(OSError):
                self._child.stdin.close()
        self._child = None

    def ask_to_stop(self) -> None:
        """Tell it to drain and exit."""
        if self._child:
            platform.ask_to_stop(self._child)

    def kill(self) -> None:
        """End it hard: the process alone, never its group, because desktops must live on."""
        if self._child:
            with contextlib.suppress(ProcessLookupError):
                self._child.kill()

    def close(self, timeout_seconds: float) -> None:
        """Close the log when its last line has come; what still holds our end of the pipe after that time is not ours."""
        if self._relay:
            self._relay.join(timeout_seconds)
        self.log_file.close()

    def _await_end(self, child: "subprocess.Popen[bytes]") -> None:
        exit_code = child.wait()
        self._on_end(self.name, child.pid, exit_code)
