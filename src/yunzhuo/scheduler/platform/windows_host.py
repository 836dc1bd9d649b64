"""The process that Windows starts as the service: it starts ``yunzhuo up``, passes on what that says, and ends it orderly.

All that it starts is in one job, which ends with this process: nothing is left behind, whatever happens to whom. A stop closes
the standard input of ``yunzhuo up``, which ends its own processes then (:mod:`yunzhuo.phoenix.common.lifeline`).
"""

import json
import subprocess  # nosec B404 # lists of arguments, never a shell
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, ClassVar, cast

import servicemanager
import win32event
import win32job
import win32service
import win32serviceutil
import winerror

from yunzhuo.scheduler.console import Level
from yunzhuo.scheduler.platform.plan import WINDOWS_NAME as NAME
from yunzhuo.scheduler.relay import LogFile

assert sys.platform == "win32"  # nosec B101 # tells the type checker, too, that the rest is for Windows only

# Longer than the supervisor takes at the very most (18 s).
_STOP_SECONDS = 30
# Windows wants to hear of a start or a stop that goes on.
_TELL_SECONDS = 5
_EVENT_ID = 1


class Host(win32serviceutil.ServiceFramework):
    """The service. What it runs is put here before Windows calls it: a log file's folder and a command."""

    _svc_name_ = NAME
    _svc_display_name_ = NAME
    folder: ClassVar[Path]
    command: ClassVar[Sequence[str]]

    def __init__(self, arguments: Sequence[str]) -> None:
        super().__init__(arguments)
        self._stop_wanted = win32event.CreateEvent(None, True, False, None)
        self._ended = win32event.CreateEvent(None, True, False, None)
        self._is_up = threading.Event()

    def SvcRun(self) -> None:  # noqa: N802 (pywin32's names)
        """From the start to the end. Windows starts it again when it failed."""
        self.ReportServiceStatus(win32service.SERVICE_START_PENDING, waitHint=2 * _TELL_SECONDS * 1000)
        log_file = LogFile(self.folder / "logs" / "service.log")
        job = _job()
        child = _start(self.command, job)
        report("started", Level.INFO)
        reading = threading.Thread(target=self._read, args=(child.stdout, log_file), daemon=True)
        reading.start()
        threading.Thread(target=self._await_end, args=(child,), daemon=True).start()
        self._watch()
        was_stopped = win32event.WaitForSingleObject(self._stop_wanted, 0) == win32event.WAIT_OBJECT_0
        self._end(child, job)
        reading.join(1)
        log_file.close()
        failed = not was_stopped and child.returncode != 0
        report(f"ended ({child.returncode})" if failed else "stopped", Level.ERROR if failed else Level.INFO)
        if failed:
            self.ReportServiceStatus(
                win32service.SERVICE_STOPPED,
                win32ExitCode=winerror.ERROR_SERVICE_SPECIFIC_ERROR,
                svcExitCode=child.returncode or 1,
            )
        else:
            self.ReportServiceStatus(win32service.SERVICE_STOPPED)

    def SvcStop(self) -> None:  # noqa: N802 (pywin32's names)
        """Windows wants it to end; also at the computer's end."""
        self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING, waitHint=2 * _TELL_SECONDS * 1000)
        win32event.SetEvent(self._stop_wanted)

    SvcShutdown = SvcStop

    def _watch(self) -> None:
        """Until a stop is wanted or the child has ended."""
        handles = [self._stop_wanted, self._ended]
        is_told = False
        while win32event.WaitForMultipleObjects(handles, False, 200 if not is_told else 60_000) == win32event.WAIT_TIMEOUT:
            if is_told:
                continue
            if self._is_up.is_set():
                is_told = True
                self.ReportServiceStatus(win32service.SERVICE_RUNNING)
            else:
                self.ReportServiceStatus(win32service.SERVICE_START_PENDING, waitHint=2 * _TELL_SECONDS * 1000)

    def _end(self, child: "subprocess.Popen[bytes]", job: Any) -> None:
        if child.stdin:
            child.stdin.close()
        for _ in range(_STOP_SECONDS // _TELL_SECONDS):
            if win32event.WaitForSingleObject(self._ended, _TELL_SECONDS * 1000) == win32event.WAIT_OBJECT_0:
                break
            self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING, waitHint=2 * _TELL_SECONDS * 1000)
        # What a supervisor left that died, or took too long: the next start needs its ports.
        win32job.TerminateJobObject(job, 1)
        child.wait()

    def _await_end(self, child: "subprocess.Popen[bytes]") -> None:
        child.wait()
        win32event.SetEvent(self._ended)

    def _read(self, output: IO[bytes], log_file: LogFile) -> None:
        with output:
            for raw in output:
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                log_file.write(line)
                event = _event(line)
                if event == "started":
                    self._is_up.set()
                elif event is None and line:
                    report(line, Level.WARNING)


def main(arguments: Sequence[str]) -> None:
    """``arguments``: the state folder, and the command to run. Called by Windows alone."""
    Host.folder, Host.command = Path(arguments[0]), arguments[1:]
    servicemanager.Initialize(NAME, servicemanager.__file__)
    servicemanager.PrepareToHostSingle(Host)
    cast(Any, servicemanager).StartServiceCtrlDispatcher()


def report(line: str, level: Level) -> None:
    """A line in Windows' event log."""
    kinds = {Level.ERROR: servicemanager.EVENTLOG_ERROR_TYPE, Level.WARNING: servicemanager.EVENTLOG_WARNING_TYPE}
    kind = kinds.get(level, servicemanager.EVENTLOG_INFORMATION_TYPE)
    servicemanager.LogMsg(kind, _EVENT_ID, (NAME, line))


def _event(line: str) -> str | None:
    """The name of an event that ``yunzhuo up --json`` tells, or None: the line is for people."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return str(found.get("event", "")) if isinstance(found, dict) else None


def _job() -> Any:
    job: Any = cast(Any, win32job).CreateJobObject(None, "")  # its stubs say that it answers nothing
    limits = win32job.QueryInformationJobObject(job, win32job.JobObjectExtendedLimitInformation)
    limits["BasicLimitInformation"]["LimitFlags"] = win32job.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
    win32job.SetInformationJobObject(job, win32job.JobObjectExtendedLimitInformation, limits)
    return job


def _start(command: Sequence[str], job: Any) -> "subprocess.Popen[bytes]":
    """Start it in the job: as it does nothing before it has read its modules, none of its children is too early."""
    child = subprocess.Popen(  # nosec B603 # our own program
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        creationflags=subprocess.CREATE_NO_WINDOW,
    )
    win32job.AssignProcessToJobObject(job, int(child._handle))  # type: ignore[attr-defined]
    return child
