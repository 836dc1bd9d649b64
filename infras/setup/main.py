"""The steps of the set-up, in order."""

import fcntl
import sys
import time
from pathlib import Path

from infras.setup import browser, debian, front_end, python_packages, system_user, windows
from infras.setup.command import Log, SetupFailed, say

_LISTS = {
    "run": ["packages-run.txt", "packages-image.txt"],
    "bench": ["packages-bench.txt"],
    "windows": ["packages-windows.txt"],
    "test": ["packages-run.txt", "packages-image.txt", "packages-test.txt"],
}


def main(arguments: list[str]) -> int:
    """Set up for ``run``, ``test``, ``windows`` or ``bench``; answers the exit code."""
    if len(arguments) != 1 or arguments[0] not in _LISTS:
        sys.stderr.write(f"usage: python3 -m infras.setup {'|'.join(_LISTS)}\n")
        return 2
    root = Path(__file__).resolve().parents[2]
    log = Log()
    try:
        with Path(__file__).open("rb") as lock:
            _lock(lock.fileno())
            started = time.monotonic()
            set_up(root, log, for_what=arguments[0])
    except SetupFailed as failed:
        sys.stderr.write(f"error: {failed}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"error: {error.filename or 'set-up'}: {error.strerror}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("set-up: interrupted; run it again to go on\n")
        return 130
    if log.path.stat().st_size:
        say(f"done in {time.monotonic() - started:.0f} s")
    log.discard()
    return 0


def set_up(root: Path, log: Log, *, for_what: str) -> None:
    """Do what is missing."""
    if for_what == "windows":
        windows.install(root, log)
        return
    debian.install(root, _LISTS[for_what], log)
    if for_what == "bench":
        python_packages.install_peers(root, log)
        return
    python_packages.install(root, log, for_tests=for_what == "test")
    python_packages.compile_translations(root, log)
    front_end.build(root, log)
    system_user.make(root, log)
    if for_what == "test":
        browser.install(root, log)


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another set-up is at work in this clone; waiting for it")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
