"""Yunzhuo as a service of systemd: the computer's own, or that of one user (``systemctl --user``)."""

import grp
import os
import pwd
import subprocess  # nosec B404 # lists of arguments, never a shell
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from yunzhuo.scheduler.platform.plan import Part, Plan, State, Status
from yunzhuo.scheduler.platform.units import unit_name, unit_text

DEFAULT_ACCOUNTS = {Part.ALL: "yunzhuo", Part.GATEWAY: "yunzhuo-gateway"}
_BOOTED = Path("/run/systemd/system")  # sd_booted(3)
_SYSTEM_UNITS = Path("/etc/systemd/system")
# Desktops' machines are let go where this group owns /dev/kvm.
_KVM_GROUP = "kvm"
_STATES = {
    "active": State.RUNNING,
    "reloading": State.RUNNING,
    "inactive": State.STOPPED,
    "failed": State.FAILED,
    "activating": State.STARTING,
    "deactivating": State.STOPPING,
}
_ASKED = ("ActiveState", "SubState", "Result", "MainPID", "StatusText", "UnitFileState", "NRestarts", "ActiveEnterTimestamp")


class Systemd:
    """One service. ``of_user``: in the systemd of whoever calls."""

    def __init__(self, part: Part, *, of_user: bool) -> None:
        self._part = part
        self._of_user = of_user
        self._name = unit_name(part)
        config = os.environ.get("XDG_CONFIG_HOME", "")
        own = (Path(config) if config.startswith("/") else Path("~/.config").expanduser()) / "systemd" / "user"
        self.unit_file = (own if of_user else _SYSTEM_UNITS) / self._name

    def install(self, plan: Plan) -> Sequence[str]:
        self._require_rights()
        if not self._of_user:
            plan = self._as_account(plan)
        if plan.has_machines and not self._of_user and _exists(grp.getgrnam, _KVM_GROUP):
            plan = replace(plan, groups=(_KVM_GROUP,))
        self.unit_file.parent.mkdir(parents=True, exist_ok=True)
        partial = self.unit_file.with_name(f"{self._name}.partial")
        partial.write_text(unit_text(plan, of_user=self._of_user), encoding="utf-8")
        partial.chmod(0o644)
        partial.replace(self.unit_file)
        notes = [f"The unit is {self.unit_file}."]
        if not _BOOTED.is_dir():
            return [*notes, "systemd does not run here: it will be found at the next start of a system that has it."]
        self._systemctl("daemon-reload")
        self._systemctl("enable", self._name)
        if self._of_user:
            notes.append("It starts when you sign in; at the computer's start after `loginctl enable-linger`.")
        return notes

    def start(self) -> None:
        self._require_installed()
        if self.status().state is State.FAILED:
            self._systemctl("reset-failed", self._name)  # or it would count as started too often
        self._systemctl("start", self._name)

    def stop(self) -> None:
        self._require_installed()
        self._systemctl("stop", self._name)

    def status(self) -> Status:
        if not self.unit_file.exists():
            return Status(State.NOT_INSTALLED)
        if not _BOOTED.is_dir():
            return Status(State.UNKNOWN, says="systemd does not run here")
        return status_of(self._systemctl("show", self._name, f"--property={','.join(_ASKED)}"))

    def uninstall(self) -> None:
        self._require_installed()
        self._require_rights()
        if _BOOTED.is_dir():
            self._systemctl("disable", "--now", self._name)
        self.unit_file.unlink()
        if _BOOTED.is_dir():
            self._systemctl("daemon-reload")

    def _require_rights(self) -> None:
        if not self._of_user and os.geteuid() != 0:
            raise Forbidden(
                "not_root", "The computer's services are root's to change: use sudo, or --user for one of your own."
            )

    def _require_installed(self) -> None:
        if not self.unit_file.exists():
            raise NotFound("service_not_installed", f"There is no {self.unit_file}: `yunzhuo service install` writes it.")

    def _as_account(self, plan: Plan) -> Plan:
        """Make the account and the state folder where they are missing. Raises when that account could not run it."""
        name = plan.account or DEFAULT_ACCOUNTS[self._part]
        if name == "root":
            raise InvalidInput("Yunzhuo does not run as root: name an ordinary account.", fields={"run_as": "root"})
        home = plan.home or Path("/")
        if not _exists(pwd.getpwnam, name):
            _run(["systemd-sysusers", "--inline", f'u {name} - "Yunzhuo" "{home}" -'])
        account = pwd.getpwnam(name)
        if plan.home:
            if not plan.home.exists():
                plan.home.mkdir(mode=0o700, parents=True)
                os.chown(plan.home, account.pw_uid, account.pw_gid)
            if plan.home.stat().st_uid != account.pw_uid:
                raise Conflict(
                    "state_folder_of_another",
                    f"{plan.home} does not belong to {name}: `chown -R {name}: {plan.home}`, or name its owner with --run-as.",
                )
        _require_it_runs(plan, account)
        return replace(plan, account=name)

    def _systemctl(self, *arguments: str) -> str:
        if not _BOOTED.is_dir():
            raise Unavailable("no_systemd", "systemd does not run here: start Yunzhuo with `yunzhuo up`.")
        return _run(["systemctl", *(["--user"] if self._of_user else []), "--no-ask-password", *arguments], self._name)


def status_of(shown: str) -> Status:
    """What ``systemctl show`` says, one ``Property=value`` a line."""
    found = dict(line.partition("=")[::2] for line in shown.splitlines() if "=" in line)
    pid = found.get("MainPID", "")
    return Status(
        state=_STATES.get(found.get("ActiveState", ""), State.UNKNOWN),
        at_boot=found.get("UnitFileState", "").startswith("enabled"),
        pid=int(pid) if pid.isdecimal() and int(pid) > 0 else None,
        says=found.get("StatusText", ""),
        details=_details(found),
    )


def _details(found: Mapping[str, str]) -> Mapping[str, str]:
    wanted = {"since": "ActiveEnterTimestamp", "started again": "NRestarts", "result": "Result"}
    return {name: found[key] for name, key in wanted.items() if found.get(key, "") not in {"", "0", "success"}}


def _require_it_runs(plan: Plan, account: pwd.struct_passwd) -> None:
    """As that account, with the planned settings, the program has to find everything."""
    options = ["--config", str(plan.config_file)] if plan.config_file else []
    check = ["config", "check", *options, "--home", str(plan.home)] if plan.part is Part.ALL else ["--version"]
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": account.pw_dir, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        tried = subprocess.run(  # nosec B603 # our own program
            [str(plan.python), "-m", "yunzhuo", *check],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=environment,
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
        )
        failure = tried.stderr.strip() if tried.returncode else ""
    except OSError as error:
        failure = f"{error.filename}: {error.strerror}"
    if failure:
        raise Unavailable(
            "account_cannot_run_it",
            f"{account.pw_name} cannot run Yunzhuo from where it is (a folder like /opt/yunzhuo is open to all): {failure}",
        )


def _exists(look: Callable[[str], object], name: str) -> bool:
    try:
        look(name)
    except KeyError:
        return False
    return True


def _run(command: Sequence[str], what: str = "") -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # nosec B603 # systemd's own programs
    except OSError as error:
        raise Unavailable("service_manager_failed", f"{command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        hint = f" `journalctl -u {what}` says more." if what and command[-2:-1] == ["start"] else ""
        raise Unavailable("service_manager_failed", (done.stderr.strip() or f"{' '.join(command)} failed") + hint)
    return done.stdout
