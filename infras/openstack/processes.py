"""The cloud's processes: started in sessions of their own, known by process id and start time, never by name."""

import os
import signal
import socket
import subprocess  # nosec B404 # lists of arguments, never a shell
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from infras.openstack.layout import ADDRESS, Layout

_STOP_SECONDS = 15
_STARTED_AT = time.monotonic()


class CloudFailed(Exception):
    """The cloud cannot be brought up; the message is one line with where to look."""


def say(text: str) -> None:
    """One line for the person who waits."""
    sys.stderr.write(f"test cloud: [{time.monotonic() - _STARTED_AT:5.1f} s] {text}\n")
    sys.stderr.flush()


def listens(port: int) -> bool:
    """Whether something accepts connections at a port of the loopback."""
    with socket.socket() as probe:
        return probe.connect_ex((ADDRESS, port)) == 0


class Processes:
    """Each has a name, a file with its id in ``run`` and its output in ``log``."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.started: list[str] = []

    def known(self) -> list[str]:
        """The names of those that were started and not stopped."""
        return sorted(path.stem for path in self._layout.run.glob("*.pid"))

    def is_alive(self, name: str) -> bool:
        """Whether the process that was started under that name still is that process."""
        found = self._read(name)
        return found is not None and _start_time(found[0]) == found[1]

    def pid(self, name: str) -> int:
        """Of one that runs."""
        found = self._read(name)
        if found is None or not self.is_alive(name):
            raise CloudFailed(f"{name} has ended; its last words are in {self._layout.log / name}.log")
        return found[0]

    def start(self, name: str, command: Sequence[object], environment: Mapping[str, str] | None = None) -> None:
        """Start it unless it runs."""
        if self.is_alive(name):
            return
        with (self._layout.log / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(  # nosec B603 # programs of the test cloud
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**self._layout.environment(), **(environment or {})},
                cwd=self._layout.state,
            )
        # It outlives us; subprocess would complain that nobody waited for it.
        process.returncode = 0
        self._pid_file(name).write_text(f"{process.pid} {_start_time(process.pid)}", encoding="ascii")
        self.started.append(name)

    def wait_for(self, what: str, seconds: float, is_so: Callable[[], bool]) -> None:
        """Raises CloudFailed when it does not come true in time, or one of those started has died."""
        deadline = time.monotonic() + seconds
        while not is_so():
            for name in self.started:
                if not self.is_alive(name):
                    raise CloudFailed(f"{name} has ended; its last words are in {self._layout.log / name}.log")
            if time.monotonic() > deadline:
                raise CloudFailed(f"{what}: not within {seconds:.0f} s; the logs are in {self._layout.log}")
            time.sleep(0.2)

    def stop(self, names: Sequence[str], *, whole_session: bool = True) -> None:
        """End them side by side: politely, and after a while not."""
        alive = [name for name in names if self.is_alive(name)]
        for name in alive:
            self._signal(name, signal.SIGTERM, whole_session=whole_session)
        deadline = time.monotonic() + _STOP_SECONDS
        while any(map(self.is_alive, alive)) and time.monotonic() < deadline:
            time.sleep(0.1)
        for name in alive:
            if self.is_alive(name):
                say(f"{name} does not end; killed")
                self._signal(name, signal.SIGKILL, whole_session=True)
        for name in names:
            self._pid_file(name).unlink(missing_ok=True)

    def disturb(self, name: str, number: signal.Signals) -> None:
        """As an operator would; for the tests of bad days."""
        self._signal(name, number, whole_session=True)

    def _signal(self, name: str, number: signal.Signals, *, whole_session: bool) -> None:
        found = self._read(name)
        if found is None or not self.is_alive(name):
            return
        with suppress(ProcessLookupError):
            (os.killpg if whole_session else os.kill)(found[0], number)

    def _pid_file(self, name: str) -> Path:
        return self._layout.run / f"{name}.pid"

    def _read(self, name: str) -> tuple[int, str] | None:
        try:
            pid, started = self._pid_file(name).read_text(encoding="ascii").split()
        except (OSError, ValueError):
            return None
        return int(pid), started


def run(what: str, command: Sequence[object], layout: Layout, *, stdin: str = "", more: Mapping[str, str] | None = None) -> str:
    """Run a program to its end and answer what it printed. Raises CloudFailed with its last words."""
    done = subprocess.run(  # nosec B603 # programs of the test cloud
        [str(part) for part in command],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env={**layout.environment(), **(more or {})},
        cwd=layout.state,
    )
    if done.returncode != 0:
        words = "\n".join((done.stderr or done.stdout).splitlines()[-12:])
        raise CloudFailed(f"{what} ended with exit code {done.returncode}:\n{words}")
    return done.stdout


def succeeds(command: Sequence[object], layout: Layout) -> bool:
    """Whether a program ends well."""
    words = [str(part) for part in command]
    return subprocess.run(words, capture_output=True, check=False, env=layout.environment()).returncode == 0  # nosec B603 # programs of the test cloud


def _start_time(pid: int) -> str:
    """Ticks since boot at which a process began (proc(5), field 22); empty when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
