"""A volume in a running machine: plugged in, its state kept, taken out again once the guest has let go of it."""

from contextlib import suppress
from pathlib import Path

from yunzhuo.host.guest_agent import AgentRefused, AgentSilent
from yunzhuo.host.layout import DISK_NAME, ROOT_FROM_MACHINE
from yunzhuo.host.machine import Machine
from yunzhuo.phoenix.cloud.errors import CloudUnavailable, GuestUnreachable, VolumeInUse

#: What the guest's own rule for such a disk goes by (recipes/common, 96-personal-disk.rules).
SERIAL = "personal"

_RELEASE_SECONDS = 60.0
_UNPLUG_SECONDS = 10.0
_SNAPSHOT_SECONDS = 60.0
_SYNC_SECONDS = 10.0
_IN_USE = 16
_MOST_PROGRAMS = 8
_LONGEST_NAME = 40
# A system that is not of our recipes has mounted the disk by hand, if at all.
_RELEASE = '[ -x /etc/desktop/personal ] || { sync; exit 0; }; exec /etc/desktop/personal release "$@"'


class Plug:
    """One volume in one machine. Every method raises MachineFailed; each may be begun again where another process died."""

    def __init__(self, machine: Machine, volume_id: str) -> None:
        self._machine = machine
        self._monitor = machine.monitor
        self._volume_id = volume_id
        self._node = f"volume-{volume_id[:13]}"
        self._file = f"file-{volume_id[:13]}"
        self._device = f"plugged-{volume_id[:13]}"

    async def put_in(self) -> None:
        """Let the guest see the volume."""
        path = str(Path(ROOT_FROM_MACHINE) / "volumes" / self._volume_id / DISK_NAME)
        if not await self._monitor.has_node(self._node):
            file = {"driver": "file", "node-name": self._file, "filename": path, "discard": "unmap"}
            node = {"driver": "qcow2", "node-name": self._node, "file": file, "discard": "unmap", "detect-zeroes": "unmap"}
            await self._monitor.execute("blockdev-add", node)
        if not await self._monitor.has_device(self._device):
            device = {"driver": "virtio-blk-pci", "id": self._device, "drive": self._node, "serial": SERIAL}
            await self._monitor.execute("device_add", device)

    async def is_in(self) -> bool:
        """Whether the guest sees it."""
        return await self._monitor.has_device(self._device)

    async def let_go(self, *, force: bool) -> None:
        """Have the guest write everything out and unmount. Raises VolumeInUse, GuestUnreachable, CloudUnavailable."""
        arguments = ["force"] if force else []
        try:
            argv = ["/bin/sh", "-c", _RELEASE, "sh", *arguments]
            ended = await self._machine.agent.run(argv, timeout_seconds=_RELEASE_SECONDS)
        except (AgentSilent, AgentRefused, TimeoutError) as error:
            if force:
                return  # the guest's kernel may be awake all the same; if not, it keeps the device
            raise GuestUnreachable(self._machine.folder.name) from error
        if ended.exit_code == _IN_USE:
            raise VolumeInUse(self._volume_id, _programs(ended.stdout))
        if ended.exit_code != 0:
            said = ended.stderr.decode(errors="replace").strip()[:200]
            raise CloudUnavailable("The desktop could not let go of the disk.", exit_code=ended.exit_code, said=said)

    async def take_out(self) -> None:
        """Unplug what the guest has let go of."""
        if await self._monitor.has_device(self._device):
            await self._monitor.unplug(self._device, timeout_seconds=_UNPLUG_SECONDS)
        if await self._monitor.has_node(self._node):
            await self._monitor.execute("blockdev-del", {"node-name": self._node})

    async def keep(self, tag: str) -> None:
        """Keep what is on the volume under ``tag``; the guest is asked to write out what it still holds back."""
        # Without an answer it is what a power cut would leave, and the guest's file system bears that.
        with suppress(AgentSilent, AgentRefused, TimeoutError):
            await self._machine.agent.run(["/bin/sync"], timeout_seconds=_SYNC_SECONDS)
        arguments = {"device": self._node, "name": tag}
        await self._monitor.execute("blockdev-snapshot-internal-sync", arguments, timeout_seconds=_SNAPSHOT_SECONDS)

    async def forget(self, tag: str) -> None:
        """Let a kept state go."""
        arguments = {"device": self._node, "name": tag}
        await self._monitor.execute("blockdev-snapshot-delete-internal-sync", arguments, timeout_seconds=_SNAPSHOT_SECONDS)

    async def tags(self) -> set[str]:
        """Tags of the states kept."""
        for node in await self._monitor.execute("query-named-block-nodes", {"flat": True}):
            if node.get("node-name") == self._node:
                return {str(kept["name"]) for kept in node["image"].get("snapshots", ())}
        return set()


def _programs(said: bytes) -> list[str]:
    """Names of programs as the guest says them, which may be anything."""
    lines = said.decode(errors="replace").splitlines()[:_MOST_PROGRAMS]
    names = ("".join(letter for letter in line if letter.isprintable()).strip()[:_LONGEST_NAME] for line in lines)
    return [name for name in names if name]
