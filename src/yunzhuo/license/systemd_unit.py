"""The license server as a service of systemd, with no more of the computer than it needs (systemd.exec(5))."""

import sys
from collections.abc import Sequence
from pathlib import Path

_LOWEST_FREE_PORT = 1024
_TEMPLATE = """\
# Written by `yunzhuo license deploy`, which writes it again: changes belong into yunzhuo-license.service.d/.
[Unit]
Description=Yunzhuo license server
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
ExecStart={command}
Restart=always
RestartSec=2
TimeoutStopSec=20

User={user}
Group={user}
ReadWritePaths={state}
UMask=0077
AmbientCapabilities={capability}
CapabilityBoundingSet={capability}
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome={home}
PrivateTmp=yes
PrivateDevices=yes
PrivateIPC=yes
PrivateMounts=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=pid
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallFilter=setrlimit prlimit64
SystemCallErrorNumber=EPERM
LimitNOFILE=65536
MemoryMax=1G

[Install]
WantedBy=multi-user.target
"""


def unit(config: Path, state: Path, user: str, *, port: int) -> str:
    """The unit's text; ``config`` is the settings file, ``state`` the one folder that is written to."""
    command = [str(Path(sys.executable).absolute()), "-m", "yunzhuo", "license", "server", "--config", str(config)]
    return _TEMPLATE.format(
        command=" ".join(map(_quoted, command)),
        user=user,
        state=_quoted(str(state)),
        capability="CAP_NET_BIND_SERVICE" if port < _LOWEST_FREE_PORT else "",
        # Where the program or its state lie below /home, that has to be seen; written to is the state alone.
        home="read-only" if _is_at_home((Path(sys.executable), config, state)) else "yes",
    )


def sysusers(user: str) -> str:
    """What makes the user that it runs as (sysusers.d(5)): it owns its state and nothing else."""
    return f'u {user} - "Yunzhuo license server" / -\n'


def _is_at_home(paths: Sequence[Path]) -> bool:
    return any(path.is_relative_to(home) for path in paths for home in ("/home", "/root", "/run/user"))


def _quoted(text: str) -> str:
    """As systemd.service(5) reads it: `%` begins a specifier, `$` a variable."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if any(character in escaped for character in " \"\\;'") else escaped
