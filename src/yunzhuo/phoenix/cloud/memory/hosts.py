"""Hypervisors, and which of them has room."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from yunzhuo.phoenix.cloud.errors import HostNotFound, NoCapacity
from yunzhuo.phoenix.cloud.memory import things
from yunzhuo.phoenix.cloud.memory.options import HostOption
from yunzhuo.phoenix.cloud.memory.state import Transaction
from yunzhuo.phoenix.cloud.memory.things import Thing
from yunzhuo.phoenix.cloud.resources import Host


@dataclass(frozen=True, slots=True)
class Room:
    """What a server needs of a host."""

    vcpus: int
    memory_mib: int
    disk_mib: int


@dataclass(frozen=True, slots=True)
class _Usage:
    """What the servers on a host take: stopped and suspended ones only disk."""

    vcpus: int = 0
    memory_mib: int = 0
    disk_mib: int = 0
    servers: int = 0


class HostState(Thing):
    """What people have said of a host."""

    is_enabled: bool = True
    reason: str = ""
    is_forced_down: bool = False


def read_state(transaction: Transaction, host_id: str) -> HostState:
    """What was said of a host, or what is so when nothing was. Raises HostNotFound."""
    if all(host.id != host_id for host in transaction.options.hosts):
        raise HostNotFound(host_id)
    return things.read(transaction, HostState, host_id) or HostState(id=host_id)


def list_hosts(transaction: Transaction) -> Sequence[Host]:
    """All of them, with what is left on each."""
    usages = _read_usages(transaction)
    return tuple(
        _as_host(host, usages.get(host.id, _Usage()), read_state(transaction, host.id)) for host in transaction.options.hosts
    )


def choose_host(transaction: Transaction, room: Room, *, other_than: Collection[str] = (), only: str | None = None) -> str:
    """The id of the host with the most free memory that has room for the room. Raises NoCapacity."""
    usages = _read_usages(transaction)
    fitting = [
        (host.memory_mib - used.memory_mib, host.id)
        for host in transaction.options.hosts
        if host.id not in other_than
        and only in (None, host.id)
        and _takes_servers(transaction, host)
        and _fits(host, used := usages.get(host.id, _Usage()), room)
    ]
    if not fitting:
        raise _no_capacity(room)
    return max(fitting, key=lambda choice: choice[0])[1]


def _takes_servers(transaction: Transaction, host: HostOption) -> bool:
    state = read_state(transaction, host.id)
    return not host.problems and host.is_up and state.is_enabled and not state.is_forced_down


def check_room(transaction: Transaction, host_id: str, room: Room, *, server_id: str) -> None:
    """Raises NoCapacity when the host has no room for this server with this room."""
    used = _read_usages(transaction, without_server=server_id).get(host_id, _Usage())
    host = next((host for host in transaction.options.hosts if host.id == host_id), None)
    if host is None or not _fits(host, used, room):
        raise _no_capacity(room)


def _read_usages(transaction: Transaction, *, without_server: str = "") -> dict[str, _Usage]:
    rows = transaction.rows(
        """SELECT host_id, SUM(vcpus * busy), SUM(memory_mib * busy), SUM(disk_mib), COUNT(*) FROM (
            SELECT host_id, vcpus, memory_mib, disk_mib, (frees_at IS NULL OR frees_at > ?1) AS busy FROM servers
            WHERE id != ?2 AND (gone_at IS NULL OR gone_at > ?1)
        ) GROUP BY host_id""",
        transaction.now,
        without_server,
    )
    return {row[0]: _Usage(*row[1:]) for row in rows}


def _fits(host: HostOption, used: _Usage, room: Room) -> bool:
    return (
        used.vcpus + room.vcpus <= host.vcpus
        and used.memory_mib + room.memory_mib <= host.memory_mib
        and used.disk_mib + room.disk_mib <= host.disk_mib
    )


def _no_capacity(room: Room) -> NoCapacity:
    return NoCapacity(
        f"No host has room for {room.vcpus} vCPU, {room.memory_mib} MiB of memory and {room.disk_mib} MiB of disk now."
    )


def _as_host(host: HostOption, used: _Usage, state: HostState) -> Host:
    silent = () if host.is_up else ("It has not been heard of.",)
    disabled = () if state.is_enabled else (f"It is disabled: {state.reason}.",)
    return Host(
        id=host.id,
        name=host.name,
        accelerator="none",
        vcpus=host.vcpus,
        memory_mib=host.memory_mib,
        memory_free_mib=max(0, host.memory_mib - used.memory_mib),
        disk_free_mib=max(0, host.disk_mib - used.disk_mib),
        servers=used.servers,
        problems=(*host.problems, *silent, *disabled),
        disk_mib=host.disk_mib,
        is_enabled=state.is_enabled,
        is_up=host.is_up and not state.is_forced_down,
        is_forced_down=state.is_forced_down,
        zone=host.zone,
        aggregates=host.aggregates,
    )
