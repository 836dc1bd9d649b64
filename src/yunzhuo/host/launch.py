"""Starts a QEMU in its folder: as its own user, in the guests' network, with its control sockets already open."""

import os
import signal
import subprocess  # nosec B404 # lists of arguments, never a shell
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import socket

from yunzhuo.host import sockets
from yunzhuo.host.argv import QEMU, Accelerator, Channels, MachineSpec, qemu_args
from yunzhuo.host.layout import LOG_NAME, SCREEN_FOLDER
from yunzhuo.host.monitor import MachineFailed
from yunzhuo.host.privileges import QemuAccount
from yunzhuo.host.processes import WatchedProcess, identify

MONITOR_SOCKET, AGENT_SOCKET, READY_SOCKET, IDENTITY_SOCKET = "monitor.sock", "agent.sock", "ready.sock", "identity.sock"
_SOCKETS = (MONITOR_SOCKET, AGENT_SOCKET, READY_SOCKET, IDENTITY_SOCKET)


@dataclass(frozen=True, slots=True)
class NetworkEntrance:
    """What to put before a command so that it runs in the guests' network; ``descriptors`` must be inherited by it."""

    prefix: tuple[str, ...] = ()
    descriptors: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Launched:
    """A QEMU that was just started, and our ends of its sockets (its own may not be answered yet)."""

    process: WatchedProcess
    monitor: socket
    agent: socket
    ready: socket
    identity: socket

    def close(self) -> None:
        """Hang up on all four."""
        for connection in (self.monitor, self.agent, self.ready, self.identity):
            connection.close()


def launch(
    folder: Path,
    make_spec: Callable[[Channels], MachineSpec],
    account: QemuAccount,
    entrance: NetworkEntrance,
    *,
    inherited: Sequence[int] = (),
    niceness: int = 0,
) -> Launched:
    """Start the machine of ``folder``, which must hold its disk, with the processors that are left by whatever has less
    ``niceness`` (0 to 19). Raises MachineFailed.

    The sockets are made here and handed over open: so nobody has to wait for QEMU to make them, and QEMU's user needs no
    right to make files in the folder except its screens.
    """
    screen = folder / SCREEN_FOLDER
    screen.mkdir(exist_ok=True)
    account.own(screen, 0o700)
    with ExitStack() as ours:
        listeners = [ours.enter_context(sockets.listen(folder / name)) for name in _SOCKETS]
        spec = make_spec(Channels(*(listener.fileno() for listener in listeners)))
        command = [
            *(("nice", "-n", str(niceness)) if niceness else ()),
            *entrance.prefix,
            *account.prefix(with_kvm=spec.hardware.accelerator is Accelerator.KVM),
            *qemu_args(spec),
        ]
        handed_over = [*(listener.fileno() for listener in listeners), *inherited, *entrance.descriptors]
        process = start_process(command, folder, handed_over)
        if niceness:
            _lower_session(process.identity.pid, niceness)
        with ExitStack() as opened:
            try:
                connections = [opened.enter_context(sockets.connect(folder / name)) for name in _SOCKETS]
            except OSError as error:
                process.send(signal.SIGKILL)
                raise MachineFailed(f"QEMU's sockets cannot be reached: {error}") from error
            opened.pop_all()
    return Launched(process, *connections)


def start_process(
    command: Sequence[str],
    folder: Path,
    handed_over: Sequence[int] = (),
    *,
    stdin: int = subprocess.DEVNULL,
    log_name: str = LOG_NAME,
) -> WatchedProcess:
    """Start ``command`` in ``folder``, in a session of its own so that it outlives us; its output goes to ``log_name``.

    Raises MachineFailed when it cannot be started.
    """
    descriptor = os.open(folder / log_name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        child = subprocess.Popen(  # nosec B603 # made by argv.py of checked values
            command,
            cwd=folder,
            stdin=stdin,
            stdout=descriptor,
            stderr=subprocess.STDOUT,
            pass_fds=tuple(handed_over),
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        )
    except OSError as error:
        raise MachineFailed(f"{command[0]} cannot be started: {error.strerror}") from error
    finally:
        os.close(descriptor)
    # From here on the pidfd's watcher reaps it; Popen must not try, nor complain that nobody asked it to.
    child.returncode = 0
    identity = identify(child.pid, or_zombie=True)
    if identity is None:
        raise MachineFailed(f"{command[0]} ended before it could be watched.")
    return WatchedProcess(identity)


def _lower_session(pid: int, niceness: int) -> None:
    """Where the kernel shares processors among sessions first, niceness counts only inside one (sched(7), autogroup)."""
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(niceness), encoding="ascii")


def last_words(folder: Path, log_name: str = LOG_NAME) -> str:
    """The last line a program left behind, or a sentence that it left none."""
    try:
        lines = (folder / log_name).read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        lines = []
    said = [line.strip() for line in lines if line.strip()]
    return said[-1].removeprefix(f"{QEMU}: ")[:500] if said else "it ended without a word."
