"""Running the programs that build an image: found before anything starts, logged whole, ended with us."""

import os
import pwd
import shutil
import signal
import subprocess  # nosec B404 # lists of arguments, never a shell
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from yunzhuo.phoenix.common.errors import Broken, Unavailable

# An ordinary user's PATH often lacks the folders of mke2fs and chroot.
SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))

_DEBIAN_PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "apt-get": "apt",
    "gpg": "gpg",
    "mke2fs": "e2fsprogs",
    "qemu-img": "qemu-utils",
    "tar": "tar",
    "bash": "bash",
    "chroot": "coreutils",
}
_FOR_ORDINARY_USERS = {"newuidmap": "uidmap", "newgidmap": "uidmap"}
_TERMINATION_SECONDS = 20.0


class ProgramFailed(Broken):
    """A program ended with an error. ``exit_code`` is its own; the log has what it said."""

    def __init__(self, program: str, exit_code: int, log: Path) -> None:
        super().__init__(
            "image_build_failed",
            f"Building the desktop image failed ({program} ended with {exit_code}); what it said is in {log}.",
            log=str(log),
        )
        self.exit_code = exit_code


def is_root() -> bool:
    """Whether this process may do all itself. Otherwise the same happens in a user namespace."""
    return os.geteuid() == 0


def require_programs(search_path: str = SEARCH_PATH) -> None:
    """Raises Unavailable, saying what to install, unless all that a build runs is there."""
    wanted = _DEBIAN_PACKAGES if is_root() else {**_DEBIAN_PACKAGES, **_FOR_ORDINARY_USERS}
    missing = {program: package for program, package in wanted.items() if shutil.which(program, path=search_path) is None}
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise Unavailable(
            "program_missing",
            f"Building the desktop image needs {', '.join(sorted(missing))}: run 'apt-get install {packages}' as root.",
            programs=sorted(missing),
        )
    if not is_root():
        _require_subordinate_ids(pwd.getpwuid(os.geteuid()).pw_name, os.geteuid())


def _require_subordinate_ids(user: str, user_id: int) -> None:
    for table in (Path("/etc/subuid"), Path("/etc/subgid")):
        lines = table.read_text(encoding="utf-8").splitlines() if table.exists() else []
        if not any(line.partition(":")[0] in {user, str(user_id)} for line in lines):
            raise Unavailable(
                "subordinate_ids_missing",
                f"Building the desktop image as {user} needs subordinate user ids, and {table} has none for {user}:"
                f" run 'usermod --add-subuids 200000-265535 --add-subgids 200000-265535 {user}' as root.",
                user=user,
            )


def run_logged(
    argv: Sequence[str],
    *,
    log: Path,
    hear: Callable[[str], None],
    environment: Mapping[str, str],
    stdin: IO[bytes] | None = None,
    pass_fds: Sequence[int] = (),
) -> None:
    """Run a program to its end, adding what it writes to ``log`` and giving each line to ``hear``. Raises ProgramFailed.

    It is in a session of its own: on Ctrl-C it is told to end and waited for, so that it can take away what it made.
    """
    with log.open("ab") as out:
        out.write(f"$ {' '.join(argv[:3])} ...\n".encode())
        out.flush()
        with subprocess.Popen(  # nosec B603 # made of our recipes
            argv,
            stdin=stdin or subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            pass_fds=pass_fds,
            start_new_session=True,
        ) as process:
            try:
                for line in process.stdout or ():
                    out.write(line)
                    out.flush()
                    hear(line.decode(errors="replace").rstrip())
                exit_code = process.wait()
            except BaseException:
                _end(process)
                raise
    if exit_code != 0:
        raise ProgramFailed(argv[0], exit_code, log)


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the program and all it started; SIGKILL where that is not heard."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.communicate(timeout=_TERMINATION_SECONDS)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
        else:
            break
    process.wait()


def base_environment() -> dict[str, str]:
    """What the programs of a build see of ours: enough to find programs and to reach a mirror through a proxy."""
    kept = {
        name: value for name, value in os.environ.items() if name.lower() in {"http_proxy", "https_proxy", "no_proxy", "home"}
    }
    return {**kept, "PATH": SEARCH_PATH, "LC_ALL": "C.UTF-8"}


def in_namespaces(argv: Sequence[str]) -> list[str]:
    """The command line that runs ``argv`` with mounts and processes of its own, and as root of its namespace if not of all."""
    return ["mmdebstrap", "--unshare-helper", *argv]
