"""The files of the person who works in a running server, in pieces, through its agent."""

import stat
from collections.abc import Sequence
from datetime import UTC, datetime

from yunzhuo.host.guest import Guests
from yunzhuo.host.guest_agent import Ended
from yunzhuo.phoenix.cloud.errors import CloudUnavailable
from yunzhuo.phoenix.cloud.interface import PIECE_BYTES
from yunzhuo.phoenix.cloud.resources import FilePiece, GuestFile
from yunzhuo.phoenix.common.errors import InvalidInput, LimitReached, NotFound

_SECONDS = 60.0

_NO_FILE, _SHORTER, _NO_SPACE = 44, 47, 48
# All of it runs as the person (as-user, which also goes to their home folder). "./" keeps a name from being an option.
_LIST = "stat -L --printf '%f %s %Y %n\\0' \"./$1\"/* 2>/dev/null; true"
_BEGIN = f'mkdir -p "./$(dirname "./$1")" && cat > "./$1" || exit {_NO_SPACE}'
_ADD = (
    f'[ -f "./$1" ] || exit {_NO_FILE}; [ "$(stat -L -c %s "./$1")" -ge "$2" ] || exit {_SHORTER}; '
    f'truncate -s "$2" "./$1" && cat >> "./$1" || exit {_NO_SPACE}'
)
_READ = f'[ -f "./$1" ] || exit {_NO_FILE}; stat -L -c %s "./$1" >&2; tail -c "+$(($2 + 1))" "./$1" | head -c "$3"'
_MOVE = f'[ -f "./$1" ] || exit {_NO_FILE}; mv -f "./$1" "./$2"'
_DELETE = 'rm -f "./$1"'


class GuestFiles:
    """Every method raises ServerNotFound, GuestUnreachable, and InvalidInput for a path that is not in the home folder."""

    def __init__(self, guests: Guests) -> None:
        self._guests = guests

    async def list(self, server_id: str, folder: str) -> Sequence[GuestFile]:
        """The plain files in a folder, by name, without the hidden ones."""
        _require_in_home(folder)
        listed = (await self._ask(server_id, _LIST, folder)).stdout.split(b"\0")
        found = (_file(line) for line in listed if line)
        return sorted((file for file in found if file is not None), key=lambda file: file.name)

    async def write_piece(self, server_id: str, path: str, content: bytes, *, offset: int) -> None:
        """Put a piece behind the first ``offset`` bytes. Raises InvalidInput, NotFound, LimitReached."""
        _require_in_home(path)
        script = _ADD if offset else _BEGIN
        await self._ask(server_id, script, path, str(offset), stdin=content)

    async def read_piece(self, server_id: str, path: str, *, offset: int, max_bytes: int) -> FilePiece:
        """A piece of at most ``max_bytes``. Raises NotFound."""
        _require_in_home(path)
        if not 0 <= max_bytes <= PIECE_BYTES or offset < 0:
            raise InvalidInput("That is more than a piece.", fields={"max_bytes": "too large"})
        ended = await self._ask(server_id, _READ, path, str(offset), str(max_bytes))
        return FilePiece(ended.stdout, int(ended.stderr.split()[0]))

    async def move(self, server_id: str, path: str, new_path: str) -> None:
        """Give a file another path. Raises NotFound."""
        _require_in_home(path)
        _require_in_home(new_path)
        await self._ask(server_id, _MOVE, path, new_path)

    async def delete(self, server_id: str, path: str) -> None:
        """Remove a file, if it is there."""
        _require_in_home(path)
        await self._ask(server_id, _DELETE, path)

    async def _ask(self, server_id: str, script: str, *arguments: str, stdin: bytes = b"") -> Ended:
        argv = ["/etc/desktop/as-user", "/bin/sh", "-c", script, "sh", *arguments]
        async with self._guests.reached(server_id) as agent:
            ended = await agent.run(argv, stdin=stdin, timeout_seconds=_SECONDS)
        _require_done(ended, arguments[0])
        return ended


def _require_in_home(path: str) -> None:
    if not path or path.startswith("/") or "\0" in path or ".." in path.split("/"):
        raise InvalidInput("A path in the home folder is relative and does not climb.", fields={"path": "not in the home"})


def _require_done(ended: Ended, path: str) -> None:
    match ended.exit_code:
        case 0:
            return
        case code if code == _NO_FILE:
            raise NotFound("guest_file_not_found", "There is no such file in the desktop.", path=path)
        case code if code == _SHORTER:
            raise InvalidInput("The file is shorter than that.", code="file_out_of_step")
        case code if code == _NO_SPACE:
            raise LimitReached("guest_disk_full", "The desktop could not take the file: its disk is full.")
        case _:
            said = ended.stderr.decode(errors="replace").strip()[:200]
            raise CloudUnavailable("The desktop could not do it.", exit_code=ended.exit_code, said=said)


def _file(line: bytes) -> GuestFile | None:
    """A file from what the desktop says of it, which may be anything; None for what is no plain file."""
    try:
        mode, size, modified, path = line.decode().split(" ", 3)
        name = path.rpartition("/")[2]
        if not stat.S_ISREG(int(mode, 16)):
            return None
        return GuestFile(name, max(int(size), 0), datetime.fromtimestamp(int(modified), UTC))
    except (ValueError, OverflowError, OSError):
        return None
