"""A foreign server as an unprivileged process of the tests: in a folder of its own, on free ports, ended by its pid."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.waiting import eventually

END_SECONDS = 30.0


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """A program that serves, never as root: root starts it as ``nobody``."""

    def __init__(self, name: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"yunzhuo-{name}-"))
        self.log = self.folder / "log"
        self._started: list[subprocess.Popen[bytes]] = []
        self._account: dict[str, int | list[int]] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self._account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def run(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Run a program to its end. Raises CalledProcessError with what it said."""
        subprocess.run(
            command,
            env=dict(environment) if environment is not None else None,
            cwd=self.folder,
            check=True,
            capture_output=True,
            text=True,
            **self._account,  # type: ignore[call-overload]
        )

    def start(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start a program that stays."""
        with self.log.open("ab") as log:
            self._started.append(
                subprocess.Popen(
                    command,
                    env=dict(environment) if environment is not None else None,
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    **self._account,  # type: ignore[call-overload]
                )
            )

    def wait_for(self, answers: Callable[[], object], seconds: float) -> None:
        """Until ``answers()`` is true; fails with the log when the program ended before."""

        def is_up() -> bool:
            assert self._started[-1].poll() is None, self.log.read_text(errors="replace")[-3000:]
            return bool(answers())

        eventually(is_up, seconds, what=lambda: self.log.read_text(errors="replace")[-3000:])

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End what was started last, and wait for it; SIGKILL for its whole session is a power cut."""
        process = self._started.pop()
        if process.poll() is None:
            if number is signal.SIGKILL:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
        process.wait(END_SECONDS)

    def close(self) -> None:
        """End everything and remove the folder."""
        while self._started:
            self.end()
        shutil.rmtree(self.folder, ignore_errors=True)
