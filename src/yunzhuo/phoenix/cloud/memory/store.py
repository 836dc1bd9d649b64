"""Servers and their snapshots in the state file: read as they are at the transaction's moment, written whole."""

from collections.abc import Sequence

from yunzhuo.phoenix.cloud.errors import ServerNotFound, SnapshotNotFound
from yunzhuo.phoenix.cloud.memory.records import ServerRecord, SnapshotRecord, settle
from yunzhuo.phoenix.cloud.memory.state import Transaction


def purge(transaction: Transaction) -> None:
    """Those whose time to be gone has come are gone."""
    transaction.execute("DELETE FROM servers WHERE gone_at <= ?", transaction.now)


def read_server(transaction: Transaction, server_id: str) -> ServerRecord:
    """One of our servers. Raises ServerNotFound."""
    purge(transaction)
    row = transaction.row("SELECT record FROM servers WHERE id = ? AND desktop_id IS NOT NULL", server_id)
    if row is None:
        raise ServerNotFound(server_id)
    return settle(ServerRecord.model_validate_json(row[0]), transaction.now)


def find_server(transaction: Transaction, desktop_id: str) -> ServerRecord | None:
    """The server with this tag, or None."""
    purge(transaction)
    row = transaction.row("SELECT record FROM servers WHERE desktop_id = ?", desktop_id)
    return settle(ServerRecord.model_validate_json(row[0]), transaction.now) if row else None


def read_servers(transaction: Transaction) -> Sequence[ServerRecord]:
    """All servers of ours."""
    purge(transaction)
    rows = transaction.rows("SELECT record FROM servers WHERE desktop_id IS NOT NULL")
    return tuple(settle(ServerRecord.model_validate_json(row[0]), transaction.now) for row in rows)


def write_server(transaction: Transaction, record: ServerRecord) -> None:
    """Keep a server, new or changed."""
    transaction.execute(
        """INSERT INTO servers (id, desktop_id, host_id, vcpus, memory_mib, disk_mib, frees_at, gone_at, record)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET host_id = excluded.host_id, vcpus = excluded.vcpus, memory_mib = excluded.memory_mib,
        disk_mib = excluded.disk_mib, frees_at = excluded.frees_at, gone_at = excluded.gone_at, record = excluded.record""",
        record.id,
        record.desktop_id,
        record.host_id,
        record.vcpus,
        record.memory_mib,
        record.disk_mib,
        record.frees_at,
        record.gone_at,
        record.model_dump_json(),
    )


def untag(transaction: Transaction, server_id: str) -> None:
    """Another server may have its tag: it was given up, is still listed with it, and is not found by it any more."""
    transaction.execute("UPDATE servers SET desktop_id = id WHERE id = ?", server_id)


def remove_server(transaction: Transaction, server_id: str) -> None:
    """Forget a server, its files and its snapshots at once."""
    transaction.execute("DELETE FROM servers WHERE id = ?", server_id)


def leave_port(transaction: Transaction, server_id: str, address: str) -> None:
    """Let the server's port outlive it."""
    transaction.execute(
        "INSERT INTO ports (id, server_id, address, created_at) VALUES (?, ?, ?, ?)",
        transaction.draw_id(),
        server_id,
        address,
        transaction.now,
    )


def write_snapshot(transaction: Transaction, record: SnapshotRecord) -> None:
    """Keep a new snapshot with the server's present files."""
    transaction.execute(
        "INSERT INTO snapshots (id, server_id, record) VALUES (?, ?, ?)", record.id, record.server_id, record.model_dump_json()
    )
    transaction.execute(
        "INSERT INTO snapshot_files SELECT ?, path, content FROM files WHERE server_id = ?", record.id, record.server_id
    )


def read_snapshots(transaction: Transaction, server_id: str) -> Sequence[SnapshotRecord]:
    """A server's snapshots, oldest first."""
    rows = transaction.rows("SELECT record FROM snapshots WHERE server_id = ? ORDER BY number", server_id)
    return tuple(SnapshotRecord.model_validate_json(row[0]) for row in rows)


def read_snapshot(transaction: Transaction, server_id: str, snapshot_id: str) -> SnapshotRecord:
    """One snapshot of the server. Raises SnapshotNotFound."""
    row = transaction.row("SELECT record FROM snapshots WHERE server_id = ? AND id = ?", server_id, snapshot_id)
    if row is None:
        raise SnapshotNotFound(snapshot_id)
    return SnapshotRecord.model_validate_json(row[0])


def remove_snapshot(transaction: Transaction, server_id: str, snapshot_id: str) -> None:
    """Forget a snapshot that may be there."""
    transaction.execute("DELETE FROM snapshots WHERE server_id = ? AND id = ?", server_id, snapshot_id)


def remove_disk(transaction: Transaction, server_id: str) -> None:
    """Forget the server's files and snapshots."""
    transaction.execute("DELETE FROM files WHERE server_id = ?", server_id)
    transaction.execute("DELETE FROM snapshots WHERE server_id = ?", server_id)


def restore_files(transaction: Transaction, record: SnapshotRecord) -> None:
    """Put the server's files back to the snapshot's."""
    transaction.execute("DELETE FROM files WHERE server_id = ?", record.server_id)
    transaction.execute(
        "INSERT INTO files SELECT ?, path, content FROM snapshot_files WHERE snapshot_id = ?", record.server_id, record.id
    )


def remove_volatile_files(transaction: Transaction, server_id: str) -> None:
    """Forget what a new boot forgets."""
    transaction.execute("DELETE FROM files WHERE server_id = ? AND (path GLOB '/tmp/*' OR path GLOB '/run/*')", server_id)
