"""`python3 -m infras.openstack up|down|wipe|status`, from the clone, as root."""

import fcntl
import os
import sys
from pathlib import Path

from infras.openstack import down, install, up
from infras.openstack.layout import Layout
from infras.openstack.processes import CloudFailed, Processes, say
from infras.setup.command import SetupFailed

_COMMANDS = ("up", "down", "wipe", "status")


def main(arguments: list[str]) -> int:
    """Answers the exit code."""
    if len(arguments) != 1 or arguments[0] not in _COMMANDS:
        sys.stderr.write(f"usage: python3 -m infras.openstack {'|'.join(_COMMANDS)}\n")
        return 2
    if os.geteuid() != 0:
        sys.stderr.write("error: the test cloud makes network namespaces and mounts: run it as root\n")
        return 1
    layout = Layout.of_this_computer()
    processes = Processes(layout)
    layout.make_folders()
    with (layout.state / "lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second `make cloud` waits for the first, and then finds it up
        try:
            return _run(arguments[0], layout, processes)
        except (CloudFailed, SetupFailed) as failed:
            sys.stderr.write(f"error: {failed}\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write("test cloud: interrupted; run it again to go on\n")
            return 130


def _run(command: str, layout: Layout, processes: Processes) -> int:
    if command == "up":
        is_running = any(map(processes.is_alive, processes.known()))
        install.install(Path(__file__).resolve().parents[2], layout, is_running=is_running)
        up.bring_up(layout, processes)
        say(f"ready: clouds `yunzhuo` (a tenant) and `admin` of {layout.clouds_file}")
    elif command == "status":
        for name in processes.known():
            say(f"{name}: {'runs' if processes.is_alive(name) else 'has ended'}")
        return 0 if processes.known() and all(map(processes.is_alive, processes.known())) else 1
    else:
        down.bring_down(layout, processes)
        if command == "wipe":
            down.wipe(layout)
        say("stopped" if command == "down" else "stopped, and its state removed")
    return 0


sys.exit(main(sys.argv[1:]))
