"""A systemd that has really booted: process 1 of namespaces of its own, with no units but journald's and ours.

It has its own /run, /etc, /srv and /var/log, and of the folders that the clone and Python lie in (/home, say) these two alone;
all else is this computer's. Only root makes such namespaces.
"""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import eventually

CLONE = Path(__file__).resolve().parents[2]
_UNITS = """basic.target sysinit.target multi-user.target network-online.target network.target shutdown.target final.target
umount.target sockets.target timers.target paths.target slices.target local-fs.target swap.target exit.target
systemd-exit.service systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket"""
# $1: the name of a control group of its own; then folders that stay, where everything around them goes.
_BOOT = f"""
set -e
mount --make-rprivate /
for folder in /run /srv /var/log; do mount -t tmpfs -o mode=755 tmpfs $folder; done
mkdir -p /run/lock /run/kept/units /run/kept/etc
(cd /usr/lib/systemd/system && cp $(echo {_UNITS.replace(chr(10), " ")}) /run/kept/units)
cp -a /etc/. /run/kept/etc
rm -rf /run/kept/etc/systemd/system
mkdir /run/kept/etc/systemd/system
printf '[Unit]\nRequires=basic.target systemd-journald.service\nAfter=basic.target\nAllowIsolate=yes\n' \
    > /run/kept/etc/systemd/system/default.target
mount --bind /run/kept/units /usr/lib/systemd/system
mount --bind /run/kept/etc /etc
groups=/sys/fs/cgroup/systemd
[ -d $groups ] || groups=/sys/fs/cgroup
mkdir "$groups/$1"
echo $$ > "$groups/$1/cgroup.procs"
shift
for folder; do mkdir -p "/run/kept$folder"; mount --bind "$folder" "/run/kept$folder"; done
for folder; do echo "$folder" | cut -d/ -f2; done | sort -u | while read top; do mount -t tmpfs -o mode=755 tmpfs "/$top"; done
for folder; do mkdir -p "$folder"; mount --bind "/run/kept$folder" "$folder"; done
cd /
container=lxc exec unshare --cgroup --pid --fork --mount-proc --kill-child \
    /usr/lib/systemd/systemd --system --log-target=console --show-status=no
"""


@dataclass
class Booted:
    """A running systemd; ``pid`` is its process's, as this computer sees it."""

    pid: int

    def run(self, *command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command beside it, as root."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--", "env", "--chdir=/"]
        done = subprocess.run([*enter, *command], capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}{self.journal()}"
        return done

    def journal(self) -> str:
        """Everything that was logged, newest last."""
        return self.run("journalctl", "--no-pager", "--facility=daemon", "--output=short", check=False).stdout


@contextmanager
def booted_systemd(log: Path) -> Iterator[Booted]:
    """For the length of a ``with`` block; what systemd itself says goes to ``log``."""
    group = f"yunzhuo-test-{uuid.uuid4().hex[:12]}"
    # Where the way to them is closed to others, it is opened here.
    kept = [str(place) for place in (CLONE, Path(sys.base_prefix)) if not place.is_relative_to("/usr")]
    command = ["unshare", "--mount", "--ipc", "--uts", "sh", "-c", _BOOT, "sh", group, *kept]
    with log.open("w") as output:
        outer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    try:
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        eventually(lambda: "systemd" in _names(children), 20, what=log.read_text)
        booted = Booted(int(children.read_text().split()[0]))
        eventually(
            lambda: booted.run("systemctl", "is-active", "default.target", check=False).returncode == 0,
            20,
            what=log.read_text,
        )
        yield booted
    finally:
        # With process 1 of its namespace everything in it ends.
        outer.kill()
        outer.wait()
        for folder in (Path("/sys/fs/cgroup/systemd") / group, Path("/sys/fs/cgroup") / group):
            _remove_groups(folder)


def _names(children: Path) -> set[str]:
    try:
        return {Path(f"/proc/{pid}/comm").read_text().strip() for pid in children.read_text().split()}
    except OSError:
        return set()


def _remove_groups(folder: Path) -> None:
    if folder.is_dir():
        inside = sorted((each for each in folder.rglob("*") if each.is_dir()), reverse=True)

        def all_gone() -> bool:
            for each in [*inside, folder]:
                try:
                    each.rmdir()
                except FileNotFoundError:
                    continue
                except OSError:
                    return False  # what was killed has not gone yet
            return True

        eventually(all_gone, 10, what="the end of its control groups")
