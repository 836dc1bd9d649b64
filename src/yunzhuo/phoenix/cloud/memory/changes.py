"""What each verb does to a server: one transaction, in which the change is accepted with its due time, or refused whole."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from yunzhuo.phoenix.cloud.errors import NoCapacity, NoKeyPair, ServerBusy, ServerLocked, ServerNotFound
from yunzhuo.phoenix.cloud.memory import projects, store
from yunzhuo.phoenix.cloud.memory.faults import FaultKind, Plan
from yunzhuo.phoenix.cloud.memory.flavors import choose_flavor
from yunzhuo.phoenix.cloud.memory.hosts import Room, check_room, choose_host
from yunzhuo.phoenix.cloud.memory.images import check_minimum, choose_image
from yunzhuo.phoenix.cloud.memory.lifecycle import RULES, TAKES_ROOM, Pace, accept, frees_at, is_already
from yunzhuo.phoenix.cloud.memory.networks import choose_network, next_address
from yunzhuo.phoenix.cloud.memory.records import ServerRecord, SnapshotRecord, as_server, as_snapshot
from yunzhuo.phoenix.cloud.memory.security_groups import check_groups
from yunzhuo.phoenix.cloud.memory.state import Transaction
from yunzhuo.phoenix.cloud.project_resources import QuotaKind
from yunzhuo.phoenix.cloud.resources import Server, ServerRequest, ServerStatus, Snapshot
from yunzhuo.phoenix.common.errors import InvalidInput

_SNAPSHOT_DISK_MIB = 64
_FOR_EVER_SECONDS = 1e9


def create(transaction: Transaction, plan: Plan, request: ServerRequest) -> Server:
    """Make a server, or answer the one that carries the tag."""
    known = store.find_server(transaction, request.desktop_id)
    if known is not None and known.id in request.given_up:
        store.untag(transaction, known.id)
        known = None
    if known is None:
        known = _make(transaction, plan, request)
        projects.place(transaction, request.desktop_id, request.project_id, _size(1, known.vcpus, known.memory_mib))
        store.write_server(transaction, known)
    elif known.gone_at is not None:
        raise ServerBusy("The server with this tag is still being deleted.", server_id=known.id)
    return replace(as_server(known, transaction.now), request_id=plan.request_id)


def change(transaction: Transaction, plan: Plan, server_id: str, verb: str, language: str | None) -> None:
    """A verb that needs to know nothing else but, where it begins a session, its ``language``."""
    record = store.read_server(transaction, server_id)
    if not is_already(record, verb):
        if verb == "suspend":
            _check_unplugged(transaction, record)
        begin(transaction, plan, record, verb, {"language": language or record.language})


def rebuild(transaction: Transaction, plan: Plan, server_id: str, image_id: str, told: Mapping[str, str]) -> None:
    """A new disk from an image; the files and snapshots of the old one are gone at once. ``told`` is what the guest learns."""
    record = store.read_server(transaction, server_id)
    check_minimum(choose_image(transaction, image_id), memory_mib=record.memory_mib, disk_mib=record.disk_mib)
    becomes = {"image_id": image_id, "identity": transaction.draw().hex(), **told}
    begin(transaction, plan, record, "rebuild", becomes)
    store.remove_disk(transaction, server_id)


def resize(transaction: Transaction, plan: Plan, server_id: str, flavor_id: str) -> None:
    """Another size on the same host."""
    record = store.read_server(transaction, server_id)
    flavor = choose_flavor(transaction.options, flavor_id)
    if flavor_id == record.flavor_id and record.gone_at is None:
        return
    if flavor.disk_mib < record.disk_mib:
        problem = f"The disk has {record.disk_mib} MiB and cannot become smaller."
        raise InvalidInput(problem, code="disk_would_shrink", fields={"flavor_id": problem})
    image = choose_image(transaction, record.image_id)
    check_minimum(image, memory_mib=flavor.memory_mib, disk_mib=flavor.disk_mib)
    more = _size(0, flavor.vcpus - record.vcpus, flavor.memory_mib - record.memory_mib)
    projects.check_quota(transaction, projects.project_of(transaction, record.desktop_id or ""), more)
    size = {"vcpus": flavor.vcpus, "memory_mib": flavor.memory_mib, "disk_mib": flavor.disk_mib}
    begin(transaction, plan, record, "resize", {"flavor_id": flavor_id, **size})


def rename(transaction: Transaction, server_id: str, name: str) -> None:
    """Another name, at once."""
    record = store.read_server(transaction, server_id)
    store.write_server(transaction, record.model_copy(update={"name": name}))


def snapshot(transaction: Transaction, plan: Plan, server_id: str, name: str) -> Snapshot:
    """Keep files, and of a running server what a boot would lose."""
    record = store.read_server(transaction, server_id)
    has_memory = record.status is ServerStatus.RUNNING
    _check_unplugged(transaction, record)
    begin(transaction, plan, record, "snapshot")
    kept = SnapshotRecord(
        id=transaction.draw_id(),
        server_id=server_id,
        name=name,
        created_at=transaction.now,
        size_mib=_SNAPSHOT_DISK_MIB + (record.memory_mib if has_memory else 0),
        has_memory=has_memory,
        image_id=record.image_id,
        flavor_id=record.flavor_id,
        identity=record.identity,
        boot_id=record.boot_id,
        clipboard=record.clipboard,
    )
    store.write_snapshot(transaction, kept)
    return as_snapshot(kept)


def roll_back(transaction: Transaction, plan: Plan, server_id: str, snapshot_id: str) -> None:
    """Back to a snapshot. Memory of another size of machine cannot be used, so then only the disk goes back."""
    record = store.read_server(transaction, server_id)
    kept = store.read_snapshot(transaction, server_id, snapshot_id)
    _check_unplugged(transaction, record)
    disk = {"image_id": kept.image_id, "identity": kept.identity}
    if kept.has_memory and kept.flavor_id == record.flavor_id:
        memory = {"boot_id": kept.boot_id, "clipboard": kept.clipboard}
        begin(transaction, plan, record, "roll back to memory", disk | memory)
        store.restore_files(transaction, kept)
    else:
        begin(transaction, plan, record, "roll back", disk)
        store.restore_files(transaction, kept)
        store.remove_volatile_files(transaction, server_id)


def delete(transaction: Transaction, plan: Plan, server_id: str) -> None:
    """Let it be gone soon; what is under way with it stops, and what it takes of its host it takes until it is gone."""
    try:
        record = store.read_server(transaction, server_id)
    except ServerNotFound:
        return
    if record.gone_at is None:
        if record.is_locked:
            raise ServerLocked(server_id)
        gone_at = transaction.now + transaction.options.delete_seconds + plan.extra_seconds
        takes_room = record.frees_at is None or record.frees_at > transaction.now
        leaving = {"change": None, "gone_at": gone_at, "frees_at": None if takes_room else record.frees_at}
        store.write_server(transaction, record.model_copy(update=leaving))
        if plan.has(FaultKind.LEAK):
            store.leave_port(transaction, server_id, record.address)


def _make(transaction: Transaction, plan: Plan, request: ServerRequest) -> ServerRecord:
    options = transaction.options
    if options.missing_key_pair:
        raise NoKeyPair(options.missing_key_pair)
    image = choose_image(transaction, request.image_id)
    flavor = choose_flavor(options, request.flavor_id)
    network = choose_network(transaction, request.network_id)
    check_groups(transaction, request.security_group_ids)
    check_minimum(image, memory_mib=flavor.memory_mib, disk_mib=flavor.disk_mib)
    host_id = _host_for(transaction, Room(flavor.vcpus, flavor.memory_mib, flavor.disk_mib), request.avoid_hosts)
    pace = _pace(plan, host_id)
    ends = ServerStatus.ERROR if pace.breaks else ServerStatus.RUNNING
    hang = plan.on_host(FaultKind.HANG, host_id)
    due_at = transaction.now + options.build_seconds + pace.extra_seconds + (_FOR_EVER_SECONDS if hang else 0)
    is_plugged = not plan.on_host(FaultKind.UNPLUG, host_id)
    ready_at = due_at + options.ready_seconds if options.guests_get_ready and is_plugged else None
    return ServerRecord(
        id=transaction.draw_id(),
        desktop_id=request.desktop_id,
        name=request.name,
        hostname=request.hostname,
        image_id=image.id,
        flavor_id=flavor.id,
        network_id=network.id,
        network_name=network.name,
        group_ids=tuple(sorted(set(request.security_group_ids))),
        address=next_address(transaction, network),
        metadata=dict(request.metadata),
        language=request.language,
        user_data=request.user_data,
        host_id=host_id,
        dropped_at=transaction.now + hang.seconds if hang and hang.seconds else None,
        vcpus=flavor.vcpus,
        memory_mib=flavor.memory_mib,
        disk_mib=flavor.disk_mib,
        created_at=transaction.now,
        status=ServerStatus.BUILDING,
        previous_status=ServerStatus.BUILDING,
        change=pace.change("create", ends, due_at, ready_at),
        ready_at=None,
        is_plugged=is_plugged,
        frees_at=frees_at(ServerStatus.BUILDING, ends, due_at),
        identity=transaction.draw().hex(),
        boot_id=transaction.draw_id(),
        console_password=_draw_password(transaction),
    )


def _host_for(transaction: Transaction, room: Room, avoid: Sequence[str]) -> str:
    """One that is not to be avoided, or any. Raises NoCapacity."""
    with suppress(NoCapacity):
        return choose_host(transaction, room, other_than=avoid)
    return choose_host(transaction, room)


def begin(
    transaction: Transaction, plan: Plan, record: ServerRecord, verb: str, updates: Mapping[str, object] | None = None
) -> None:
    """Accept a verb and the ``updates`` that come with it. Raises ServerBusy, NoCapacity."""
    changed = accept(record, verb, now=transaction.now, options=transaction.options, pace=_pace(plan))
    if RULES[verb].boots:
        boot = {"boot_id": transaction.draw_id(), "console_password": _draw_password(transaction), "clipboard": ""}
        changed = changed.model_copy(update=boot)
        store.remove_volatile_files(transaction, record.id)
        if changed.status is not ServerStatus.ERROR:
            changed = changed.model_copy(update={"fault": None, "fault_code": None})
    changed = changed.model_copy(update=updates)
    _check_room(transaction, record, changed)
    store.write_server(transaction, changed)


def _check_room(transaction: Transaction, before: ServerRecord, after: ServerRecord) -> None:
    needs_room = after.frees_at is None
    has_room = before.status in TAKES_ROOM and (before.vcpus, before.memory_mib) == (after.vcpus, after.memory_mib)
    if (needs_room and not has_room) or before.disk_mib != after.disk_mib:
        room = Room(after.vcpus, after.memory_mib, after.disk_mib) if needs_room else Room(0, 0, after.disk_mib)
        check_room(transaction, before.host_id, room, server_id=before.id)


def _check_unplugged(transaction: Transaction, record: ServerRecord) -> None:
    """Memory that knows a volume's files must not meet another state of them. Raises ServerBusy."""
    attached = transaction.row("SELECT 1 FROM volumes WHERE server_id = ?", record.id)
    if record.status is ServerStatus.RUNNING and attached:
        raise ServerBusy("A volume is attached to the server; detach it first.", server_id=record.id)


def _size(servers: int, vcpus: int, memory_mib: int) -> Mapping[QuotaKind, int]:
    return {QuotaKind.SERVERS: servers, QuotaKind.VCPUS: vcpus, QuotaKind.MEMORY_MIB: memory_mib}


def _pace(plan: Plan, host_id: str | None = None) -> Pace:
    fault = plan.get(FaultKind.BREAK) if host_id is None else plan.on_host(FaultKind.BREAK, host_id)
    if fault is None:
        return Pace(extra_seconds=plan.extra_seconds)
    return Pace(extra_seconds=plan.extra_seconds, breaks=fault.reason, told_after_seconds=fault.seconds)


def _draw_password(transaction: Transaction) -> str:
    """As long as VNC takes."""
    return transaction.draw().hex()[:8]
