"""What can be asked of the system inside a running server, through its agent."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from yunzhuo.host.entries import Change
from yunzhuo.host.guest_agent import AgentRefused, AgentSilent, Ended, GuestAgent
from yunzhuo.host.registry import Registry
from yunzhuo.phoenix.cloud.errors import CloudUnavailable, GuestUnreachable
from yunzhuo.phoenix.cloud.resources import CommandResult
from yunzhuo.phoenix.common.errors import InvalidInput, NotFound

# A clone becomes itself within a fraction of a second: whoever asks meanwhile is answered at that moment, not a poll later.
_WORTH_WAITING_SECONDS = 0.4
_IS_YOUNG_SECONDS = 5.0

_OUTPUT_LIMIT_BYTES = 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_FILE_SECONDS = 60.0

_NO_FOLDER, _NO_FILE, _TOO_LARGE = 44, 45, 46
# The shell's own exit codes tell apart what the agent would only tell in words. "$1" is the path.
_RUN = 'exec "$@"'
_BEGIN_FILE = f'[ -d "${{1%/*}}/" ] || exit {_NO_FOLDER}; : > "$1.partial"'
_ADD_TO_FILE = 'cat >> "$1.partial"'
_END_FILE = 'mv -f "$1.partial" "$1"'
_READ_FILE = (
    f'[ -f "$1" ] || exit {_NO_FILE}; [ "$(stat -L -c %s "$1")" -le "$2" ] || exit {_TOO_LARGE}; '
    'dd if="$1" bs=65536 skip="$3" count=16 2>/dev/null'
)
_READ_BLOCKS, _READ_BLOCK_BYTES = 16, 65536


class Guests:
    """The guests of all servers. Every method raises ServerNotFound, all but ``ready`` GuestUnreachable."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def ready(self, server_id: str) -> bool:
        """Whether a person could work in it now. Waits a moment for a clone that is about to be."""
        entry = self._registry.get(server_id)
        machine = entry.running
        if machine is None or entry.change not in (None, Change.MAKING, Change.PLUGGING):
            return False
        if not machine.readiness.is_ready and machine.readiness.age_seconds < _IS_YOUNG_SECONDS:
            try:
                async with asyncio.timeout(_WORTH_WAITING_SECONDS):
                    await machine.readiness.wait_until_ready()
            except TimeoutError:
                return False
        return machine.readiness.is_ready and entry.running is machine

    async def run(self, server_id: str, argv: Sequence[str], *, stdin: bytes, timeout_seconds: float) -> CommandResult:
        """Run a command as root. Raises CloudUnavailable when it has not ended in time."""
        if not argv or any("\0" in argument for argument in argv):
            raise InvalidInput("A command needs a program, and no zero bytes.", fields={"argv": "not a command"})
        async with self.reached(server_id) as agent:
            ended = await agent.run(_shell(_RUN, *argv), stdin=stdin, timeout_seconds=timeout_seconds)
        return CommandResult(ended.exit_code, ended.stdout[:_OUTPUT_LIMIT_BYTES], ended.stderr[:_OUTPUT_LIMIT_BYTES])

    async def write_file(self, server_id: str, path: str, content: bytes) -> None:
        """Put a file into the guest. Raises InvalidInput, NotFound (its folder)."""
        _require_absolute(path)
        async with self.reached(server_id) as agent:
            _require_found(await agent.run(_shell(_BEGIN_FILE, path), timeout_seconds=_FILE_SECONDS), path)
            for start in range(0, len(content), _CHUNK_BYTES):
                chunk = content[start : start + _CHUNK_BYTES]
                _require_found(await agent.run(_shell(_ADD_TO_FILE, path), stdin=chunk, timeout_seconds=_FILE_SECONDS), path)
            _require_found(await agent.run(_shell(_END_FILE, path), timeout_seconds=_FILE_SECONDS), path)

    async def read_file(self, server_id: str, path: str, *, max_bytes: int) -> bytes:
        """Get a file out of the guest. Raises InvalidInput (too large), NotFound."""
        _require_absolute(path)
        content = bytearray()
        async with self.reached(server_id) as agent:
            while True:
                done_blocks = len(content) // _READ_BLOCK_BYTES
                command = _shell(_READ_FILE, path, str(max_bytes), str(done_blocks))
                ended = await agent.run(command, timeout_seconds=_FILE_SECONDS)
                _require_found(ended, path)
                content += ended.stdout
                if len(ended.stdout) < _READ_BLOCKS * _READ_BLOCK_BYTES:
                    return bytes(content)

    async def get_clipboard(self, server_id: str) -> str:
        """The desktop's clipboard as text."""
        result = await self.run(server_id, ["/etc/desktop/clipboard", "get"], stdin=b"", timeout_seconds=10)
        return result.stdout.decode(errors="replace")

    async def set_clipboard(self, server_id: str, text: str) -> None:
        """Put text into the desktop's clipboard."""
        await self._require_success(server_id, ["/etc/desktop/clipboard", "set"], text.encode())

    async def message(self, server_id: str, text: str) -> None:
        """Show a message on the desktop's screen."""
        await self._require_success(server_id, ["/etc/desktop/message", text], b"")

    async def _require_success(self, server_id: str, argv: Sequence[str], stdin: bytes) -> None:
        result = await self.run(server_id, argv, stdin=stdin, timeout_seconds=10)
        if result.exit_code != 0:
            raise CloudUnavailable("The desktop could not do it.", exit_code=result.exit_code)

    @asynccontextmanager
    async def reached(self, server_id: str) -> AsyncIterator[GuestAgent]:
        """The agent of a running server; its failures become errors of the cloud interface."""
        machine = self._registry.get(server_id).running
        if machine is None:
            raise GuestUnreachable(server_id)
        try:
            yield machine.agent
        except (AgentSilent, AgentRefused) as error:
            raise GuestUnreachable(server_id) from error
        except TimeoutError:
            raise CloudUnavailable("What was asked of the desktop did not end in time.", server_id=server_id) from None


def _shell(script: str, *arguments: str) -> list[str]:
    return ["/bin/sh", "-c", script, "sh", *arguments]


def _require_absolute(path: str) -> None:
    if not path.startswith("/") or "\0" in path:
        raise InvalidInput("A path in the guest must be absolute.", fields={"path": "not absolute"})


def _require_found(ended: Ended, path: str) -> None:
    if ended.exit_code in (_NO_FOLDER, _NO_FILE):
        raise NotFound("file_not_found", "The desktop has no such file or folder.", path=path)
    if ended.exit_code == _TOO_LARGE:
        raise InvalidInput("The file is larger than was asked for.", code="file_too_large", fields={"path": "too large"})
    if ended.exit_code != 0:
        said = ended.stderr.decode(errors="replace").strip()[:200]
        raise CloudUnavailable("The desktop could not do it.", exit_code=ended.exit_code, said=said)
