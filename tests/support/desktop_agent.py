"""The agent of desktops as a process of this computer, in the place of one in a virtual machine: with the door that its server
was given, a home folder of its own, and programs in the place of a screen's."""

import getpass
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yunzhuo_agent import door

_GUEST = Path(__file__).resolve().parents[2] / "guest"
_XCLIP = """#!/bin/sh
case "$*" in
    *-out*) cat "$HOME/clipboard" 2>/dev/null ;;
    *-in*) cat > "$HOME/clipboard" ;;
esac
"""
_GXMESSAGE = """#!/bin/sh
cat > "$HOME/message.partial" && mv "$HOME/message.partial" "$HOME/message"
"""


class AgentInside:
    """What there is to see of an agent: its home folder, what it said, its process."""

    def __init__(self, folder: Path, process: "subprocess.Popen[bytes]") -> None:
        self.home = folder / "home"
        self.process = process
        self._log = folder / "log"
        self._ready = folder / "ready"

    @property
    def said(self) -> str:
        """Its log."""
        return self._log.read_text()

    def get_ready(self) -> None:
        """The desktop is on the screen."""
        self._ready.touch()


def door_of(user_data: str) -> bytes:
    """What an agent finds in its server's user data."""
    found = door.in_user_data(user_data.encode())
    assert found is not None
    return found


@contextmanager
def agent_inside(folder: Path, door_text: bytes) -> Iterator[AgentInside]:
    """An agent of a desktop whose person is signed in (a program of theirs says where the screen is); ended at the end."""
    programs, home = folder / "programs", folder / "home"
    for each in (programs, home):
        each.mkdir(parents=True, exist_ok=True)
    for name, script in (("xclip", _XCLIP), ("gxmessage", _GXMESSAGE)):
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    (folder / "door.json").write_bytes(door_text)
    choices = {"user": getpass.getuser(), "home": str(home), "ready_files": [str(folder / "ready")]}
    (folder / "agent.json").write_text(json.dumps(choices))
    path = f"{programs}:/usr/bin:/bin"
    command = [
        sys.executable,
        "-m",
        "yunzhuo_agent",
        "--door",
        str(folder / "door.json"),
        "--choices",
        str(folder / "agent.json"),
    ]
    screen = subprocess.Popen(["sleep", "600"], env={"PATH": path, "DISPLAY": ":77"})
    with (folder / "log").open("wb") as log:
        agent = subprocess.Popen(command, env={"PATH": path, "PYTHONPATH": str(_GUEST)}, stderr=log, stdin=subprocess.DEVNULL)
    try:
        yield AgentInside(folder, agent)
    finally:
        for process in (agent, screen):
            process.kill()
            process.wait()


def this_boot() -> str:
    """The boot that agents of this computer name."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
