"""Where the output of supervised processes goes: all of it to a log file each, warnings and worse to the console too (all of
it where that is a journal)."""

import logging
import re
import threading
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

from yunzhuo.scheduler.console import Console, Level

LOG_FILE_BYTES = 10 * 1024 * 1024
OLD_LOG_FILES = 3
_LONGEST_LINE_BYTES = 16 * 1024
_CONSOLE_LINES_PER_SECOND = 20

# The two styles of phoenix.common.logging: "2026-01-31T08:00:00Z [warning  ] event" and {"level": "warning", ...}.
_EVENT = re.compile(r"^(?:\d{4}-\d\d-\d\dT\S+ \[(?P<console>\w+)\s*\]|\{.*\"level\": \"(?P<json>\w+)\")")
_LEVELS = {"debug": Level.DEBUG, "warning": Level.WARNING, "error": Level.ERROR, "critical": Level.ERROR}
# What a process says when it fails before, or below, its logging.
_UNLOGGED_FAILURE = re.compile(r"^(?:Traceback \(most recent call last\)|Fatal Python error|error: |Error: )")
# The way to a failure is for the log; the line that names it is for the console.
_DETAIL = re.compile(r"^(?:\s|Traceback |During handling of the above |The above exception was |$)")


class LogFile:
    """One process's log: at most ``OLD_LOG_FILES`` + 1 files of ``LOG_FILE_BYTES``, whatever the process writes."""

    def __init__(self, path: Path, max_bytes: int = LOG_FILE_BYTES) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._handler = RotatingFileHandler(path, maxBytes=max_bytes, backupCount=OLD_LOG_FILES, encoding="utf-8")
        # A full disk must not stop the relay: a child whose pipe nobody empties stands still.
        self._handler.handleError = lambda record: None  # type: ignore[method-assign]  # the documented hook, as an attribute
        self._writing = threading.Lock()
        self._closed = False

    def write(self, line: str) -> None:
        """Append one line; nothing after :meth:`close`."""
        with self._writing:
            if not self._closed:
                self._handler.emit(logging.makeLogRecord({"msg": line}))

    def last_lines(self, n: int) -> list[str]:
        """The newest ``n`` lines."""
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").splitlines()[-n:]
        except OSError:
            return []

    def close(self) -> None:
        with self._writing:
            self._closed = True
            self._handler.close()


class ConsoleFilter:
    """Knows, line by line, how serious one process's output is, and what of it a person at the console should see."""

    def __init__(self, lines_per_second: int = _CONSOLE_LINES_PER_SECOND) -> None:
        self._lines_per_second = lines_per_second
        self._level = Level.INFO
        self._second = 0
        self._shown = 0

    def level(self, line: str) -> Level:
        """What ``line`` says of itself; what follows an event is as serious as that."""
        event = _EVENT.match(line)
        if event:
            self._level = _LEVELS.get(event["console"] or event["json"], Level.INFO)
        elif _UNLOGGED_FAILURE.match(line):
            self._level = Level.ERROR
        return self._level

    def wants(self, line: str, now: float) -> bool:
        """Whether to show ``line``, said at ``now`` (seconds): warnings and worse, what a traceback ends with, not too many."""
        return self.level(line) <= Level.WARNING and not _DETAIL.match(line) and self._within_pace(int(now))

    def _within_pace(self, second: int) -> bool:
        if second != self._second:
            self._second, self._shown = second, 0
        self._shown += 1
        return self._shown <= self._lines_per_second


def relay(name: str, output: IO[bytes], log_file: LogFile, console: Console) -> threading.Thread:
    """Read ``output`` to its end in a thread of its own."""

    def run() -> None:
        wanted = ConsoleFilter()
        with output:
            while raw := output.readline(_LONGEST_LINE_BYTES):
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                log_file.write(line)
                if console.takes_all or wanted.wants(line, time.monotonic()):
                    console.write(wanted.level(line), f"[{name}] {line}")

    thread = threading.Thread(target=run, name=f"relay-{name}", daemon=True)
    thread.start()
    return thread
