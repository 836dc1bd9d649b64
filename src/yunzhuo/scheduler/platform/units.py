"""The text of systemd units: what each part needs of the computer, and nothing else.

``infras/systemd`` has them as examples, made from here. A unit for a user's own systemd has only what that can keep: the rest
needs namespaces, which ordinary users may not have.
"""

from collections.abc import Iterable
from pathlib import Path

from yunzhuo.scheduler.platform.plan import Part, Plan

WATCHDOG_SECONDS = 60
# A first start may build the desktops' image.
_START_SECONDS = 1800
# The supervisor takes 18 s at the very most; a gateway as long as its drain_seconds.
_STOP_SECONDS = 40

_ALWAYS = """\
NoNewPrivileges=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX{families}
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
UMask=0077"""

_FOR_THE_SYSTEM = """\
ProtectSystem=strict
ProtectHome={home}
PrivateTmp={tmp}
PrivateIPC=yes
PrivateMounts=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RemoveIPC=yes"""

# QEMU translates code into memory that it writes and runs, takes devices of the kernel, and shuts itself in (seccomp); what
# isolates the guests' network are namespaces of its own.
_WITH_MACHINES = """\
RestrictNamespaces=user net mnt
SystemCallFilter=@system-service @mount seccomp"""
_DEVICES = """\
DevicePolicy=closed
DeviceAllow=/dev/kvm rw
DeviceAllow=/dev/net/tun rw"""

_WITHOUT_MACHINES = """\
RestrictNamespaces=yes
MemoryDenyWriteExecute=yes
SystemCallFilter=@system-service
SystemCallFilter=~@privileged{resources}"""


def quoted(word: str) -> str:
    """One word of a command line as systemd reads it (systemd.service(5), systemd.syntax(7))."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if not word or set(word) & set(" \t'\";") else escaped


def unit_name(part: Part) -> str:
    """The file's name."""
    return "yunzhuo-gateway.service" if part is Part.GATEWAY else "yunzhuo.service"


def unit_text(plan: Plan, *, of_user: bool = False) -> str:
    """The unit of ``plan``, for the system or for a user's own systemd."""
    lines = _gateway(plan, of_user=of_user) if plan.part is Part.GATEWAY else _all(plan, of_user=of_user)
    target = "default.target" if of_user else "multi-user.target"
    return "\n".join([*lines, "", "[Install]", f"WantedBy={target}", ""])


def _unit(description: str, after: str = "") -> list[str]:
    return [
        "[Unit]",
        f"Description={description}",
        "Wants=network-online.target",
        f"After=network-online.target{after}",
        "StartLimitIntervalSec=300",
        "StartLimitBurst=10",
        "",
        "[Service]",
    ]


def _all(plan: Plan, *, of_user: bool) -> list[str]:
    return [
        *_unit("Yunzhuo, cloud desktops", "" if of_user else " mariadb.service mysql.service rabbitmq-server.service"),
        "Type=notify",
        "NotifyAccess=main",
        f"ExecStart={_command(plan)}",
        f"WorkingDirectory={_path(plan.home)}",
        "Restart=always",
        "RestartSec=5",
        "# It was called wrongly: once more is as wrong.",
        "RestartPreventExitStatus=2",
        f"TimeoutStartSec={_START_SECONDS}",
        f"TimeoutStopSec={_STOP_SECONDS}",
        "# It says every few seconds that none of its processes dies again and again; else it is started anew, in good order.",
        f"WatchdogSec={WATCHDOG_SECONDS}",
        "WatchdogSignal=SIGTERM",
        *_ending(plan),
        "LimitNOFILE=65536",
        "SyslogIdentifier=yunzhuo",
        "",
        *_account(plan),
        *([] if of_user else [f"ReadWritePaths={_listed(place)}" for place in (plan.home, *plan.writable) if place]),
        *_hardening(plan, of_user=of_user),
    ]


def _ending(plan: Plan) -> Iterable[str]:
    if plan.has_machines:
        return ["# The supervisor ends its own processes; desktops' machines outlive it.", "KillMode=process"]
    return ["# The supervisor ends its processes in good order; what it leaves is killed.", "KillMode=mixed"]


def _gateway(plan: Plan, *, of_user: bool) -> list[str]:
    return [
        *_unit("Yunzhuo gateway"),
        "Type=exec",
        f"ExecStart={_command(plan)}",
        "# New processes with the present configuration and certificate; nobody is cut off (with `processes` of 2 or more;",
        "# with one, certificate and key are read again).",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "Restart=always",
        "RestartSec=1",
        "# The first process ends the others in good order: open sessions get drain_seconds.",
        "KillMode=mixed",
        f"TimeoutStopSec={_STOP_SECONDS}",
        "LimitNOFILE=65536",
        "MemoryMax=2G",
        "SyslogIdentifier=yunzhuo-gateway",
        "",
        "# A user of its own and not LoadCredential=: systemd reads a credential once, and a key or certificate that is put in",
        "# the place of another would not be seen without a stop.",
        *_account(plan),
        *_hardening(plan, of_user=of_user),
    ]


def _hardening(plan: Plan, *, of_user: bool) -> Iterable[str]:
    yield from _ALWAYS.format(families=" AF_NETLINK AF_PACKET" if plan.has_machines else "").splitlines()
    if plan.has_machines:
        yield from _WITH_MACHINES.splitlines()
    else:
        # Threads that compare passwords give way to others, which is a call of @resources.
        resources = " @resources" if plan.part is Part.GATEWAY else ""
        yield from _WITHOUT_MACHINES.format(resources=resources).splitlines()
        if resources:
            yield "SystemCallFilter=setrlimit prlimit64"
    if of_user:
        return
    # For ports below 1024.
    yield "CapabilityBoundingSet=CAP_NET_BIND_SERVICE"
    yield "AmbientCapabilities=CAP_NET_BIND_SERVICE"
    yield from (_DEVICES if plan.has_machines else "PrivateDevices=yes\nDevicePolicy=closed").splitlines()
    home = "read-only" if _needs_below(plan, "/home", "/root", "/run/user") else "yes"
    tmp = "no" if _needs_below(plan, "/tmp", "/var/tmp") else "yes"  # nosec B108 # compared
    yield from _FOR_THE_SYSTEM.format(home=home, tmp=tmp).splitlines()


def _account(plan: Plan) -> Iterable[str]:
    if plan.account:
        yield f"User={plan.account}"
    if plan.groups:
        yield f"SupplementaryGroups={' '.join(plan.groups)}"


def _needs_below(plan: Plan, *folders: str) -> bool:
    """Whether something that it needs lies where it would be hidden."""
    places = [place for place in (plan.python, plan.python.resolve(), plan.config_file, plan.home, *plan.writable) if place]
    return any(place.is_relative_to(folder) for place in places for folder in folders)


def _command(plan: Plan) -> str:
    return " ".join(quoted(word) for word in plan.command)


def _path(path: Path | None) -> str:
    """A path that stands for itself: only ``%`` means something there."""
    return str(path or "/").replace("%", "%%")


def _listed(path: Path) -> str:
    """A path in a list of them."""
    return quoted(str(path)).replace("$$", "$")
