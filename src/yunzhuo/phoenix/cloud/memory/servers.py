"""Servers as callers meet them. What verbs do stands in changes.py, when they are allowed in lifecycle.py."""

from collections.abc import Sequence
from dataclasses import replace

from yunzhuo.phoenix.cloud.errors import CloudNotOffered, NoScreenshot, ServerBusy, ServerNotFound
from yunzhuo.phoenix.cloud.memory import changes, projects, store
from yunzhuo.phoenix.cloud.memory.calls import Gate
from yunzhuo.phoenix.cloud.memory.faults import FaultKind, Plan
from yunzhuo.phoenix.cloud.memory.pictures import paint
from yunzhuo.phoenix.cloud.memory.records import ServerRecord, as_server, as_snapshot, as_time
from yunzhuo.phoenix.cloud.memory.state import Transaction
from yunzhuo.phoenix.cloud.resources import (
    Console,
    ConsoleProtocol,
    RebootKind,
    Screenshot,
    Server,
    ServerRequest,
    ServerStatus,
    Snapshot,
)

_WITH_SCREEN = frozenset({ServerStatus.RUNNING, ServerStatus.RESCUED})


class Servers:
    """See :class:`yunzhuo.phoenix.cloud.interface.Servers`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def create(self, request: ServerRequest) -> Server:
        return self._gate.perform(
            "servers.create", lambda transaction, plan: changes.create(transaction, plan, request), subject=request.desktop_id
        )

    def find(self, desktop_id: str, project_id: str | None = None) -> Server | None:
        def look(transaction: Transaction, plan: Plan) -> Server | None:
            found = _find(transaction, plan, desktop_id)
            return found if projects.project_of(transaction, desktop_id) == project_id else None

        return self._gate.perform("servers.find", look, subject=desktop_id)

    def get(self, server_id: str) -> Server:
        return self._gate.perform(
            "servers.get", lambda transaction, plan: _get(transaction, plan, server_id), subject=server_id
        )

    def list(self) -> Sequence[Server]:
        return self._gate.perform("servers.list", _list)

    def start(self, server_id: str, *, language: str | None = None) -> None:
        self._change("servers.start", server_id, "start", language)

    def stop(self, server_id: str) -> None:
        self._change("servers.stop", server_id, "stop")

    def reboot(self, server_id: str, kind: RebootKind, *, language: str | None = None) -> None:
        self._change("servers.reboot", server_id, f"reboot {kind.value}", language)

    def suspend(self, server_id: str) -> None:
        self._change("servers.suspend", server_id, "suspend")

    def resume(self, server_id: str) -> None:
        self._change("servers.resume", server_id, "resume")

    def rebuild(self, server_id: str, image_id: str, *, language: str | None = None, user_data: str | None = None) -> None:
        told = {name: value for name, value in (("language", language), ("user_data", user_data)) if value is not None}
        self._gate.perform(
            "servers.rebuild",
            lambda transaction, plan: changes.rebuild(transaction, plan, server_id, image_id, told),
            subject=server_id,
        )

    def resize(self, server_id: str, flavor_id: str) -> None:
        self._gate.perform(
            "servers.resize",
            lambda transaction, plan: changes.resize(transaction, plan, server_id, flavor_id),
            subject=server_id,
        )

    def rename(self, server_id: str, name: str) -> None:
        self._gate.perform(
            "servers.rename", lambda transaction, _: changes.rename(transaction, server_id, name), subject=server_id
        )

    def snapshot(self, server_id: str, name: str) -> Snapshot:
        return self._gate.perform(
            "servers.snapshot",
            lambda transaction, plan: changes.snapshot(transaction, plan, server_id, name),
            subject=server_id,
        )

    def snapshots(self, server_id: str) -> Sequence[Snapshot]:
        return self._gate.perform(
            "servers.snapshots", lambda transaction, _: _snapshots(transaction, server_id), subject=server_id
        )

    def roll_back(self, server_id: str, snapshot_id: str) -> None:
        self._gate.perform(
            "servers.roll_back",
            lambda transaction, plan: changes.roll_back(transaction, plan, server_id, snapshot_id),
            subject=server_id,
        )

    def delete_snapshot(self, server_id: str, snapshot_id: str) -> None:
        self._gate.perform(
            "servers.delete_snapshot",
            lambda transaction, _: store.remove_snapshot(transaction, server_id, snapshot_id),
            subject=server_id,
        )

    def delete(self, server_id: str) -> None:
        self._gate.perform(
            "servers.delete", lambda transaction, plan: changes.delete(transaction, plan, server_id), subject=server_id
        )

    def console(self, server_id: str, protocol: ConsoleProtocol) -> Console:
        return self._gate.perform(
            "servers.console", lambda transaction, _: _console(transaction, server_id, protocol), subject=server_id
        )

    def screenshot(self, server_id: str) -> Screenshot:
        record, seen_at = self._gate.perform(
            "servers.screenshot", lambda transaction, _: _seen(transaction, server_id), subject=server_id
        )
        return Screenshot(paint(record.identity, record.boot_id, as_time(seen_at)), as_time(seen_at))

    def cpu_seconds(self, server_id: str) -> float:
        return self._gate.perform(
            "servers.cpu_seconds", lambda transaction, _: _cpu_seconds(transaction, server_id), subject=server_id
        )

    def _change(self, operation: str, server_id: str, verb: str, language: str | None = None) -> None:
        self._gate.perform(
            operation,
            lambda transaction, plan: changes.change(transaction, plan, server_id, verb, language),
            subject=server_id,
        )


def _find(transaction: Transaction, plan: Plan, desktop_id: str) -> Server | None:
    record = store.find_server(transaction, desktop_id)
    if record is None or plan.has(FaultKind.FORGET):
        return None
    return _as_told(plan, record, transaction.now)


def _get(transaction: Transaction, plan: Plan, server_id: str) -> Server:
    record = store.read_server(transaction, server_id)
    if plan.has(FaultKind.FORGET):
        raise ServerNotFound(server_id)
    return _as_told(plan, record, transaction.now)


def _list(transaction: Transaction, plan: Plan) -> Sequence[Server]:
    records = store.read_servers(transaction)
    forget = plan.get(FaultKind.FORGET)
    if forget is not None and records:
        drawn = records[int(transaction.draw_fraction() * len(records))]
        forgotten = forget.subject or drawn.id
        records = [record for record in records if forgotten not in (record.id, record.desktop_id)]
    return tuple(_as_told(plan, record, transaction.now) for record in records)


def _as_told(plan: Plan, record: ServerRecord, now: float) -> Server:
    server = as_server(record, now)
    lie = plan.hits(FaultKind.LIE, record.id, record.desktop_id)
    if lie is None:
        return server
    return replace(server, status=lie.status or record.previous_status, fault=None, fault_code=None)


def _snapshots(transaction: Transaction, server_id: str) -> Sequence[Snapshot]:
    store.read_server(transaction, server_id)
    return tuple(map(as_snapshot, store.read_snapshots(transaction, server_id)))


def _console(transaction: Transaction, server_id: str, protocol: ConsoleProtocol) -> Console:
    options = transaction.options
    record = store.read_server(transaction, server_id)
    if protocol not in options.console_protocols:
        raise CloudNotOffered(f"{protocol.value} consoles")
    if record.status not in _WITH_SCREEN or record.gone_at is not None:
        raise ServerBusy("The server does not run, so it has no screen.", server_id=server_id)
    password = options.console_password or record.console_password
    if options.console_unix_path:
        return Console(protocol=protocol, password=password, unix_path=options.console_unix_path)
    return Console(protocol=protocol, password=password, host=options.console_host, port=options.console_port)


def _cpu_seconds(transaction: Transaction, server_id: str) -> float:
    record = store.read_server(transaction, server_id)
    if record.status is not ServerStatus.RUNNING or record.gone_at is not None:
        raise ServerBusy("The server does not run.", server_id=server_id)
    return record.cpu_seconds(transaction.now)


def _seen(transaction: Transaction, server_id: str) -> tuple[ServerRecord, float]:
    """A server and the moment at which its screen is to be painted. Raises NoScreenshot."""
    record = store.read_server(transaction, server_id)
    is_on = record.status is ServerStatus.RUNNING and record.change is None and record.gone_at is None
    seen_at = transaction.now if is_on else record.pictured_at
    if seen_at is None:
        raise NoScreenshot(server_id)
    return record, seen_at
