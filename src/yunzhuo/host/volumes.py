"""Volumes: disks that outlive machines, each plugged into one running machine at most.

A volume is in use as long as the machine lives that it was plugged into: whatever ends that machine frees its volumes. The
record says what is about to be plugged before it is, so that no other host process plugs it elsewhere; QEMU's own lock on the
file stands behind that. Of two that ask at once the later waits for the volume's turn.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from yunzhuo.host.engine import Engine, run_qemu_img
from yunzhuo.host.entries import Change, Entry
from yunzhuo.host.kept_states import IdleDisk
from yunzhuo.host.layout import DISK_NAME, GONE_PREFIX
from yunzhuo.host.machine import Machine
from yunzhuo.host.monitor import MachineFailed
from yunzhuo.host.power import Power, require_unchanged
from yunzhuo.host.registry import Registry
from yunzhuo.host.removal import remove_folder
from yunzhuo.host.store import RecordUnreadable
from yunzhuo.host.volume_plug import Plug
from yunzhuo.host.volume_store import Plugged, VolumeRecord, VolumeSnapshotRecord, load_volume, save_volume
from yunzhuo.host.waiting import finish
from yunzhuo.phoenix.cloud.errors import CloudUnavailable, ServerBusy, VolumeBusy, VolumeNotFound, VolumeSnapshotNotFound
from yunzhuo.phoenix.cloud.resources import ServerStatus, Volume, VolumeRequest, VolumeSnapshot, VolumeStatus
from yunzhuo.phoenix.common.errors import InvalidInput, YunzhuoError
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.common.logging import get_logger

# An empty disk, or a snapshot's tables: both take little at first.
_DISK_MIB = 64
_LARGEST_MIB = 16 * 1024 * 1024
# Less than a driver waits for an answer.
_WORTH_WAITING_SECONDS = 10.0

logger = get_logger()


@dataclass(slots=True)
class _Kept:
    """One volume as the host process holds it; ``turn`` is held by whoever changes it."""

    record: VolumeRecord
    folder: Path
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def save(self, **changes: object) -> None:
        record = self.record.but(**changes)
        await finish(asyncio.to_thread(save_volume, self.folder, record))
        self.record = record


class Volumes:
    """All volumes. ``problems`` says what a person has to look at."""

    def __init__(self, engine: Engine, registry: Registry, power: Power) -> None:
        self._engine = engine
        self._registry = registry
        self._power = power
        self._volumes: dict[str, _Kept] = {}
        self._making = asyncio.Lock()
        self.problems: list[str] = []

    async def load(self) -> None:
        """Know the volumes that are there, and go on with what an earlier host process had begun. Machines are adopted."""
        for folder in sorted(self._engine.layout.volumes.iterdir()):
            try:
                record = None if folder.name.startswith(GONE_PREFIX) else load_volume(folder)
            except RecordUnreadable as error:
                logger.error("volume_record_unreadable", folder=folder.name, why=str(error))
                self.problems.append(f"The volume in {folder} cannot be read; move its folder away to forget it.")
                continue
            if record is None:
                await finish(asyncio.to_thread(remove_folder, folder))
                continue
            volume = _Kept(record, folder)
            self._volumes[record.id] = volume
            try:
                await self._go_on(volume)
            except (YunzhuoError, OSError) as error:
                logger.warning("volume_not_settled", volume_id=record.id, why=str(error))

    async def create(self, request: VolumeRequest) -> Volume:
        """An empty volume, or the one of this tag. Raises InvalidInput, NoCapacity, MachineFailed."""
        async with self._making:
            for volume in self._volumes.values():
                if volume.record.disk_id == request.disk_id:
                    return self._described(volume)
            if not 0 < request.size_mib <= _LARGEST_MIB:
                raise InvalidInput("No volume can have this size.", fields={"size_mib": f"1 to {_LARGEST_MIB}"})
            self._registry.require_disk(_DISK_MIB)
            record = VolumeRecord(
                id=new_id(),
                disk_id=request.disk_id,
                name=request.name,
                size_mib=request.size_mib,
                created_at=datetime.now(UTC),
            )
            volume = _Kept(record, self._engine.layout.volumes / record.id)
            await self._make(volume)
            self._volumes[record.id] = volume
            logger.info("volume_created", volume_id=record.id, disk_id=record.disk_id, mib=record.size_mib)
            return self._described(volume)

    def get(self, volume_id: str) -> Volume:
        """Raises VolumeNotFound."""
        return self._described(self._found(volume_id))

    def list(self, disk_id: str | None = None) -> Sequence[Volume]:
        """All volumes, or those of one tag (at most one)."""
        return [self._described(each) for each in self._volumes.values() if disk_id in (None, each.record.disk_id)]

    async def attach(self, volume_id: str, server_id: str) -> None:
        """Plug into a running server. Raises VolumeNotFound, ServerNotFound, VolumeBusy, ServerBusy, MachineFailed."""
        volume = self._found(volume_id)
        async with volume.turn:
            entry, holder = self._registry.get(server_id), self._holder(volume)
            if holder is entry and volume.record.plugged and volume.record.plugged.is_whole:
                return
            if holder not in (None, entry):
                raise VolumeBusy("The volume is attached to another server.", volume_id=volume_id)
            machine = entry.running
            if entry.status is not ServerStatus.RUNNING or machine is None:
                raise ServerBusy("The server does not run.", server_id=server_id)
            require_unchanged(entry)
            await asyncio.shield(self._power.begin(entry, Change.PLUGGING, self._plug(volume, entry, machine)))
        logger.info("volume_attached", volume_id=volume_id, server_id=server_id)

    async def detach(self, volume_id: str, server_id: str, *, force: bool) -> None:
        """Have the guest let go, and unplug. What takes longer than a caller waits goes on, and the server is busy until then.

        Raises VolumeInUse, GuestUnreachable, CloudUnavailable, ServerBusy, MachineFailed.
        """
        volume = self._volumes.get(volume_id)
        if volume is None:
            return
        async with volume.turn:
            entry = self._holder(volume)
            machine = entry.running if entry else None
            if entry is None or machine is None or entry.id != server_id:
                return
            require_unchanged(entry)
            task = self._power.begin(entry, Change.PLUGGING, self._unplug(volume, machine, force=force))
            done, _ = await asyncio.wait((task,), timeout=_WORTH_WAITING_SECONDS)
            if not done:
                raise CloudUnavailable("The desktop is still writing out what belongs on the disk.", volume_id=volume_id)
            task.result()
        logger.info("volume_detached", volume_id=volume_id, server_id=server_id)

    async def delete(self, volume_id: str) -> None:
        """Remove it with its snapshots. Raises VolumeBusy."""
        volume = self._volumes.get(volume_id)
        if volume is None:
            return
        async with volume.turn:
            self._require_free(volume)
            await finish(asyncio.to_thread(remove_folder, volume.folder))
            self._volumes.pop(volume_id, None)
        logger.info("volume_deleted", volume_id=volume_id)

    async def snapshot(self, volume_id: str, name: str) -> VolumeSnapshot:
        """Keep what is on it. Raises VolumeNotFound, NoCapacity, MachineFailed."""
        volume = self._found(volume_id)
        async with volume.turn:
            self._registry.require_disk(_DISK_MIB)
            await self._tidy(volume)
            of = volume.record
            kept = VolumeSnapshotRecord(id=new_id(), name=name, created_at=datetime.now(UTC), size_mib=of.size_mib)
            await self._disk(volume).keep(kept.id)
            await volume.save(snapshots=(*of.snapshots, kept))
        logger.info("volume_snapshot_taken", volume_id=volume_id, snapshot_id=kept.id)
        return _described_snapshot(volume, kept)

    def snapshots(self, volume_id: str) -> Sequence[VolumeSnapshot]:
        """Oldest first. Raises VolumeNotFound."""
        volume = self._found(volume_id)
        return [_described_snapshot(volume, kept) for kept in volume.record.snapshots]

    async def restore(self, volume_id: str, snapshot_id: str) -> None:
        """Put back to a snapshot. Raises VolumeNotFound, VolumeSnapshotNotFound, VolumeBusy, MachineFailed."""
        volume = self._found(volume_id)
        async with volume.turn:
            if all(kept.id != snapshot_id for kept in volume.record.snapshots):
                raise VolumeSnapshotNotFound(snapshot_id)
            self._require_free(volume)
            await volume.save(restoring_to=snapshot_id)
            await self._finish_restoring(volume, snapshot_id)
        logger.info("volume_restored", volume_id=volume_id, snapshot_id=snapshot_id)

    async def delete_snapshot(self, volume_id: str, snapshot_id: str) -> None:
        """Forget a snapshot, if it is there. Raises MachineFailed."""
        volume = self._volumes.get(volume_id)
        if volume is None:
            return
        async with volume.turn:
            await volume.save(snapshots=tuple(kept for kept in volume.record.snapshots if kept.id != snapshot_id))
            await self._tidy(volume)

    async def _make(self, volume: _Kept) -> None:
        """The folder, the disk, and last the record, which is the moment the volume exists."""
        volume.folder.mkdir()
        self._engine.account.let_pass(volume.folder)
        disk = volume.folder / DISK_NAME
        try:
            await run_qemu_img("create", "-q", "-f", "qcow2", str(disk), f"{volume.record.size_mib}M")
            self._engine.account.own(disk, 0o600)
            await volume.save()
        except BaseException:
            remove_folder(volume.folder)
            raise

    async def _go_on(self, volume: _Kept) -> None:
        if volume.record.restoring_to is not None:
            await self._finish_restoring(volume, volume.record.restoring_to)
        plugged = volume.record.plugged
        entry = self._registry.find(plugged.server_id) if plugged else None
        machine = entry.running if entry else None
        if plugged is None or entry is None or machine is None or machine.process.identity != plugged.process:
            return
        plug = Plug(machine, volume.record.id)
        if plugged.is_whole and not await plug.is_in():
            # The guest had let go of it, and nobody was there to write that down.
            await plug.take_out()
            await volume.save(plugged=None)
            return
        machine.volumes.add(volume.record.id)
        if not plugged.is_whole:
            await plug.put_in()
            await volume.save(plugged=plugged.model_copy(update={"is_whole": True}))

    async def _plug(self, volume: _Kept, entry: Entry, machine: Machine) -> None:
        plugged = Plugged(server_id=entry.id, process=machine.process.identity)
        await volume.save(plugged=plugged)
        machine.volumes.add(volume.record.id)
        plug = Plug(machine, volume.record.id)
        try:
            await plug.put_in()
        except MachineFailed:
            await plug.take_out()
            machine.volumes.discard(volume.record.id)
            await volume.save(plugged=None)
            raise
        await volume.save(plugged=plugged.model_copy(update={"is_whole": True}))

    async def _unplug(self, volume: _Kept, machine: Machine, *, force: bool) -> None:
        plug = Plug(machine, volume.record.id)
        await plug.let_go(force=force)
        await plug.take_out()
        machine.volumes.discard(volume.record.id)
        await volume.save(plugged=None)

    async def _finish_restoring(self, volume: _Kept, snapshot_id: str) -> None:
        """Twice is harmless: the disk is then what the snapshot says."""
        await IdleDisk(volume.folder).load(snapshot_id)
        await volume.save(restoring_to=None)

    async def _tidy(self, volume: _Kept) -> None:
        """Forget what the disk has kept and nobody knows of (any more)."""
        disk = self._disk(volume)
        for tag in set(await disk.tags()) - {kept.id for kept in volume.record.snapshots}:
            await disk.forget(tag)

    def _disk(self, volume: _Kept) -> Plug | IdleDisk:
        entry = self._holder(volume)
        machine = entry.running if entry else None
        return Plug(machine, volume.record.id) if machine else IdleDisk(volume.folder)

    def _holder(self, volume: _Kept) -> Entry | None:
        """The server whose living machine has the volume plugged in, or None."""
        plugged = volume.record.plugged
        entry = self._registry.find(plugged.server_id) if plugged else None
        has_it = entry is not None and entry.running is not None and volume.record.id in entry.running.volumes
        return entry if has_it else None

    def _require_free(self, volume: _Kept) -> None:
        if self._holder(volume) is not None:
            raise VolumeBusy("The volume is attached to a server.", volume_id=volume.record.id)

    def _found(self, volume_id: str) -> _Kept:
        try:
            return self._volumes[volume_id]
        except KeyError:
            raise VolumeNotFound(volume_id) from None

    def _described(self, volume: _Kept) -> Volume:
        of, holder = volume.record, self._holder(volume)
        is_whole = of.plugged is not None and of.plugged.is_whole
        in_use = VolumeStatus.IN_USE if is_whole else VolumeStatus.CHANGING
        return Volume(
            id=of.id,
            disk_id=of.disk_id,
            name=of.name,
            size_mib=of.size_mib,
            status=in_use if holder else VolumeStatus.AVAILABLE,
            server_id=holder.id if holder else None,
            created_at=of.created_at,
        )


def _described_snapshot(volume: _Kept, kept: VolumeSnapshotRecord) -> VolumeSnapshot:
    return VolumeSnapshot(kept.id, volume.record.id, kept.name, kept.created_at, kept.size_mib)
