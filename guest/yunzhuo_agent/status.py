"""How the desktop is: which start of the system this is, whether a person could work, load, memory, who is signed in."""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROC = Path("/proc")
_PEOPLE = range(1000, 60000)
_CLOUD_INIT = Path("/run/cloud-init")
# Whether a screen stands: X's sockets, Wayland's.
_SCREENS = ("/tmp/.X11-unix/X*", "/run/user/*/wayland-*")  # nosec B108 # where X puts them


@dataclass(frozen=True)
class Person:
    """Whoever works in the desktop; ``since`` (Unix time) is when the first of their programs began."""

    uid: int
    gid: int
    name: str
    home: str
    since: int


@dataclass(frozen=True)
class Choices:
    """What an image chooses: whose desktop it is (empty: whoever is signed in), the folder that files are carried into
    and out of (empty: their home), and what has to be there for it to be ready."""

    user: str = ""
    home: str = ""
    ready_files: tuple[str, ...] = ()


def boot() -> str:
    """The name of this start of the system."""
    return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def look(choices: Choices) -> dict[str, Any]:
    """What each turn says of the desktop."""
    total, available = _memory_kib()
    somebody = person(choices)
    return {
        "is_ready": is_ready(choices),
        "load": round(os.getloadavg()[0] / (os.cpu_count() or 1), 3),
        "memory_mib": total // 1024,
        "memory_used_mib": max(total - available, 0) // 1024,
        "signed_in_since": None if somebody is None else somebody.since,
    }


def is_ready(choices: Choices) -> bool:
    """Whether a person could work in it now."""
    if choices.ready_files:
        return all(_is_there(each) for each in choices.ready_files)
    if Path("/etc/desktop").is_dir():  # images of Yunzhuo's own say so themselves
        return Path("/run/desktop/ready").exists()
    has_cloud_init_ended = not _CLOUD_INIT.is_dir() or (_CLOUD_INIT / "result.json").exists()
    return has_cloud_init_ended and any(_is_there(each) for each in _SCREENS)


def person(choices: Choices) -> Person | None:
    """The image's own user if they have a program running, else the person whose programs began first; None: nobody."""
    wanted: Sequence[int] = _PEOPLE
    if choices.user:
        try:
            wanted = (pwd.getpwnam(choices.user).pw_uid,)
        except KeyError:
            return None
    began: dict[int, int] = {}
    for process in _PROC.iterdir():
        if not process.name.isdecimal():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):  # it has ended meanwhile
            uid = process.stat().st_uid
            if uid in wanted:
                ticks = _start_ticks(process)
                began[uid] = min(began.get(uid, ticks), ticks)
    for uid in sorted(began, key=lambda each: began[each]):
        with contextlib.suppress(KeyError):  # no account of this system's
            known = pwd.getpwuid(uid)
            return Person(uid, known.pw_gid, known.pw_name, known.pw_dir, _booted_at() + began[uid] // os.sysconf("SC_CLK_TCK"))
    return None


def _is_there(pattern: str) -> bool:
    return any(Path("/").glob(pattern.lstrip("/")))


def _start_ticks(process: Path) -> int:
    """proc(5): field 22, counted behind the name, which may hold anything."""
    return int((process / "stat").read_bytes().rpartition(b")")[2].split()[19])


def _booted_at() -> int:
    for line in (_PROC / "stat").read_text(encoding="ascii").splitlines():
        if line.startswith("btime "):
            return int(line.split()[1])
    return 0


def _memory_kib() -> tuple[int, int]:
    said = dict(line.split(":", 1) for line in (_PROC / "meminfo").read_text(encoding="ascii").splitlines())
    total = int(said["MemTotal"].split()[0])
    return total, int(said.get("MemAvailable", said["MemFree"]).split()[0])
