"""The tiny system that pretends to run inside a server: a few files that are always there, a few commands, no shell."""

import base64
import hashlib
import posixpath
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from yunzhuo.phoenix.cloud.memory.records import ServerRecord
from yunzhuo.phoenix.cloud.resources import CommandResult
from yunzhuo.phoenix.common.errors import InvalidInput

#: Folders that are there; others cannot be made.
FOLDERS = frozenset(
    {"/", "/etc", "/etc/ssh", "/home", "/home/user", "/opt", "/root", "/run", "/srv", "/tmp", "/usr", "/var", "/var/tmp"}  # nosec B108 # folders of the guest
)

#: Where an attached volume is mounted.
VOLUME_FOLDER = "/home/user/Personal/"

OUTPUT_BYTES = 1024 * 1024
COMMAND_NOT_FOUND = 127


class Files(Protocol):
    """The guest's files by their normal path."""

    @property
    def now(self) -> float:
        """The guest's clock, seconds since 1970."""
        ...

    def read(self, path: str) -> bytes | None:
        """What the file holds, or None when it is not there."""
        ...

    def volume_kib(self) -> tuple[int, int] | None:
        """Size of the volume that is mounted and what is used of it, or None when none is."""
        ...


def normal_path(path: str) -> str:
    """The one way to write a path. Raises InvalidInput when it is not absolute."""
    if not path.startswith("/") or "\0" in path:
        raise InvalidInput("A path in the guest starts with a slash.", fields={"path": "is not absolute"})
    return "/" + posixpath.normpath(path).lstrip("/")


def home_path(path: str) -> str:
    """The whole path of something in the person's home folder. Raises InvalidInput when it is none."""
    if not path or path.startswith("/") or "\0" in path or ".." in path.split("/"):
        raise InvalidInput("A path in the home folder is relative and does not climb.", fields={"path": "is not in the home"})
    return normal_path(f"/home/user/{path}")


def system_file(record: ServerRecord, path: str) -> bytes | None:
    """A file that the system itself puts there, or None."""
    machine_id = record.identity[:32]
    if path == "/etc/hostname":
        text = record.hostname
    elif path == "/etc/machine-id":
        text = machine_id
    elif path == "/proc/sys/kernel/random/boot_id":
        text = record.boot_id
    elif path == "/etc/ssh/ssh_host_ed25519_key.pub":
        key = hashlib.sha256(record.identity.encode()).digest()
        prefix = b"\0\0\0\x0bssh-ed25519\0\0\0 "
        text = f"ssh-ed25519 {base64.b64encode(prefix + key).decode()} root@{record.hostname}"
    elif path == "/etc/os-release":
        text = f'ID=memory\nPRETTY_NAME="{record.image_id}"'
    else:
        return None
    return f"{text}\n".encode()


def run_command(argv: Sequence[str], stdin: bytes, files: Files) -> CommandResult:
    """What a command answers at once; ``sleep`` is left to the caller. At most 1 MiB of each output."""
    command = _COMMANDS.get(posixpath.basename(argv[0]))
    if command is None:
        return CommandResult(COMMAND_NOT_FOUND, b"", f"{argv[0]}: command not found\n".encode())
    code, stdout, stderr = command(argv[1:], stdin, files)
    return CommandResult(code, stdout[:OUTPUT_BYTES], stderr[:OUTPUT_BYTES])


_Outcome = tuple[int, bytes, bytes]


def _cat(arguments: Sequence[str], stdin: bytes, files: Files) -> _Outcome:
    code, stdout, stderr = 0, b"", b""
    for argument in arguments or ("-",):
        content = stdin if argument == "-" else files.read(normal_path(posixpath.join("/", argument)))
        if content is None:
            code, stderr = 1, stderr + f"cat: {argument}: No such file or directory\n".encode()
        else:
            stdout += content
    return code, stdout, stderr


def _echo(arguments: Sequence[str], _stdin: bytes, _files: Files) -> _Outcome:
    return 0, f"{' '.join(arguments)}\n".encode(), b""


def _hostname(_arguments: Sequence[str], _stdin: bytes, files: Files) -> _Outcome:
    return 0, files.read("/etc/hostname") or b"localhost\n", b""


def _id(arguments: Sequence[str], _stdin: bytes, _files: Files) -> _Outcome:
    return 0, b"0\n" if "-u" in arguments else b"uid=0(root) gid=0(root) groups=0(root)\n", b""


def _date(_arguments: Sequence[str], _stdin: bytes, files: Files) -> _Outcome:
    return 0, datetime.fromtimestamp(files.now, UTC).strftime("%a %b %e %H:%M:%S UTC %Y\n").encode(), b""


def _personal(arguments: Sequence[str], _stdin: bytes, files: Files) -> _Outcome:
    """What the images' own program for the personal disk answers."""
    if list(arguments) != ["usage"]:
        return 2, b"", b"usage: personal usage\n"
    mounted = files.volume_kib()
    return (0, f"{mounted[0]} {mounted[1]}\n".encode(), b"") if mounted else (17, b"", b"")


def _true(_arguments: Sequence[str], _stdin: bytes, _files: Files) -> _Outcome:
    return 0, b"", b""


def _false(_arguments: Sequence[str], _stdin: bytes, _files: Files) -> _Outcome:
    return 1, b"", b""


_COMMANDS: dict[str, Callable[[Sequence[str], bytes, Files], _Outcome]] = {
    "cat": _cat,
    "date": _date,
    "echo": _echo,
    "false": _false,
    "hostname": _hostname,
    "id": _id,
    "personal": _personal,
    "sleep": _true,
    "true": _true,
}
