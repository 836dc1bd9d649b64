"""What has to be right on this computer: asked before a start, and told by `yunzhuo doctor`.

Each check answers one :class:`Finding` and changes nothing.
"""

import errno
import os
import re
import shutil
import socket
import subprocess  # nosec B404 # lists of arguments, never a shell
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from yunzhuo.phoenix.config.settings import AgentSettings, Settings
from yunzhuo.scheduler import platform

_MIB = 1024 * 1024
OLDEST_QEMU = (7, 2)
OUR_PROCESSES_MIB = 768


class Verdict(StrEnum):
    """How bad it is."""

    GOOD = "good"
    NOTE = "note"  # works, but not as well as it could
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """What was found, and what to do about it."""

    what: str
    verdict: Verdict
    found: str
    advice: str = ""


def good(what: str, found: str) -> Finding:
    """All is well."""
    return Finding(what, Verdict.GOOD, found)


def bad(what: str, found: str, advice: str) -> Finding:
    """Yunzhuo cannot run like this."""
    return Finding(what, Verdict.BAD, found, advice)


def note(what: str, found: str, advice: str) -> Finding:
    """Yunzhuo runs, with less than it could have."""
    return Finding(what, Verdict.NOTE, found, advice)


def qemu() -> Finding:
    """Whether QEMU is there and new enough."""
    missing = [program for program in ("qemu-system-x86_64", "qemu-img") if not shutil.which(program)]
    if missing:
        return bad("QEMU", f"{' and '.join(missing)} not found", "install it with `make setup`")
    answer = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=False).stdout  # nosec B603, B607 # the emulator on the administrator's PATH
    version = re.search(r"version (\d+)\.(\d+)", answer)
    if not version:
        return bad("QEMU", "does not say its version", "install it anew: apt-get install --reinstall qemu-system-x86")
    numbers = (int(version[1]), int(version[2]))
    found = f"version {numbers[0]}.{numbers[1]}"
    if numbers < OLDEST_QEMU:
        return bad("QEMU", found, f"version {OLDEST_QEMU[0]}.{OLDEST_QEMU[1]} or newer is needed: upgrade the system")
    return good("QEMU", found)


def ports(settings: Settings) -> list[Finding]:
    """Whether each port we listen on is free."""
    gateway = _port("gateway.port", "--gateway-port", settings.gateway.host, settings.gateway.port)
    return [
        _port("web.port", "--port", settings.web.host, settings.web.port),
        *([] if "gateway" in platform.NOT_HERE else [gateway]),
        _port("stream.port", "--stream-port", "127.0.0.1", settings.stream.port),
        *(_agents_ports(settings.agents) if settings.agents.public_url else []),
    ]


def _agents_ports(agents: AgentSettings) -> list[Finding]:
    return [
        _port("agents.port", "[agents] port", agents.host, agents.port),
        _port("agents.local_port", "[agents] local_port", agents.local_host, agents.local_port),
    ]


def _port(setting: str, flag: str, host: str, port: int) -> Finding:
    what = f"port {port} ({setting})"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            if sys.platform != "win32":  # as servers do it: a port whose last connections are still fading away is free
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return bad(what, f"{error.strerror} on {host}", f"choose another with {flag}, or correct the address")
        holder = _listener(port)
        return bad(what, f"taken by {holder or 'another program'}", f"stop that, or choose another with {flag}")
    return good(what, "free")


def _listener(port: int) -> str | None:
    """The process that listens on a TCP port, as far as /proc lets us see: "nginx (process 812)"."""
    inodes: set[str] = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if table.exists():
            for line in table.read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    if not inodes:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(descriptor.readlink()) in inodes for descriptor in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
        except OSError:
            continue  # another user's, or gone in the meantime
    return None


def disk(settings: Settings) -> Finding:
    """Whether there is space for desktops; what an image needs, its build asks for."""
    free_mib = shutil.disk_usage(_nearest(settings.home)).free // _MIB
    needed_mib = settings.host.disk_reserve_mib
    found = f"{free_mib} MiB free for {settings.home}"
    if free_mib < needed_mib:
        return bad("disk", found, f"{needed_mib} MiB are needed: make room, or choose another place with --home")
    return good("disk", found)


def memory(settings: Settings) -> Finding:
    """Whether there is memory for our own processes, and for a desktop beside them."""
    free_mib = psutil.virtual_memory().available // _MIB
    found = f"{free_mib} MiB available"
    if free_mib < OUR_PROCESSES_MIB:
        return bad("memory", found, f"{OUR_PROCESSES_MIB} MiB are needed: end other programs")
    smallest_mib = min(flavor.memory_mib for flavor in settings.host.flavors)
    needed_mib = settings.host.memory_reserve_mib + smallest_mib
    if settings.cloud.driver == "local" and free_mib < needed_mib:
        return note("memory", found, f"no further desktop can start below {needed_mib} MiB: end other programs")
    return good("memory", found)


def home(settings: Settings) -> Finding:
    """Whether the state folder is ours and closed to others."""
    place = settings.home
    if not place.exists():
        parent = _nearest(place)
        if os.access(parent, os.W_OK):
            return good("state folder", f"{place} (not made yet)")
        return bad("state folder", f"{place} cannot be made", f"{parent} belongs to somebody else: choose another with --home")
    if not place.is_dir() or not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        return bad(
            "state folder", f"{place} cannot be used", "it belongs to somebody else, or is no folder: use another --home"
        )
    mode = place.stat().st_mode & 0o777
    if mode & 0o077:
        return note("state folder", f"{place} is open to others (mode {mode:o})", f"close it: chmod 700 {place}")
    return good("state folder", str(place))


def _nearest(path: Path) -> Path:
    """``path``, or the nearest parent that exists."""
    return next(place for place in (path, *path.parents) if place.exists())
