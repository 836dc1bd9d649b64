"""Debian's packages: which are missing, and installing those, as root, saying so before."""

import os
import re
import shutil
import subprocess  # nosec B404 # lists of arguments, never a shell
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from infras.setup.command import Log, SetupFailed, run, say

LISTS = Path(__file__).parent
_NEEDED_BYTES = 2 * 1024**3
_OLDEST_NODE = 18
_LOCK_WAIT_SECONDS = 300
_UNITS = {
    "haproxy": ("haproxy.service",),
    "nginx-light": ("nginx.service",),
    "rabbitmq-server": ("rabbitmq-server.service", "epmd.service", "epmd.socket"),
    "memcached": ("memcached.service",),
    "openvswitch-switch": ("openvswitch-switch.service",),
    "ovn-central": ("ovn-central.service",),
    "ovn-host": ("ovn-host.service",),
    "libvirt-daemon-system": ("libvirtd.service", "libvirtd.socket", "libvirt-guests.service", "virtlogd.socket"),
}


@dataclass(frozen=True)
class Package:
    """A line of a list. An optional one (``name?``) is installed where the distribution has it."""

    name: str
    optional: bool


def read_list(path: Path) -> list[Package]:
    """The packages of a list: one a line, ``#`` starts a comment."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [Package(line.rstrip("?"), line.endswith("?")) for line in lines if line]


def install(root: Path, lists: Iterable[str], log: Log) -> None:
    """Install what is missing of the named lists and of what this Python and the front end need."""
    wanted = [package for name in lists for package in read_list(LISTS / name)]
    wanted += [Package(name, optional=False) for name in (*_for_python(), *_for_front_end(root))]
    if not shutil.which("dpkg-query"):
        names = " ".join(package.name for package in wanted)
        say(f"this is not Debian or Ubuntu: see to it that you have what these packages bring: {names}")
        return
    missing = _missing(wanted)
    if not missing:
        return
    prefix = _root_prefix(missing)
    _check_space()
    how = "as root" if os.geteuid() == 0 else "with sudo, as root"
    optional = {package.name for package in wanted if package.optional}
    listed = " ".join(f"{name} (if this release has it)" if name in optional else name for name in missing)
    say(f"installing Debian packages {how} (apt-get): {listed}")
    apt = [
        *prefix,
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "-o",
        f"DPkg::Lock::Timeout={_LOCK_WAIT_SECONDS}",
        "-qq",
    ]
    stale = _read_package_lists(apt, root, log)
    missing = [name for name in missing if name not in _not_offered(wanted)]
    if not missing:
        return
    # Tests start their own servers: what comes with a service shall neither start now nor at the next boot.
    quietly = ["sh", str(LISTS / "without-services.sh"), " ".join(_units_of(missing))] if _units_of(missing) else []
    install = [*prefix, *quietly, *apt[len(prefix) :], "install", "--yes", "--no-install-recommends", *missing]
    try:
        run("installing Debian packages", install, log, cwd=root)
    except SetupFailed as failed:
        raise stale or failed from failed


def _units_of(packages: Iterable[str]) -> list[str]:
    return [unit for package in packages for unit in _UNITS.get(package, ())]


def _read_package_lists(apt: list[str], root: Path, log: Log) -> SetupFailed | None:
    """``apt-get update``. One source that does not answer need not matter, so its failure is kept for later."""
    try:
        run("reading the package lists", [*apt, "update"], log, cwd=root)
    except SetupFailed as failed:
        return failed
    return None


def _for_python() -> list[str]:
    """Debian cuts a part of the standard library out of its Python that making a .venv needs."""
    try:
        import ensurepip  # noqa: F401, PLC0415 (whether it is there is the question)
    except ImportError:
        return [f"python{sys.version_info.major}.{sys.version_info.minor}-venv"]
    return []


def _for_front_end(root: Path) -> list[str]:
    """Node and npm, unless new enough ones are there from elsewhere."""
    if not (root / "package.json").exists():
        return []
    node = shutil.which("node")
    if node and shutil.which("npm"):
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout  # nosec B603 # what `which` found
        found = re.match(r"v(\d+)\.", version)
        if found and int(found[1]) >= _OLDEST_NODE:
            return []
    return ["nodejs", "npm"]


def _missing(wanted: list[Package]) -> list[str]:
    names = list(dict.fromkeys(package.name for package in wanted))
    answer = subprocess.run(  # nosec B603, B607 # Debian's own, by name
        ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${Package}\n", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    installed = {line.split()[-1] for line in answer.stdout.splitlines() if line.startswith("ii")}
    missing = [name for name in names if name not in installed]
    optional = {package.name for package in wanted if package.optional}
    if set(missing) <= optional:
        not_offered = _not_offered(wanted)
        return [name for name in missing if name not in not_offered]
    return missing


def _not_offered(wanted: list[Package]) -> set[str]:
    """The optional packages that this distribution does not have."""
    names = {package.name for package in wanted if package.optional}
    if not names:
        return set()
    answer = subprocess.run(["apt-cache", "policy", *sorted(names)], capture_output=True, text=True, check=False)  # nosec B603, B607 # Debian's own, by name; names from our lists
    offered = re.findall(r"^(\S+):\n  Installed: .*\n  Candidate: (?!\(none\))", answer.stdout, re.MULTILINE)
    return names - set(offered)


def _root_prefix(missing: list[str]) -> list[str]:
    if os.geteuid() == 0:
        return []
    # -n: sudo must not ask, as nobody may be there to answer.
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:  # nosec B603 # what `which` found
        return [sudo, "-n"]
    raise SetupFailed(
        "Debian packages are missing, and neither are you root nor does sudo work without a password; run this once as root:"
        f" apt-get update && apt-get install -y --no-install-recommends {' '.join(missing)}"
    )


def _check_space() -> None:
    free = shutil.disk_usage("/usr").free
    if free < _NEEDED_BYTES:
        raise SetupFailed(
            f"Debian packages: {free / 1024**3:.1f} GiB are free on the disk with /usr, and {_NEEDED_BYTES / 1024**3:.0f} GiB"
            " are needed: make room and run it again"
        )
