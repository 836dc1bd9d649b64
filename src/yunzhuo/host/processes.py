"""Processes that must be known again after our own restart: a pid alone proves nothing, a pid and its start time do."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_ZOMBIE_STATES = frozenset("ZX")
# Places in /proc/PID/stat, counted after the name in parentheses (proc(5): state is field 3, starttime field 22).
_STATE, _START_TIME = 0, 19
# Field 14 is utime, 15 stime.
_CPU_TIMES = slice(11, 13)


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process that cannot be mistaken for a later one with the same pid. ``start_ticks`` counts since this boot."""

    pid: int
    start_ticks: int
    boot_id: str


class ProcessGone(Exception):
    """The process has ended (or only its zombie is left)."""


@cache
def boot_id() -> str:
    """What tells this boot of the computer from every other."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def parse_stat(text: str) -> tuple[str, int]:
    """State letter and start time (clock ticks since boot) from a line of /proc/PID/stat.

    The name in parentheses is the process's own choice and may hold spaces, parentheses and newlines.
    """
    fields = text[text.rindex(")") + 1 :].split()
    return fields[_STATE], int(fields[_START_TIME])


def identify(pid: int, *, or_zombie: bool = False) -> ProcessIdentity | None:
    """Who has ``pid`` now; None when nobody living does (a zombie is dead, unless asked for)."""
    try:
        state, start_ticks = parse_stat(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError, IndexError):
        return None
    return ProcessIdentity(pid, start_ticks, boot_id()) if or_zombie or state not in _ZOMBIE_STATES else None


def cpu_seconds(known: ProcessIdentity) -> float | None:
    """How long a process was on a processor, in itself and for itself; None when it has ended."""
    try:
        text = Path(f"/proc/{known.pid}/stat").read_text(encoding="utf-8", errors="replace")
        fields = text[text.rindex(")") + 1 :].split()
        ticks = sum(int(each) for each in fields[_CPU_TIMES])
    except (OSError, ValueError, IndexError):
        return None
    return ticks / os.sysconf("SC_CLK_TCK") if identify(known.pid) == known else None


@dataclass(frozen=True, slots=True)
class FoundProcess:
    """A living process found by what can be seen of it. ``folder`` is its working directory, which may have been removed."""

    identity: ProcessIdentity
    folder: Path
    argv: tuple[str, ...]


def working_below(root: Path) -> Iterator[FoundProcess]:
    """Living processes whose working directory is ``root`` or below it.

    QEMU's whole chain of starters has its folder as working directory from its first instruction on, so nothing that was
    started and not yet written down escapes this search.
    """
    prefix = f"{root.resolve()}/"
    for pid in _pids():
        try:
            folder = str(Path(f"/proc/{pid}/cwd").readlink()).removesuffix(" (deleted)")
        except OSError:
            continue
        if f"{folder}/".startswith(prefix) and (identity := identify(pid)):
            yield FoundProcess(identity, Path(folder), _argv(pid))


def running(program: str) -> Iterator[FoundProcess]:
    """Living processes that we or root started as ``program``; their working directory is not looked at."""
    for pid in _pids():
        argv = _argv(pid)
        if argv and Path(argv[0]).name == program and _is_ours(pid) and (identity := identify(pid)):
            yield FoundProcess(identity, Path("/"), argv)


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _is_ours(pid: int) -> bool:
    try:
        # What gave up rights counts as root's here (proc(5), dumpable).
        return Path(f"/proc/{pid}").stat().st_uid in (os.geteuid(), 0)
    except OSError:
        return False


def _argv(pid: int) -> tuple[str, ...]:
    try:
        return tuple(Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1])
    except OSError:
        return ()


class WatchedProcess:
    """A process, ours or adopted, whose end is seen at once. Holds a pidfd: signals never reach a later owner of the pid."""

    def __init__(self, identity: ProcessIdentity, on_end: Callable[[], object] | None = None) -> None:
        """Raises ProcessGone. Must be made inside the running event loop."""
        self.identity = identity
        self.exit_code: int | None = None
        self._on_end = on_end
        self._ended = asyncio.Event()
        try:
            self._pidfd = os.pidfd_open(identity.pid)
        except ProcessLookupError:
            raise ProcessGone from None
        # Only now is it certain that the descriptor is of the process that was meant.
        if identify(identity.pid) != identity and not self._is_our_dead_child():
            os.close(self._pidfd)
            raise ProcessGone
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._pidfd, self._notice_end)

    @property
    def has_ended(self) -> bool:
        return self._ended.is_set()

    def on_end(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` once when the process ends (soon, if it has ended)."""
        self._on_end = callback
        if self.has_ended:
            self._loop.call_soon(callback)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; a process that has ended is none the worse for it."""
        if self.has_ended:
            return
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    async def wait(self) -> None:
        """Return when the process has ended."""
        await self._ended.wait()

    async def kill(self) -> None:
        """End it hard and wait until it is gone."""
        self.send(signal.SIGKILL)
        await self.wait()

    def let_go(self) -> None:
        """Stop watching; the process goes on."""
        if not self.has_ended:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._ended.set()

    def _is_our_dead_child(self) -> bool:
        try:
            return os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return False

    def _notice_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        try:
            # Reaps a child of ours; an adopted one is reaped by whoever inherited it.
            result = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            result = None
        if result is not None:
            self.exit_code = result.si_status if result.si_code == os.CLD_EXITED else -result.si_status
        os.close(self._pidfd)
        self._ended.set()
        if self._on_end is not None:
            self._on_end()


async def end_hard(identity: ProcessIdentity) -> None:
    """Kill a process that may be anybody's child, and return when it is gone."""
    try:
        await WatchedProcess(identity).kill()
    except ProcessGone:
        return
