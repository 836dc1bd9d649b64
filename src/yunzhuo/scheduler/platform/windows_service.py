"""Yunzhuo among the Services of Windows: put there, started, stopped, asked, taken out."""

import hashlib
import struct
import subprocess  # nosec B404 # only to write a command line as Windows reads it
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pywintypes
import servicemanager
import win32evtlogutil
import win32security
import win32service
import winerror
from ntsecuritycon import DELETE, FILE_ALL_ACCESS

from yunzhuo.phoenix.common.errors import Forbidden, NotFound, Unavailable
from yunzhuo.scheduler.platform.plan import WINDOWS_NAME as NAME
from yunzhuo.scheduler.platform.plan import Plan, State, Status

assert sys.platform == "win32"  # nosec B101 # tells the type checker, too, that the rest is for Windows only

LOCAL_SYSTEM = "LocalSystem"
# Windows makes it for this service alone: it has a name, no password, and no rights but those that files give it.
DEFAULT_ACCOUNT = f"NT SERVICE\\{NAME}"
# A first start may take long; the supervisor's end takes 18 s at the very most.
_START_SECONDS = 600.0
_STOP_SECONDS = 60.0
_LOOK_SECONDS = 0.25
# After it failed: soon twice, then less often; a day without a failure, and it begins anew.
_RESTARTS_MILLISECONDS = (5_000, 5_000, 60_000)
_FORGET_SECONDS = 86_400
_STATES = {
    win32service.SERVICE_STOPPED: State.STOPPED,
    win32service.SERVICE_START_PENDING: State.STARTING,
    win32service.SERVICE_STOP_PENDING: State.STOPPING,
    win32service.SERVICE_RUNNING: State.RUNNING,
}
# Before any package is found: where they are is the first argument. The Python is the one that everything was installed for; a
# virtual environment's own would be another process than the one that Windows started.
_HOST = (
    "import site, sys; site.addsitedir(sys.argv[1]); "
    "from yunzhuo.scheduler.platform.windows_host import main; main(sys.argv[2:])"
)


class WindowsService:
    """The one service of this computer."""

    def install(self, plan: Plan) -> Sequence[str]:
        account = plan.account or DEFAULT_ACCOUNT
        command = host_command(plan)
        with _manager(win32service.SC_MANAGER_ALL_ACCESS) as manager:
            with _translated():
                service = _made_or_changed(manager, command, account)
            with _closing(service), _translated():
                _describe(service)
        win32evtlogutil.AddSourceToRegistry(NAME, servicemanager.__file__, "Application")
        if plan.home:
            plan.home.mkdir(parents=True, exist_ok=True)
            _give(plan.home, account)
        return [
            f"The service is called {NAME}, and runs as {account}.",
            "What it has to say is in the event log (Application).",
        ]

    def start(self) -> None:
        with _service(win32service.SERVICE_START | win32service.SERVICE_QUERY_STATUS) as service:
            if _state(service) is State.STOPPED:
                with _translated():
                    win32service.StartService(service, None)
            _await(service, State.RUNNING, _START_SECONDS)

    def stop(self) -> None:
        with _service(win32service.SERVICE_STOP | win32service.SERVICE_QUERY_STATUS) as service:
            _stop(service)

    def status(self) -> Status:
        try:
            with _service(win32service.SERVICE_QUERY_STATUS | win32service.SERVICE_QUERY_CONFIG) as service:
                now = _asked(service)
                config = win32service.QueryServiceConfig(service)
        except NotFound:
            return Status(State.NOT_INSTALLED)
        state = _STATES.get(now["CurrentState"], State.UNKNOWN)
        if state is State.STOPPED and now["Win32ExitCode"] not in {0, winerror.ERROR_SERVICE_NEVER_STARTED}:
            state = State.FAILED
        return Status(
            state,
            at_boot=config[1] == win32service.SERVICE_AUTO_START,
            pid=now["ProcessId"] or None,
            details={"runs as": config[7], "command": config[3]},
        )

    def uninstall(self) -> None:
        rights = win32service.SERVICE_STOP | win32service.SERVICE_QUERY_STATUS | DELETE
        with _service(rights) as service:
            if _state(service) is not State.STOPPED:
                _stop(service)
            with _translated():
                win32service.DeleteService(service)
        win32evtlogutil.RemoveSourceFromRegistry(NAME, "Application")


def host_command(plan: Plan) -> str:
    """The command line that Windows starts: the service's host, which starts what is planned."""
    base = Path(sys.base_prefix) / plan.python.name
    host = [str(base), "-c", _HOST, sysconfig.get_path("purelib"), str(plan.home)]
    return subprocess.list2cmdline([*host, *plan.command, "--supervised", "--json"])


def service_sid(name: str) -> str:
    """The security identifier of a service's own account: S-1-5-80 and the SHA-1 of its name, which Windows defines so."""
    digest = hashlib.sha1(name.upper().encode("utf-16-le"), usedforsecurity=False).digest()
    return "-".join(["S-1-5-80", *(str(part) for part in struct.unpack("<5I", digest))])


def _made_or_changed(manager: Any, command: str, account: str) -> Any:
    own, start = win32service.SERVICE_WIN32_OWN_PROCESS, win32service.SERVICE_AUTO_START
    errors = win32service.SERVICE_ERROR_NORMAL
    title = "Yunzhuo, cloud desktops"
    try:
        return win32service.CreateService(
            manager, NAME, title, win32service.SERVICE_ALL_ACCESS, own, start, errors, command, None, False, None, account, None
        )
    except pywintypes.error as error:
        if error.winerror != winerror.ERROR_SERVICE_EXISTS:
            raise
    service = win32service.OpenService(manager, NAME, win32service.SERVICE_ALL_ACCESS)
    win32service.ChangeServiceConfig(service, own, start, errors, command, None, False, None, account, None, title)
    return service


def _describe(service: Any) -> None:
    described = "The portal, the API and the work behind them. Stopping it leaves desktops running."
    win32service.ChangeServiceConfig2(service, win32service.SERVICE_CONFIG_DESCRIPTION, described)
    actions = [(win32service.SC_ACTION_RESTART, milliseconds) for milliseconds in _RESTARTS_MILLISECONDS]
    recovery = {"ResetPeriod": _FORGET_SECONDS, "RebootMsg": "", "Command": "", "Actions": actions}
    win32service.ChangeServiceConfig2(service, win32service.SERVICE_CONFIG_FAILURE_ACTIONS, recovery)
    for level in (
        # Also when it says itself that it failed, and not only when it is gone without a word.
        win32service.SERVICE_CONFIG_FAILURE_ACTIONS_FLAG,
        # The database or the network may come up later than we.
        win32service.SERVICE_CONFIG_DELAYED_AUTO_START_INFO,
    ):
        try:
            win32service.ChangeServiceConfig2(service, level, True)
        except pywintypes.error as error:
            if error.winerror != winerror.ERROR_INVALID_LEVEL:  # Wine does not know it
                raise


def _give(folder: Path, account: str) -> None:
    """Close ``folder`` to everybody but the account, the administrators and the system."""
    whom = [
        win32security.ConvertStringSidToSid("S-1-5-32-544"),  # administrators
        win32security.ConvertStringSidToSid("S-1-5-18"),  # the system
    ]
    if account == DEFAULT_ACCOUNT:
        whom.append(win32security.ConvertStringSidToSid(service_sid(NAME)))
    elif account != LOCAL_SYSTEM:
        whom.append(win32security.LookupAccountName(None, account)[0])
    rights = win32security.ACL()
    inherited = win32security.OBJECT_INHERIT_ACE | win32security.CONTAINER_INHERIT_ACE
    for sid in whom:
        rights.AddAccessAllowedAceEx(win32security.ACL_REVISION, inherited, FILE_ALL_ACCESS, sid)
    what = win32security.DACL_SECURITY_INFORMATION | win32security.PROTECTED_DACL_SECURITY_INFORMATION
    win32security.SetNamedSecurityInfo(str(folder), win32security.SE_FILE_OBJECT, what, None, None, rights, None)


def _stop(service: Any) -> None:
    with _translated():
        try:
            win32service.ControlService(service, win32service.SERVICE_CONTROL_STOP)
        except pywintypes.error as error:
            if error.winerror != winerror.ERROR_SERVICE_NOT_ACTIVE:
                raise
    _await(service, State.STOPPED, _STOP_SECONDS)


def _await(service: Any, wanted: State, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (found := _state(service)) is not wanted:
        if found is State.STOPPED or time.monotonic() > deadline:
            raise Unavailable(
                "service_not_" + wanted.value, f"The service is {found}, not {wanted}: the event log (Application) says why."
            )
        time.sleep(_LOOK_SECONDS)


def _state(service: Any) -> State:
    return _STATES.get(_asked(service)["CurrentState"], State.UNKNOWN)


def _asked(service: Any) -> Mapping[str, int]:
    with _translated():
        found: Any = win32service.QueryServiceStatusEx(service)  # a dictionary, whatever its stubs say
    return cast(Mapping[str, int], found)


@contextmanager
def _manager(access: int) -> Iterator[Any]:
    with _translated():
        manager = win32service.OpenSCManager(None, None, access)
    with _closing(manager):
        yield manager


@contextmanager
def _service(access: int) -> Iterator[Any]:
    with _manager(win32service.SC_MANAGER_CONNECT) as manager:
        with _translated():
            service = win32service.OpenService(manager, NAME, access)
        with _closing(service):
            yield service


@contextmanager
def _closing(handle: Any) -> Iterator[None]:
    try:
        yield
    finally:
        win32service.CloseServiceHandle(handle)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except pywintypes.error as error:
        if error.winerror == winerror.ERROR_ACCESS_DENIED:
            raise Forbidden("not_administrator", "Services are the administrators': use an elevated prompt.") from error
        if error.winerror == winerror.ERROR_SERVICE_DOES_NOT_EXIST:
            raise NotFound(
                "service_not_installed", f"There is no service {NAME}: `yunzhuo service install` makes it."
            ) from error
        raise Unavailable("service_manager_failed", f"{error.funcname}: {error.strerror}") from error
