"""The clone's ``.venv``: exactly what the lock file says, and Yunzhuo itself, editable."""

import shutil
import subprocess  # nosec B404 # lists of arguments, never a shell
import sys
from pathlib import Path

from infras.setup.command import Log, SetupFailed, run, say
from infras.setup.stamps import fingerprint, set_stamp, stands

RUN_LOCK = "requirements.lock"
TEST_LOCK = "requirements-dev.lock"  # holds all of RUN_LOCK, at the same versions
PEERS_LOCK = "requirements-bench.lock"
_NEEDED_BYTES = 1024**3


def install(root: Path, log: Log, *, for_tests: bool) -> None:
    """Bring ``.venv`` to the lock file, and Yunzhuo into it."""
    venv = root / ".venv"
    wanted = {lock: _lock_fingerprint(root, lock) for lock in ([RUN_LOCK, TEST_LOCK] if for_tests else [RUN_LOCK])}
    if not all(stands(_stamp(venv, lock), value) for lock, value in wanted.items()):
        lock = TEST_LOCK if for_tests else RUN_LOCK
        _check_space(root)
        _make(root, venv, log)
        say(f"installing Python packages into .venv ({lock})")
        # The lock file is whole, so nothing is to be resolved: pip 23, which Debian 12 has, would look for the newest release
        # of whatever a package asks for with extras (`pydantic[email]`), and refuse it for not being pinned.
        _pip(root, log, "installing Python packages", "--require-hashes", "--no-deps", "--requirement", lock)
        for name, value in wanted.items():
            set_stamp(_stamp(venv, name), value)
    project = fingerprint(str(root), sys.version, files=[root / "pyproject.toml"])
    if not stands(_stamp(venv, "project"), project):
        _pip(root, log, "installing Yunzhuo into .venv", "--no-deps", "--no-build-isolation", "--editable", ".")
        run("checking the Python packages", [".venv/bin/python", "-m", "pip", "check"], log, cwd=root)
        set_stamp(_stamp(venv, "project"), project)


def compile_translations(root: Path, log: Log) -> None:
    """Message catalogs, from the texts that are kept to the form that is read."""
    for text in sorted((root / "src" / "yunzhuo").rglob("translations/*/LC_MESSAGES/*.po")):
        compiled = text.with_suffix(".mo")
        if not compiled.exists() or compiled.stat().st_mtime < text.stat().st_mtime:
            command = [".venv/bin/pybabel", "compile", "--input-file", str(text), "--output-file", str(compiled)]
            locale = text.parts[-3]
            run(f"compiling the {locale} translation", [*command, "--locale", locale], log, cwd=root)


def _lock_fingerprint(root: Path, lock: str) -> str:
    # A .venv holds absolute paths and belongs to one Python: moved or upgraded, it is made anew.
    return fingerprint(str(root), sys.version, sys.base_prefix, files=[root / lock])


def _stamp(venv: Path, name: str) -> Path:
    return venv / f"{name}.stamp"


def _make(root: Path, venv: Path, log: Log) -> None:
    whose = fingerprint(str(root), sys.version, sys.base_prefix)
    python = venv / "bin" / "python"
    works = (
        python.exists() and subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0  # nosec B603 # the Python that it is about
    )
    if works and stands(_stamp(venv, "venv"), whose):
        return
    run("making .venv", [sys.executable, "-m", "venv", "--clear", str(venv)], log, cwd=root)
    set_stamp(_stamp(venv, "venv"), whose)


def _pip(root: Path, log: Log, what: str, *arguments: str) -> None:
    pip = [".venv/bin/python", "-m", "pip", "--no-input", "--disable-pip-version-check", "install", "--no-warn-script-location"]
    run(what, [*pip, *arguments], log, cwd=root)


def _check_space(root: Path) -> None:
    free = shutil.disk_usage(root).free
    if free < _NEEDED_BYTES:
        raise SetupFailed(
            f"Python packages: {free / 1024**3:.1f} GiB are free on the disk with {root}, and {_NEEDED_BYTES / 1024**3:.0f} GiB"
            " are needed: make room and run it again"
        )


def install_peers(root: Path, log: Log) -> None:
    """What benchmarks compare with, in an environment of its own, ``.venv-bench``: nothing of it may reach ours."""
    lock, venv = root / PEERS_LOCK, root / ".venv-bench"
    wanted = fingerprint(str(root), sys.version, sys.base_prefix, files=[lock])
    if stands(_stamp(venv, "peers"), wanted):
        return
    run("making .venv-bench", [sys.executable, "-m", "venv", "--clear", str(venv)], log, cwd=root)
    say(f"installing Python packages into .venv-bench ({PEERS_LOCK})")
    pip = [".venv-bench/bin/python", "-m", "pip", "--no-input", "--disable-pip-version-check", "install"]
    run("installing peers", [*pip, "--require-hashes", "--no-deps", "--requirement", PEERS_LOCK], log, cwd=root)
    set_stamp(_stamp(venv, "peers"), wanted)
