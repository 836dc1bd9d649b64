"""What the state file keeps of a server and of a snapshot, and how the keeping is read as time goes by.

A change that takes time is stored with the moment at which it is over; nobody has to be there when it is.
"""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from yunzhuo.phoenix.cloud.resources import Address, FaultCode, Server, ServerStatus, Snapshot


class _Record(BaseModel):
    """Frozen; what changes is a copy. Times are seconds since 1970."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Change(_Record):
    """A verb under way: from ``due_at`` on the server has ``status``, and its guest answers from ``ready_at`` (None: never)."""

    verb: str
    status: ServerStatus
    due_at: float
    ready_at: float | None
    fault: str | None = None
    # How long after that the fault is told.
    told_after_seconds: float = 0.0


class ServerRecord(_Record):
    """A server. ``boot_id`` and ``console_password`` change with each boot, ``identity`` with each new disk.

    ``previous_status`` is what a stale answer says. From ``frees_at`` on it takes no memory and no vCPU (None: it does),
    from ``gone_at`` on it is not there, from ``dropped_at`` on no host has it. ``pictured_at`` is when its screen was
    last seen before it was switched off.
    """

    id: str
    desktop_id: str | None
    name: str
    hostname: str
    image_id: str
    flavor_id: str
    network_id: str
    network_name: str
    address: str
    metadata: dict[str, str]
    host_id: str
    vcpus: int
    memory_mib: int
    disk_mib: int
    created_at: float
    status: ServerStatus
    previous_status: ServerStatus
    change: Change | None
    ready_at: float | None
    frees_at: float | None
    identity: str
    boot_id: str
    console_password: str
    gone_at: float | None = None
    dropped_at: float | None = None
    fault: str | None = None
    fault_told_at: float = 0.0
    clipboard: str = ""
    fault_code: FaultCode | None = None
    language: str | None = None
    user_data: str | None = None
    pictured_at: float | None = None
    # Whether anything goes through its port: without that its guest does not get ready.
    is_plugged: bool = True
    is_locked: bool = False
    is_shelved: bool = False
    group_ids: tuple[str, ...] = ()
    # How much of its processors the guest has used since ``load_since``, and their seconds until then.
    load_percent: float = 0.0
    load_since: float | None = None
    load_seconds: float = 0.0

    def cpu_seconds(self, now: float) -> float:
        """How long its processors were busy."""
        since = self.created_at if self.load_since is None else self.load_since
        return self.load_seconds + max(0.0, now - since) * self.load_percent / 100 * self.vcpus


class SnapshotRecord(_Record):
    """A kept state. ``boot_id`` and ``clipboard`` matter when it has memory."""

    id: str
    server_id: str
    name: str
    created_at: float
    size_mib: int
    has_memory: bool
    image_id: str
    flavor_id: str
    identity: str
    boot_id: str
    clipboard: str


def settle(record: ServerRecord, now: float) -> ServerRecord:
    """The record as it is at ``now``."""
    change = record.change
    if change is None or change.due_at > now:
        return record
    return record.model_copy(
        update={
            "status": change.status,
            "previous_status": record.status,
            "ready_at": change.ready_at,
            "fault": change.fault,
            "fault_told_at": change.due_at + change.told_after_seconds,
            "fault_code": None,
            "change": None,
        }
    )


def as_server(record: ServerRecord, now: float) -> Server:
    """What the cloud says of a settled record at ``now``."""
    has_address = record.status is not ServerStatus.BUILDING or (record.change is not None and record.change.verb != "create")
    return Server(
        id=record.id,
        desktop_id=record.desktop_id or "",
        name=record.name,
        status=record.status,
        image_id=record.image_id,
        flavor_id=record.flavor_id,
        host="" if record.dropped_at is not None and record.dropped_at <= now else record.host_id,
        created_at=as_time(record.created_at),
        observed_at=as_time(now),
        addresses=(Address(record.network_name, record.address),) if has_address else (),
        fault=record.fault if record.fault_told_at <= now else None,
        fault_code=record.fault_code,
        language=record.language,
        is_locked=record.is_locked,
    )


def as_snapshot(record: SnapshotRecord) -> Snapshot:
    """What the cloud says of a snapshot."""
    return Snapshot(
        id=record.id,
        server_id=record.server_id,
        name=record.name,
        created_at=as_time(record.created_at),
        size_mib=record.size_mib,
        has_memory=record.has_memory,
    )


def as_time(seconds: float) -> datetime:
    """Seconds since 1970 as aware UTC time."""
    return datetime.fromtimestamp(seconds, UTC)
