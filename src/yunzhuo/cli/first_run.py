"""What has to stand before the processes start: the state folder for us alone, checks, the gateway's file."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from yunzhuo.cli import checks
from yunzhuo.cli.checks import Finding, Verdict
from yunzhuo.gateway import config as gateway_config
from yunzhuo.phoenix.common.errors import Conflict, Unavailable
from yunzhuo.phoenix.common.lock import LockHeld, hold
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.services import first_start

LOCK_FILE = Path("yunzhuo.lock")
RUN_FOLDER = Path("run")
STATE_FILE = RUN_FOLDER / "processes.json"
FROZEN_FILE = RUN_FOLDER / "settings.toml"
GATEWAY_FILE = Path("gateway.toml")

# A supervised process is gone 12 s after its supervisor at the latest (phoenix.common.lifeline).
_LAST_ONES_SECONDS = 15.0


@contextmanager
def sole_use(home: Path) -> Iterator[None]:
    """Make the state folder and hold it for the length of a ``with`` block. Raises Conflict when another Yunzhuo holds it."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / RUN_FOLDER).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            "state_folder_unusable", f"The state folder {home} cannot be made ({error.strerror}): choose another with --home."
        ) from error
    with ExitStack() as stack:
        try:
            stack.enter_context(hold(home / LOCK_FILE))
        except LockHeld as held:
            who = f" (process {held.holder_pid})" if held.holder_pid else ""
            raise Conflict(
                "already_running",
                f"Yunzhuo runs on {home} already{who}: stop that one first, or choose another state folder with --home.",
                holder_pid=held.holder_pid,
            ) from held
        yield


def left_behind(home: Path) -> list[int]:
    """The pids of processes of an earlier run that are still there: its supervisor was killed, and they are ending."""
    try:
        processes = json.loads((home / STATE_FILE).read_text(encoding="utf-8"))["processes"]
        pids = [entry["pid"] for entry in processes.values() if entry["pid"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return [pid for pid in pids if _belongs_to(home, pid)]


def await_last_ones(home: Path) -> None:
    """Wait until the processes of an earlier run have ended. Raises Conflict when one does not."""
    deadline = time.monotonic() + _LAST_ONES_SECONDS
    for pid in left_behind(home):
        try:
            psutil.Process(pid).wait(max(0.0, deadline - time.monotonic()))
        except psutil.NoSuchProcess:
            continue
        except psutil.TimeoutExpired as error:
            raise Conflict(
                "earlier_run_goes_on", f"Process {pid} of an earlier run does not end: kill it (kill -9 {pid})."
            ) from error


def require_good(settings: Settings) -> list[Finding]:
    """Check this computer before a start; answers what is only worth a note. Raises Unavailable with all that is bad."""
    if sys.platform == "win32" and settings.cloud.driver == "local":
        raise Unavailable(
            "not_ready_to_start", "Windows does not run desktops itself: set [cloud] driver to openstack, or memory to try it."
        )
    findings = [
        *([checks.qemu()] if settings.cloud.driver == "local" else []),
        *checks.ports(settings),
        checks.disk(settings),
        checks.memory(settings),
    ]
    bad = [finding for finding in findings if finding.verdict is Verdict.BAD]
    if bad:
        lines = "\n       ".join(f"{finding.what}: {finding.found}; {finding.advice}" for finding in bad)
        raise Unavailable("not_ready_to_start", lines, findings=[finding.what for finding in bad])
    return [finding for finding in findings if finding.verdict is Verdict.NOTE]


def write_gateway_file(settings: Settings) -> Path:
    """The configuration of the gateway beside the manager, made anew at every start."""
    manager_host = "127.0.0.1" if settings.web.host in {"0.0.0.0", "::"} else settings.web.host  # nosec B104 # compared, not bound
    config = gateway_config.GatewayConfig(
        name=first_start.LOCAL_GATEWAY,
        manager_url=f"http://{manager_host}:{settings.web.port}",
        key_file=first_start.gateway_key_file(settings),
        allowed_origins=(_origin(settings.public_url),),
        listen=gateway_config.ListenSettings(host=settings.gateway.host, port=settings.gateway.port),
        private=gateway_config.PrivateSettings(enabled=False),
        log=settings.log,
    )
    file = settings.home / GATEWAY_FILE
    partial = file.with_name(f"{file.name}.partial")
    partial.write_text(gateway_config.to_toml(config), encoding="utf-8")
    partial.replace(file)
    return file


def _origin(url: str) -> str:
    """The scheme, host and port of an address: without any path."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _belongs_to(home: Path, pid: int) -> bool:
    """Whether a process was started by a supervisor on this state folder: its command line names a file of it."""
    try:
        command_line = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    return any(str(home / file) in command_line for file in (FROZEN_FILE, GATEWAY_FILE))
