"""Keeps Yunzhuo's processes running: starts them, starts again what dies, drains them in order when told to stop.

Portable: threads and child processes only; what differs between systems is in :mod:`yunzhuo.scheduler.platform`. One
thread (:meth:`Supervisor.run`) decides everything; all others, and signal handlers, only put events in its queue.
"""

import contextlib
import json
import os
import queue
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.scheduler import platform
from yunzhuo.scheduler.console import Console, Level
from yunzhuo.scheduler.relay import LogFile
from yunzhuo.scheduler.supervised import Process, Supervised

log = get_logger()

# One Ctrl-C may arrive twice (from the terminal and through make): a second wish is one that comes later than this.
_SAME_WISH_SECONDS = 1.0
_ORPHANS_SECONDS = 1.0
_LAST_LINES_SECONDS = 0.2


@dataclass(frozen=True)
class Patience:
    """How long a stop may take: each process starts to drain when those before it have ended, or after ``stagger_seconds``,
    and is killed ``kill_after_seconds`` later. Six processes: 5 x 1.2 + 12 = 18 s at the very most.
    """

    stagger_seconds: float = 1.2
    kill_after_seconds: float = 12.0


@dataclass(frozen=True)
class _Ended:
    name: str
    pid: int
    exit_code: int


@dataclass(frozen=True)
class _StopWanted:
    at: float


class Supervisor:
    """Runs ``processes``, started in this order and stopped in the opposite one.

    ``console`` gets lines worth a person's attention; ``on_drain`` is called once, when the stop begins; ``on_turn`` at least
    every second until then, with the names of those that die again and again. ``state_file`` says as JSON who runs:
    ``{"supervisor": pid, "processes": {name: {"pid": pid or null, "restarts": n}}}``.
    """

    def __init__(
        self,
        processes: Sequence[Process],
        *,
        log_dir: Path,
        state_file: Path,
        console: Console,
        on_drain: Callable[[], None] = lambda: None,
        on_turn: Callable[[Sequence[str]], None] = lambda ailing: None,
        patience: Patience = Patience(),
    ) -> None:
        # SimpleQueue.put may be called from a signal handler; Queue.put may not.
        self._events: queue.SimpleQueue[_Ended | _StopWanted] = queue.SimpleQueue()
        self._state_file = state_file
        self._console = console
        self._on_drain = on_drain
        self._on_turn = on_turn
        self._patience = patience
        self._stop_wanted_at: float | None = None
        self._killing = False
        self._supervised = {
            process.name: Supervised(process, LogFile(log_dir / f"{process.name}.log"), console, self._on_end)
            for process in processes
        }

    def run(self) -> None:
        """Run until told to stop (SIGINT, SIGTERM, SIGHUP or :meth:`stop`) and everything has ended. From the main thread."""
        platform.adopt_orphans()
        with self._signals():
            try:
                self._start_all()
                while self._stop_wanted_at is None:
                    self._start_due()
                    self._on_turn([one.name for one in self._supervised.values() if one.is_ailing])
                    self._handle_next_event(self._next_due())
                self._drain()
            finally:
                self._kill_all()
                self._forget()

    def stop(self) -> None:
        """Drain and end; a second wish, a second or more later, kills what is left. From any thread or signal handler."""
        self._events.put(_StopWanted(time.monotonic()))

    def deaths_in_a_row(self) -> dict[str, int]:
        """How often each process has died without living long in between."""
        return {name: one.deaths_in_a_row for name, one in self._supervised.items()}

    def last_lines(self, name: str, n: int) -> list[str]:
        """The newest ``n`` lines of a process's log."""
        return self._supervised[name].log_file.last_lines(n)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        told = False

        def on_signal(_signal: int, _frame: FrameType | None) -> None:
            nonlocal told
            told = True
            self.stop()

        wanted = platform.ENDING_SIGNALS
        before = {number: signal.signal(number, on_signal) for number in wanted}
        try:
            yield
        finally:
            for number, handler in before.items():
                # Told to end by a signal, this process is ending: its echo (through make, say) must not break in now.
                signal.signal(number, signal.SIG_IGN if told else handler)

    def _on_end(self, name: str, pid: int, exit_code: int) -> None:
        self._events.put(_Ended(name, pid, exit_code))

    def _start_all(self) -> None:
        for one in self._supervised.values():
            one.start()
        self._remember()

    def _start_due(self) -> None:
        now = time.monotonic()
        due = [one for one in self._supervised.values() if one.due is not None and one.due <= now]
        for one in due:
            one.start()
        if due:
            self._remember()

    def _next_due(self) -> float:
        return min((one.due for one in self._supervised.values() if one.due is not None), default=float("inf"))

    def _handle_next_event(self, until: float) -> None:
        """Wait for one event, until the monotonic time ``until`` and not longer than orphans may wait to be reaped."""
        timeout_seconds = max(0.0, min(until - time.monotonic(), _ORPHANS_SECONDS))
        try:
            event = self._events.get(timeout=timeout_seconds)
        except queue.Empty:
            event = None
        match event:
            case _Ended():
                self._note_end(event)
            case _StopWanted():
                self._note_stop_wanted(event)
        platform.reap_orphans({one.pid for one in self._supervised.values() if one.pid})

    def _note_end(self, event: _Ended) -> None:
        one = self._supervised[event.name]
        if one.pid != event.pid:
            return
        if self._stop_wanted_at is not None:
            log.info("process_drained", name=event.name, exit_code=event.exit_code)
            one.ended()
        else:
            delay = one.died(event.exit_code)
            self._console.write(
                Level.WARNING, f"{event.name} ended ({_reason(event.exit_code)}); starting it again in {delay:.1f} s"
            )
        self._remember()

    def _note_stop_wanted(self, event: _StopWanted) -> None:
        if self._stop_wanted_at is None:
            self._stop_wanted_at = event.at
        elif event.at - self._stop_wanted_at >= _SAME_WISH_SECONDS:
            self._killing = True

    def _alive(self) -> list[Supervised]:
        return [one for one in self._supervised.values() if one.pid]

    def _drain(self) -> None:
        log.info("drain_started")
        self._on_drain()
        to_ask = list(reversed(self._alive()))
        kill_at: dict[str, float] = {}
        next_ask = time.monotonic()
        while self._alive() and not self._killing:
            kill_at = {name: deadline for name, deadline in kill_at.items() if self._supervised[name].pid}
            now = time.monotonic()
            if to_ask and (now >= next_ask or not kill_at):
                one = to_ask.pop(0)
                one.ask_to_stop()
                kill_at[one.name] = now + self._patience.kill_after_seconds
                next_ask = now + self._patience.stagger_seconds
                continue
            for name in [name for name, deadline in kill_at.items() if now >= deadline]:
                log.warning("drain_took_too_long", name=name)
                self._supervised[name].kill()
                kill_at[name] = float("inf")
            self._handle_next_event(min([*kill_at.values(), *([next_ask] if to_ask else [])]))

    def _kill_all(self) -> None:
        for one in self._alive():
            one.kill()
        deadline = time.monotonic() + _ORPHANS_SECONDS
        while self._alive() and time.monotonic() < deadline:
            self._handle_next_event(deadline)

    def _remember(self) -> None:
        processes = {one.name: {"pid": one.pid, "restarts": one.restarts} for one in self._supervised.values()}
        partial = self._state_file.with_name(f"{self._state_file.name}.partial")
        # For people and `yunzhuo doctor`: on a full disk they learn less, and everything runs on.
        with contextlib.suppress(OSError):
            partial.write_text(json.dumps({"supervisor": os.getpid(), "processes": processes}), encoding="utf-8")
            partial.replace(self._state_file)

    def _forget(self) -> None:
        self._state_file.unlink(missing_ok=True)
        for one in self._supervised.values():
            one.close(timeout_seconds=_LAST_LINES_SECONDS)


def _reason(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-exit_code).name
    return f"signal {-exit_code}"
