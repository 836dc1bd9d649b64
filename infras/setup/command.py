"""Runs one program of the set-up, keeps what it says in the log, and turns its failure into one line with what to do."""

import os
import re
import subprocess  # nosec B404 # lists of arguments, never a shell
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_HEARTBEAT_SECONDS = 20
_LAST_LINES = 12

# What a program says when it fails, and what a person can do about it. The first that matches counts.
_ADVICE = (
    (r"No space left on device|ENOSPC|not enough free space|enough free space", "the disk is full: make room and run it again"),
    (
        r"Could not get lock|Unable to acquire the dpkg frontend lock|lock-frontend",
        "another package manager is running: wait until it has ended and run it again",
    ),
    (r"dpkg was interrupted", "an earlier installation was interrupted: run `dpkg --configure -a` as root, then this again"),
    (
        r"(?i)name resolution|could not resolve|name or service not known|network is unreachable|connection refused"
        r"|connection timed out|connection failed|timed out|getaddrinfo|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|proxyerror"
        r"|failed to fetch",
        "the network, or the server asked, does not answer: check the connection (and proxy settings) and run it again",
    ),
    (r"DO NOT MATCH THE HASHES|EINTEGRITY", "a download is not what the lock file promises: do not use it; try again later"),
    (r"Unable to locate package|has no installation candidate", "this release of Debian or Ubuntu does not have a package"),
    (r"(?i)read-only file system", "the file system is read-only"),
    (r"(?i)permission denied|EACCES", "a file belongs to somebody else: was this clone once set up as root?"),
)


class SetupFailed(Exception):
    """The set-up cannot go on; the message is one clear line with what to do."""


def say(text: str) -> None:
    """One line for the person who waits."""
    sys.stderr.write(f"set-up: {text}\n")
    sys.stderr.flush()


class Log:
    """The file that keeps what programs say; thrown away when all went well."""

    def __init__(self) -> None:
        descriptor, name = tempfile.mkstemp(prefix="yunzhuo-set-up-", suffix=".log")
        os.close(descriptor)
        self.path = Path(name)

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)


def run(what: str, command: Sequence[str], log: Log, *, cwd: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run ``command`` without a terminal; a sign of life comes every now and then.

    Raises SetupFailed that says ``what`` failed, why as far as we know, and where the whole output is.
    """
    with log.path.open("ab") as output:
        start = output.tell()
        output.write(f"\n$ {' '.join(command)}\n".encode())
        output.flush()
        try:
            child = subprocess.Popen(  # nosec B603 # the set-up's own commands
                command,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
            )
        except OSError as error:
            raise SetupFailed(f"{what}: cannot run {command[0]}: {error.strerror}") from error
        exit_code = _wait(child, what)
    if exit_code != 0:
        with log.path.open("rb") as whole:
            whole.seek(start)
            raise SetupFailed(explain(what, exit_code, whole.read().decode("utf-8", "replace"), log.path))


def _wait(child: "subprocess.Popen[bytes]", what: str) -> int:
    started = time.monotonic()
    try:
        while True:
            try:
                return child.wait(_HEARTBEAT_SECONDS)
            except subprocess.TimeoutExpired:
                say(f"{what}: still at it after {time.monotonic() - started:.0f} s")
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        raise


def explain(what: str, exit_code: int, output: str, log_path: Path) -> str:
    """The line, and below it the program's own last ones."""
    advice = next((text for pattern, text in _ADVICE if re.search(pattern, output)), f"it ended with exit code {exit_code}")
    last = [line for line in output.splitlines() if line.strip()][-_LAST_LINES:]
    return "\n".join([f"{what}: {advice} (all of its output: {log_path})", *(f"  | {line}" for line in last)])
