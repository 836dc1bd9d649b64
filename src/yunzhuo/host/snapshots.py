"""Snapshots: taking, listing, rolling back to, and forgetting them.

Each is a state inside the server's own disk. The record says what is about to happen to it before it happens, so that another
host process can look into the disk and finish that.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from yunzhuo.host.entries import Change, Entry
from yunzhuo.host.kept_states import IdleDisk, LiveDisk
from yunzhuo.host.machine import Machine
from yunzhuo.host.making import Maker
from yunzhuo.host.monitor import MachineFailed
from yunzhuo.host.pictures import forget_picture
from yunzhuo.host.power import Power, require_not_suspended, require_unchanged, require_unplugged
from yunzhuo.host.registry import Registry
from yunzhuo.host.servers import in_words
from yunzhuo.host.store import SnapshotPhase, SnapshotRecord, Wanted
from yunzhuo.phoenix.cloud.errors import ServerBusy, ServerNotFound, SnapshotNotFound
from yunzhuo.phoenix.cloud.resources import FaultCode, ServerStatus, Snapshot
from yunzhuo.phoenix.common.errors import YunzhuoError
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.common.logging import get_logger

# Room for a snapshot's own tables, and for the guest to write to what it now shares with the snapshot.
_DISK_MIB = 64
# Less than a driver waits for an answer; what takes longer goes on.
_WORTH_WAITING_SECONDS = 8.0
_ONLY_DISK = "What ran when the snapshot was taken could not be brought back; only the disk was rolled back to it."

logger = get_logger()
Work = Callable[[Entry], Coroutine[Any, Any, None]]


class Snapshots:
    """The snapshots of all servers. Every method but ``delete`` raises ServerNotFound."""

    def __init__(self, registry: Registry, maker: Maker, power: Power) -> None:
        self._registry = registry
        self._maker = maker
        self._power = power

    def list(self, server_id: str) -> list[Snapshot]:
        """Oldest first."""
        entry = self._registry.get(server_id)
        return [_described(entry, kept) for kept in entry.record.snapshots if kept.phase is not SnapshotPhase.GOING]

    async def take(self, server_id: str, name: str) -> Snapshot:
        """Keep disk and memory of a running server, the disk of a stopped one.

        Raises ServerBusy, NoCapacity, MachineFailed.
        """
        key = await self._maker.state_key(self._registry.get(server_id).record)
        entry = self._registry.get(server_id)
        require_unchanged(entry)
        if entry.status not in (ServerStatus.RUNNING, ServerStatus.STOPPED):
            raise ServerBusy(f"A server that is {entry.status.value} has no snapshot taken.", server_id=server_id)
        require_unplugged(entry)
        machine = entry.running
        self._registry.require_disk(_DISK_MIB + (entry.record.memory_mib if machine else 0))
        kept = SnapshotRecord(
            id=new_id(),
            name=name,
            created_at=datetime.now(UTC),
            has_memory=machine is not None,
            key=(entry.record.state_key or key) if machine else key,
            desktop_was_up=machine is not None and machine.readiness.is_ready,
        )
        snapshots = (*entry.record.snapshots, kept)
        await self._see_through(entry, Change.SNAPSHOTTING, lambda one: self._take(one, kept), snapshots=snapshots)
        return _described(entry, entry.record.snapshot(kept.id) or kept)

    async def roll_back(self, server_id: str, snapshot_id: str) -> None:
        """Return to a snapshot. Raises SnapshotNotFound, ServerBusy, NoCapacity, MachineFailed."""
        entry = self._registry.get(server_id)
        kept = entry.record.snapshot(snapshot_id)
        if kept is None or kept.phase is SnapshotPhase.GOING:
            raise SnapshotNotFound(snapshot_id)
        require_unchanged(entry)
        require_not_suspended(entry)
        require_unplugged(entry)
        if entry.running is None and kept.has_memory:
            self._registry.require_room(entry.record.memory_mib)
        wanted = Wanted.RUNNING if entry.running else Wanted.STOPPED
        written = {"rolling_back_to": kept.id, "wanted": wanted, "fault": None}
        await self._see_through(entry, Change.ROLLING_BACK, lambda one: self._roll_back(one, kept), **written)

    async def delete(self, server_id: str, snapshot_id: str) -> None:
        """Forget a snapshot, if it is there. Raises ServerBusy, MachineFailed."""
        entry = self._registry.find(server_id)
        kept = entry.record.snapshot(snapshot_id) if entry else None
        if entry is None or kept is None:
            return
        require_unchanged(entry)
        going = kept.but(phase=SnapshotPhase.GOING)
        snapshots = entry.record.with_snapshot(going)
        await self._see_through(entry, Change.SNAPSHOTTING, lambda one: self._forget(one, going), snapshots=snapshots)

    async def go_on(self, entry: Entry) -> None:
        """Finish what an earlier host process had accepted; its machine, if it runs, is followed already."""
        kept = entry.record.snapshot(entry.record.rolling_back_to)
        if kept is not None:
            self._power.begin(entry, Change.ROLLING_BACK, self._roll_back(entry, kept))
        elif any(kept.phase is not SnapshotPhase.STANDING for kept in entry.record.snapshots):
            self._power.begin(entry, Change.SNAPSHOTTING, self._settle(entry))

    async def _see_through(self, entry: Entry, change: Change, work: Work, **written: object) -> None:
        """Begin, and wait for the end for as long as a caller has patience. Raises what the work does."""
        task = await self._power.accept(entry, change, work, **written)
        if task is None:
            raise ServerNotFound(entry.id)
        done, _ = await asyncio.wait((task,), timeout=_WORTH_WAITING_SECONDS)
        if task in done and not task.cancelled():
            task.result()
        elif entry.change is Change.DELETING:
            raise ServerNotFound(entry.id)

    async def _take(self, entry: Entry, kept: SnapshotRecord) -> None:
        try:
            if kept.has_memory:
                await _live(entry).keep(kept.id)
            else:
                await IdleDisk(entry.folder).keep(kept.id)
            sizes = await _disk(entry).tags()
        except (YunzhuoError, OSError):
            await self._forget(entry, kept)
            raise
        standing = kept.but(phase=SnapshotPhase.STANDING, size_mib=sizes.get(kept.id, 0))
        await entry.save(snapshots=entry.record.with_snapshot(standing))
        logger.info("snapshot_taken", server_id=entry.id, snapshot_id=kept.id, mib=standing.size_mib)

    async def _forget(self, entry: Entry, kept: SnapshotRecord) -> None:
        disk = _disk(entry)
        if kept.id in await disk.tags():
            await disk.forget(kept.id)
        await entry.save(snapshots=entry.record.without_snapshot(kept.id))

    async def _settle(self, entry: Entry) -> None:
        """Look into the disk what became of snapshots that an earlier host process was at work on."""
        sizes = await _disk(entry).tags()
        for kept in entry.record.snapshots:
            if kept.phase is SnapshotPhase.TAKING and kept.id in sizes:
                standing = kept.but(phase=SnapshotPhase.STANDING, size_mib=sizes[kept.id])
                await entry.save(snapshots=entry.record.with_snapshot(standing))
            elif kept.phase is not SnapshotPhase.STANDING:
                await self._forget(entry, kept)

    async def _roll_back(self, entry: Entry, kept: SnapshotRecord) -> None:
        try:
            forget_picture(entry)
            fits = kept.has_memory and kept.key == await self._maker.state_key(entry.record)
            if fits and await self._to_memory(entry, kept):
                return
            await self._to_disk(entry, kept)
        except (YunzhuoError, OSError) as error:
            fault = f"The server could not be rolled back: {in_words(error)}"
            await entry.save(rolling_back_to=None, wanted=Wanted.RUNNING if entry.running else Wanted.STOPPED, fault=fault)
            raise

    async def _to_memory(self, entry: Entry, kept: SnapshotRecord) -> bool:
        """Let the server run on from the snapshot; False: it cannot, and no machine is left."""
        machine = entry.running
        try:
            if machine is not None and entry.record.state_key == kept.key:
                await self._load_into(entry, machine, kept)
                return True
            await self._power.quit(entry)
            restored = await self._maker.restore_kept(entry, kept.id)
        except (MachineFailed, OSError) as error:
            logger.warning("snapshot_memory_refused", server_id=entry.id, snapshot_id=kept.id, why=in_words(error))
            await self._power.quit(entry)
            await entry.save(wanted=Wanted.RUNNING)
            return False
        written = {"rolling_back_to": None, "wanted": Wanted.RUNNING}
        await self._power.go_on_from(entry, restored, desktop_is_up=kept.desktop_was_up, **written)
        return True

    async def _load_into(self, entry: Entry, machine: Machine, kept: SnapshotRecord) -> None:
        """Into the machine that runs: whoever looks at its screen stays connected."""
        await LiveDisk(machine.monitor).load(kept.id)
        await entry.save(rolling_back_to=None, wanted=Wanted.RUNNING, fault=None)
        # What was being said to the guest was never said to it now.
        machine.agent.close()
        await machine.go_on()
        machine.readiness.begin_again(desktop_is_up=kept.desktop_was_up)

    async def _to_disk(self, entry: Entry, kept: SnapshotRecord) -> None:
        await self._power.quit(entry)
        await IdleDisk(entry.folder).load(kept.id)
        # The snapshot's disk may be from before the server was resized.
        await self._maker.grow_disk(entry, entry.record.disk_mib)
        if entry.record.wanted is Wanted.RUNNING:
            await self._power.boot(entry)
        lost = {"fault": _ONLY_DISK, "fault_code": FaultCode.ONLY_DISK} if kept.has_memory else {"fault": None}
        await entry.save(rolling_back_to=None, saved=None, **lost)


def _live(entry: Entry) -> LiveDisk:
    if entry.running is None:
        raise MachineFailed("The machine ended meanwhile.")
    return LiveDisk(entry.running.monitor)


def _disk(entry: Entry) -> LiveDisk | IdleDisk:
    return LiveDisk(entry.running.monitor) if entry.running else IdleDisk(entry.folder)


def _described(entry: Entry, kept: SnapshotRecord) -> Snapshot:
    return Snapshot(kept.id, entry.id, kept.name, kept.created_at, kept.size_mib, kept.has_memory)
