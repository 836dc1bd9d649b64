"""A Windows computer, as far as Wine is one: its own registry, services, drive C:, Windows' Python, this clone's Yunzhuo."""

import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infras.setup.windows import python_folder

CLONE = Path(__file__).resolve().parents[2]
_BOOT_SECONDS = 240
_LONG_SECONDS = 700


class WindowsComputer:
    """Lives in ``folder``. Its programs are processes of this computer, and listen on its ports."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._session: subprocess.Popen[bytes] | None = None
        self._python = folder / "drive_c" / "python" / "python.exe"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("YUNZHUO_", "PYTHON"))},
            "WINEPREFIX": str(folder),
            "WINEARCH": "win64",
            "WINEDEBUG": "-all",
            # Neither Wine's browser nor its .NET are wanted: it would ask to download them.
            "WINEDLLOVERRIDES": "mscoree=;mshtml=",
            "DISPLAY": "",
        }

    def boot(self) -> None:
        """Make its registry and its drive, and put Python and Yunzhuo there."""
        # A program that comes while Wine ends its service manager, after the last program of before, starts a second one, and
        # then some ask the one and some the other. So each time all of it is waited for, and then somebody stays signed in: a
        # program that waits for what is typed.
        for command in ("wineboot -i", "wine winecfg -v win10"):
            assert self._in_terminal(command, _BOOT_SECONDS) == 0
            self._wait_until_down()
        self._session = subprocess.Popen(
            ["wine", "cmd"],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
        )
        shutil.copytree(python_folder(CLONE), self._python.parent, copy_function=_linked)
        with tempfile.TemporaryDirectory() as made:
            pip = [str(CLONE / ".venv" / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
            subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", made, str(CLONE)], check=True)
            with zipfile.ZipFile(next(Path(made).glob("*.whl"))) as wheel:
                wheel.extractall(self._python.parent / "Lib" / "site-packages")

    def path(self, windows: str) -> Path:
        """Where a file of its drive C: lies here: ``C:\\yunzhuo``."""
        return self._folder / "drive_c" / windows.removeprefix("C:\\").replace("\\", "/")

    def python(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run Windows' Python to its end."""
        done = self._run("C:\\python\\python.exe", *arguments)
        assert not check or done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}"
        return done

    def yunzhuo(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run the command line."""
        return self.python("-m", "yunzhuo", *arguments, check=check)

    def processes(self) -> dict[int, str]:
        """The processes of its Windows' Pythons, by the pids of this computer, with their command lines."""
        found = {}
        for each in Path("/proc").glob("[0-9]*"):
            try:
                if f"WINEPREFIX={self._folder}".encode() in (each / "environ").read_bytes().split(b"\0"):
                    found[int(each.name)] = (each / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
        return {pid: line for pid, line in found.items() if "python.exe" in line}

    def shut_down(self) -> None:
        """End everything of it."""
        subprocess.run(["wineserver", "-k"], env=self._environment, check=False, capture_output=True)
        self._wait_until_down()
        if self._session is not None:
            self._session.communicate(timeout=60)

    def _wait_until_down(self) -> None:
        subprocess.run(["wineserver", "-w"], env=self._environment, check=False, capture_output=True, timeout=60)

    def _run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        # Python under Wine wants a terminal, and what a service says outlives the program that started it: so it gets one, and
        # a file on its own drive for what it says.
        line = subprocess.list2cmdline(command).replace("%", "%%")
        self.path("C:\\run.bat").write_text(f"@{line} > C:\\said.txt 2>&1\r\n", encoding="utf-8")
        exit_code = self._in_terminal("wine cmd /c C:\\\\run.bat", _LONG_SECONDS)
        said = self.path("C:\\said.txt").read_text(encoding="utf-8", errors="replace")
        return subprocess.CompletedProcess(command, exit_code, said, "")

    def _in_terminal(self, command: str, timeout_seconds: float) -> int:
        done = subprocess.run(
            ["nice", "-n", "5", "script", "--quiet", "--return", "--command", command, "/dev/null"],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            check=False,
            timeout=timeout_seconds,
        )
        return done.returncode


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


@contextmanager
def windows_computer() -> Iterator[WindowsComputer]:
    """For the length of a ``with`` block. Its name is short: Wine's sockets are named after it."""
    folder = Path(tempfile.mkdtemp(prefix="yunzhuo-wine-"))
    computer = WindowsComputer(folder)
    try:
        computer.boot()
        yield computer
    finally:
        computer.shut_down()
        shutil.rmtree(folder, ignore_errors=True)
