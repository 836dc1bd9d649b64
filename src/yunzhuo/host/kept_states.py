"""States kept inside a server's disk, each under a tag: by its QEMU while it runs, by ``qemu-img`` otherwise.

Sizes are of the memory kept with a state, MiB; 0 where there is none.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yunzhuo.host.argv import DISK_DRIVE
from yunzhuo.host.engine import run_qemu_img
from yunzhuo.host.layout import DISK_NAME
from yunzhuo.host.monitor import MachineFailed, Monitor

# The guest stands still as long as its memory is written or read.
_JOB_SECONDS = 180.0


class LiveDisk:
    """The disk of a machine that lives. Every method raises MachineFailed."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    async def tags(self) -> dict[str, int]:
        """Tags of the states kept, with their sizes."""
        return _sizes((await self._inserted())["image"])

    async def keep(self, tag: str) -> None:
        """Keep disk and memory as they are now."""
        await self._run("snapshot-save", tag, with_memory=True)

    async def load(self, tag: str) -> None:
        """Put disk and memory back; whether the guest then runs is as before."""
        await self._run("snapshot-load", tag, with_memory=True)

    async def forget(self, tag: str) -> None:
        """Let a state go, and the room it took."""
        await self._run("snapshot-delete", tag, with_memory=False)

    async def _run(self, command: str, tag: str, *, with_memory: bool) -> None:
        node = (await self._inserted())["node-name"]
        arguments: dict[str, object] = {"tag": tag, "devices": [node]}
        if with_memory:
            # A state says whether it leaves shared memory out, and is taken only by a machine that says the same.
            whole = [{"capability": "x-ignore-shared", "state": False}]
            await self._monitor.execute("migrate-set-capabilities", {"capabilities": whole})
            arguments["vmstate"] = node
        await self._monitor.run_job(command, arguments, timeout_seconds=_JOB_SECONDS)

    async def _inserted(self) -> dict[str, Any]:
        # The answer comes when QEMU has ended what an earlier host process may have asked it for.
        for drive in await self._monitor.execute("query-block", timeout_seconds=_JOB_SECONDS):
            if drive.get("device") == DISK_DRIVE:
                inserted: dict[str, Any] = drive["inserted"]
                return inserted
        raise MachineFailed("QEMU does not know the machine's disk.")


class IdleDisk:
    """The disk of a machine that does not run, in its ``folder``. Every method raises MachineFailed."""

    def __init__(self, folder: Path) -> None:
        self._path = str(folder / DISK_NAME)

    async def tags(self) -> dict[str, int]:
        """Tags of the states kept, with their sizes."""
        return _sizes(json.loads(await run_qemu_img("info", "--output=json", "-f", "qcow2", self._path)))

    async def keep(self, tag: str) -> None:
        """Keep the disk as it is now."""
        await run_qemu_img("snapshot", "-q", "-c", tag, self._path)

    async def load(self, tag: str) -> None:
        """Put the disk back, its size too."""
        await run_qemu_img("snapshot", "-q", "-a", tag, self._path)

    async def forget(self, tag: str) -> None:
        """Let a state go, and the room it took."""
        await run_qemu_img("snapshot", "-q", "-d", tag, self._path)


def _sizes(image: Mapping[str, Any]) -> dict[str, int]:
    return {str(kept["name"]): int(kept["vm-state-size"]) >> 20 for kept in image.get("snapshots", ())}
