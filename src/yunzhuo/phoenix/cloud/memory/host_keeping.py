"""What is asked of hypervisors: to take no more servers, and to give up those they have."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from yunzhuo.phoenix.cloud.errors import HostNotDown, HostNotFound, ServerBusy, ServerLocked
from yunzhuo.phoenix.cloud.memory import changes, store, things
from yunzhuo.phoenix.cloud.memory.calls import Gate
from yunzhuo.phoenix.cloud.memory.faults import Plan
from yunzhuo.phoenix.cloud.memory.hosts import Room, choose_host, list_hosts, read_state
from yunzhuo.phoenix.cloud.memory.records import ServerRecord
from yunzhuo.phoenix.cloud.memory.state import Transaction
from yunzhuo.phoenix.cloud.resources import Host, ServerStatus

_Result = TypeVar("_Result")


class Hosts:
    """See :class:`yunzhuo.phoenix.cloud.interface.Hosts`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def list(self) -> Sequence[Host]:
        return self._perform("list", "", lambda transaction, _plan: list_hosts(transaction))

    def disable(self, host_id: str, reason: str) -> None:
        self._say("disable", host_id, is_enabled=False, reason=reason)

    def enable(self, host_id: str) -> None:
        self._say("enable", host_id, is_enabled=True, reason="", is_forced_down=False)

    def force_down(self, host_id: str) -> None:
        def force(transaction: Transaction, _plan: Plan) -> None:
            state = read_state(transaction, host_id)
            if _is_heard_of(transaction, host_id):
                raise HostNotDown(host_id)
            said = {"is_enabled": False, "reason": "It was forced down", "is_forced_down": True}
            things.write(transaction, state.model_copy(update=said))

        self._perform("force_down", host_id, force)

    def live_migrate(self, server_id: str, host_id: str | None = None) -> None:
        def move(transaction: Transaction, _plan: Plan) -> None:
            record = _settled(transaction, server_id)
            if record.status is not ServerStatus.RUNNING:
                raise ServerBusy("Only a running server moves while it runs.", server_id=server_id)
            if host_id is not None:
                read_state(transaction, host_id)
            if host_id != record.host_id:
                target = choose_host(transaction, _room(record), other_than={record.host_id}, only=host_id)
                store.write_server(transaction, record.model_copy(update={"host_id": target}))

        self._perform("live_migrate", server_id, move)

    def migrate(self, server_id: str) -> None:
        def move(transaction: Transaction, plan: Plan) -> None:
            record = _settled(transaction, server_id)
            if record.status not in (ServerStatus.RUNNING, ServerStatus.STOPPED):
                raise ServerBusy(f"A server that is {record.status.value} does not move.", server_id=server_id)
            target = choose_host(transaction, _room(record), other_than={record.host_id})
            changes.begin(transaction, plan, record.model_copy(update={"host_id": target}), "resize", {})

        self._perform("migrate", server_id, move)

    def evacuate(self, server_id: str) -> None:
        def move(transaction: Transaction, plan: Plan) -> None:
            record = store.read_server(transaction, server_id)
            if _is_heard_of(transaction, record.host_id) or not read_state(transaction, record.host_id).is_forced_down:
                raise HostNotDown(record.host_id)
            target = choose_host(transaction, _room(record), other_than={record.host_id})
            changes.begin(transaction, plan, record.model_copy(update={"host_id": target}), "rebuild", {})
            store.remove_disk(transaction, server_id)

        self._perform("evacuate", server_id, move)

    def _say(self, verb: str, host_id: str, **said: object) -> None:
        def say(transaction: Transaction, _plan: Plan) -> None:
            things.write(transaction, read_state(transaction, host_id).model_copy(update=said))

        self._perform(verb, host_id, say)

    def _perform(self, verb: str, subject: str, action: Callable[[Transaction, Plan], _Result]) -> _Result:
        return self._gate.perform(f"hosts.{verb}", action, subject=subject)


def _is_heard_of(transaction: Transaction, host_id: str) -> bool:
    for host in transaction.options.hosts:
        if host.id == host_id:
            return host.is_up
    raise HostNotFound(host_id)


def _settled(transaction: Transaction, server_id: str) -> ServerRecord:
    record = store.read_server(transaction, server_id)
    if record.change is not None or record.gone_at is not None:
        raise ServerBusy("The server is still changing.", server_id=server_id)
    if record.is_locked:
        raise ServerLocked(server_id)
    return record


def _room(record: ServerRecord) -> Room:
    return Room(record.vcpus, record.memory_mib, record.disk_mib)
