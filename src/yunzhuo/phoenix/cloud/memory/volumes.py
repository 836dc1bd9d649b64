"""Volumes: disks that outlive servers, each attached to one server at most. What is on one is what its guest put there."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from yunzhuo.phoenix.cloud.errors import (
    ServerBusy,
    ServerLocked,
    VolumeBusy,
    VolumeInUse,
    VolumeNotFound,
    VolumeSnapshotNotFound,
)
from yunzhuo.phoenix.cloud.memory import projects, store
from yunzhuo.phoenix.cloud.memory.calls import Gate
from yunzhuo.phoenix.cloud.memory.guest_system import VOLUME_FOLDER
from yunzhuo.phoenix.cloud.memory.records import as_time
from yunzhuo.phoenix.cloud.memory.state import Transaction
from yunzhuo.phoenix.cloud.project_resources import QuotaKind
from yunzhuo.phoenix.cloud.resources import ServerStatus, Volume, VolumeRequest, VolumeSnapshot, VolumeStatus
from yunzhuo.phoenix.common.errors import InvalidInput

_Result = TypeVar("_Result")
_COLUMNS = "id, disk_id, name, size_mib, server_id, created_at"
_LARGEST_MIB = 16 * 1024 * 1024
#: A file of this path pretends that a program has it open.
OPEN_MARK = f"{VOLUME_FOLDER}.open"


class Volumes:
    """See :class:`yunzhuo.phoenix.cloud.interface.Volumes`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def create(self, request: VolumeRequest) -> Volume:
        return self._perform("create", request.disk_id, lambda transaction: _create(transaction, request))

    def find(self, disk_id: str, project_id: str | None = None) -> Volume | None:
        def look(transaction: Transaction) -> Volume | None:
            found = _find(transaction, disk_id)
            return found if projects.project_of(transaction, disk_id) == project_id else None

        return self._perform("find", disk_id, look)

    def get(self, volume_id: str) -> Volume:
        return self._perform("get", volume_id, lambda transaction: read_volume(transaction, volume_id))

    def list(self) -> Sequence[Volume]:
        return self._perform("list", "", lambda transaction: _rows(transaction, "1"))

    def attach(self, volume_id: str, server_id: str) -> None:
        self._perform("attach", volume_id, lambda transaction: _attach(transaction, volume_id, server_id))

    def detach(self, volume_id: str, server_id: str, *, force: bool = False) -> None:
        self._perform("detach", volume_id, lambda transaction: _detach(transaction, volume_id, server_id, force=force))

    def delete(self, volume_id: str) -> None:
        self._perform("delete", volume_id, lambda transaction: _delete(transaction, volume_id))

    def snapshot(self, volume_id: str, name: str) -> VolumeSnapshot:
        return self._perform("snapshot", volume_id, lambda transaction: _snapshot(transaction, volume_id, name))

    def snapshots(self, volume_id: str) -> Sequence[VolumeSnapshot]:
        return self._perform("snapshots", volume_id, lambda transaction: _snapshots(transaction, volume_id))

    def restore(self, volume_id: str, snapshot_id: str) -> None:
        self._perform("restore", volume_id, lambda transaction: _restore(transaction, volume_id, snapshot_id))

    def delete_snapshot(self, volume_id: str, snapshot_id: str) -> None:
        def delete(transaction: Transaction) -> None:
            transaction.execute("DELETE FROM volume_snapshots WHERE volume_id = ? AND id = ?", volume_id, snapshot_id)

        self._perform("delete_snapshot", volume_id, delete)

    def _perform(self, verb: str, subject: str, action: Callable[[Transaction], _Result]) -> _Result:
        return self._gate.perform(f"volumes.{verb}", lambda transaction, _plan: action(transaction), subject=subject)


def read_volume(transaction: Transaction, volume_id: str) -> Volume:
    """One volume. Raises VolumeNotFound."""
    found = _rows(transaction, "id = ?", volume_id)
    if not found:
        raise VolumeNotFound(volume_id)
    return found[0]


def volume_of(transaction: Transaction, server_id: str) -> str | None:
    """The volume that the guest of this server sees, or None."""
    row = transaction.row("SELECT id FROM volumes WHERE server_id = ? ORDER BY id", server_id)
    return str(row[0]) if row else None


def _rows(transaction: Transaction, condition: str, *values: str) -> Sequence[Volume]:
    # A server whose time to be gone has come takes no volume with it.
    transaction.execute("DELETE FROM servers WHERE gone_at <= ?", transaction.now)
    rows = transaction.rows(f"SELECT {_COLUMNS} FROM volumes WHERE {condition}", *values)  # nosec B608 # both parts are of ours alone
    return tuple(
        Volume(
            id=volume_id,
            disk_id=disk_id,
            name=name,
            size_mib=size_mib,
            status=VolumeStatus.IN_USE if server_id else VolumeStatus.AVAILABLE,
            server_id=server_id,
            created_at=as_time(created_at),
        )
        for volume_id, disk_id, name, size_mib, server_id, created_at in rows
    )


def _find(transaction: Transaction, disk_id: str) -> Volume | None:
    return next(iter(_rows(transaction, "disk_id = ?", disk_id)), None)


def _create(transaction: Transaction, request: VolumeRequest) -> Volume:
    known = _find(transaction, request.disk_id)
    if known is not None:
        return known
    if not 0 < request.size_mib <= _LARGEST_MIB:
        raise InvalidInput("No volume can have this size.", fields={"size_mib": f"1 to {_LARGEST_MIB}"})
    wanted = {QuotaKind.VOLUMES: 1, QuotaKind.VOLUMES_MIB: projects.mib_as_counted(request.size_mib)}
    projects.place(transaction, request.disk_id, request.project_id, wanted)
    volume_id = transaction.draw_id()
    transaction.execute(
        "INSERT INTO volumes (id, disk_id, name, size_mib, created_at) VALUES (?, ?, ?, ?, ?)",
        volume_id,
        request.disk_id,
        request.name,
        request.size_mib,
        transaction.now,
    )
    return read_volume(transaction, volume_id)


def _attach(transaction: Transaction, volume_id: str, server_id: str) -> None:
    volume, server = read_volume(transaction, volume_id), store.read_server(transaction, server_id)
    if volume.server_id == server_id:
        return
    if volume.server_id is not None:
        raise VolumeBusy("The volume is attached to another server.", volume_id=volume_id)
    projects.check_together(transaction, volume.disk_id, server.desktop_id)
    if server.is_locked:
        raise ServerLocked(server_id)
    if server.status is not ServerStatus.RUNNING or server.change is not None or server.gone_at is not None:
        raise ServerBusy("The server does not run, or is changing.", server_id=server_id)
    transaction.execute("UPDATE volumes SET server_id = ? WHERE id = ?", server_id, volume_id)


def _detach(transaction: Transaction, volume_id: str, server_id: str, *, force: bool) -> None:
    volume = next(iter(_rows(transaction, "id = ?", volume_id)), None)
    if volume is None or volume.server_id != server_id:
        return
    server = store.read_server(transaction, server_id)
    if server.change is not None:
        raise ServerBusy("The server is changing.", server_id=server_id)
    is_open = transaction.row("SELECT 1 FROM volume_files WHERE volume_id = ? AND path = ?", volume_id, OPEN_MARK)
    if is_open and server.status is ServerStatus.RUNNING:
        if not force:
            raise VolumeInUse(volume_id, ["editor"])
        transaction.execute("DELETE FROM volume_files WHERE volume_id = ? AND path = ?", volume_id, OPEN_MARK)
    transaction.execute("UPDATE volumes SET server_id = NULL WHERE id = ?", volume_id)


def _delete(transaction: Transaction, volume_id: str) -> None:
    _require_free(next(iter(_rows(transaction, "id = ?", volume_id)), None))
    transaction.execute("DELETE FROM volumes WHERE id = ?", volume_id)


def _snapshot(transaction: Transaction, volume_id: str, name: str) -> VolumeSnapshot:
    volume, snapshot_id = read_volume(transaction, volume_id), transaction.draw_id()
    wanted = {QuotaKind.VOLUME_SNAPSHOTS: 1, QuotaKind.VOLUMES_MIB: projects.mib_as_counted(volume.size_mib)}
    projects.check_quota(transaction, projects.project_of(transaction, volume.disk_id), wanted)
    transaction.execute(
        "INSERT INTO volume_snapshots (id, volume_id, name, created_at, size_mib) VALUES (?, ?, ?, ?, ?)",
        snapshot_id,
        volume_id,
        name,
        transaction.now,
        volume.size_mib,
    )
    transaction.execute(
        "INSERT INTO volume_snapshot_files SELECT ?, path, content FROM volume_files WHERE volume_id = ?",
        snapshot_id,
        volume_id,
    )
    return _snapshots(transaction, volume_id)[-1]


def _snapshots(transaction: Transaction, volume_id: str) -> Sequence[VolumeSnapshot]:
    read_volume(transaction, volume_id)
    rows = transaction.rows(
        "SELECT id, name, created_at, size_mib FROM volume_snapshots WHERE volume_id = ? ORDER BY number", volume_id
    )
    return tuple(
        VolumeSnapshot(snapshot_id, volume_id, name, as_time(made_at), size) for snapshot_id, name, made_at, size in rows
    )


def _restore(transaction: Transaction, volume_id: str, snapshot_id: str) -> None:
    volume = read_volume(transaction, volume_id)
    if all(kept.id != snapshot_id for kept in _snapshots(transaction, volume_id)):
        raise VolumeSnapshotNotFound(snapshot_id)
    _require_free(volume)
    transaction.execute("DELETE FROM volume_files WHERE volume_id = ?", volume_id)
    transaction.execute(
        "INSERT INTO volume_files SELECT ?, path, content FROM volume_snapshot_files WHERE snapshot_id = ?",
        volume_id,
        snapshot_id,
    )


def _require_free(volume: Volume | None) -> None:
    if volume is not None and volume.server_id is not None:
        raise VolumeBusy("The volume is attached to a server.", volume_id=volume.id, server_id=volume.server_id)
