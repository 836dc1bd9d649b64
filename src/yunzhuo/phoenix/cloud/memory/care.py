"""Looking after one server. When verbs are allowed stands in lifecycle.py."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from yunzhuo.phoenix.cloud.errors import ServerBusy, ServerLocked
from yunzhuo.phoenix.cloud.memory import changes, store, things
from yunzhuo.phoenix.cloud.memory.calls import Gate
from yunzhuo.phoenix.cloud.memory.faults import Plan
from yunzhuo.phoenix.cloud.memory.images import choose_image
from yunzhuo.phoenix.cloud.memory.lifecycle import is_already
from yunzhuo.phoenix.cloud.memory.records import ServerRecord, as_time
from yunzhuo.phoenix.cloud.memory.security_groups import MadeGroup, check_groups
from yunzhuo.phoenix.cloud.memory.state import Transaction
from yunzhuo.phoenix.cloud.resources import ServerStatus

_Result = TypeVar("_Result")


class Care:
    """See :class:`yunzhuo.phoenix.cloud.care_interface.ServerCare`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def console_log(self, server_id: str, *, max_bytes: int) -> str:
        def read(transaction: Transaction, _plan: Plan) -> str:
            log = _log(store.read_server(transaction, server_id), transaction.now).encode()
            return log[max(0, len(log) - max_bytes) :].decode(errors="ignore")

        return self._perform("console_log", server_id, read)

    def pause(self, server_id: str) -> None:
        self._change("pause", server_id)

    def shelve(self, server_id: str) -> None:
        def shelve(transaction: Transaction, plan: Plan) -> None:
            record = store.read_server(transaction, server_id)
            if not record.is_shelved:
                changes.begin(transaction, plan, record, "shelve")

        self._perform("shelve", server_id, shelve)

    def lock(self, server_id: str) -> None:
        self._set_lock("lock", server_id, is_locked=True)

    def unlock(self, server_id: str) -> None:
        self._set_lock("unlock", server_id, is_locked=False)

    def rescue(self, server_id: str, image_id: str | None = None) -> None:
        def rescue(transaction: Transaction, plan: Plan) -> None:
            record = store.read_server(transaction, server_id)
            if image_id is not None:
                choose_image(transaction, image_id)
            if not is_already(record, "rescue"):
                changes.begin(transaction, plan, record, "rescue")

        self._perform("rescue", server_id, rescue)

    def unrescue(self, server_id: str) -> None:
        self._change("unrescue", server_id)

    def security_groups(self, server_id: str) -> Sequence[str]:
        def read(transaction: Transaction, _plan: Plan) -> Sequence[str]:
            there = {group.id for group in things.read_all(transaction, MadeGroup)}
            return sorted(there.intersection(store.read_server(transaction, server_id).group_ids))

        return self._perform("security_groups", server_id, read)

    def set_security_groups(self, server_id: str, group_ids: Sequence[str]) -> None:
        def put(transaction: Transaction, _plan: Plan) -> None:
            record = _unlocked(transaction, server_id)
            if record.status is ServerStatus.BUILDING:
                raise ServerBusy("The server is on no network yet.", server_id=server_id)
            check_groups(transaction, group_ids)
            store.write_server(transaction, record.model_copy(update={"group_ids": tuple(sorted(set(group_ids)))}))

        self._perform("set_security_groups", server_id, put)

    def _change(self, verb: str, server_id: str) -> None:
        self._perform(verb, server_id, lambda transaction, plan: changes.change(transaction, plan, server_id, verb, None))

    def _set_lock(self, verb: str, server_id: str, *, is_locked: bool) -> None:
        def write(transaction: Transaction, _plan: Plan) -> None:
            record = _present(transaction, server_id)
            store.write_server(transaction, record.model_copy(update={"is_locked": is_locked}))

        self._perform(verb, server_id, write)

    def _perform(self, verb: str, server_id: str, action: Callable[[Transaction, Plan], _Result]) -> _Result:
        return self._gate.perform(f"care.{verb}", action, subject=server_id)


def _present(transaction: Transaction, server_id: str) -> ServerRecord:
    record = store.read_server(transaction, server_id)
    if record.gone_at is not None:
        raise ServerBusy("The server is being deleted.", server_id=server_id)
    return record


def _unlocked(transaction: Transaction, server_id: str) -> ServerRecord:
    record = _present(transaction, server_id)
    if record.is_locked:
        raise ServerLocked(server_id)
    return record


def _log(record: ServerRecord, now: float) -> str:
    """What a kernel would have said, as far as this cloud knows it."""
    lines = [f"[    0.000000] boot {record.boot_id} of {record.hostname}"]
    if record.status is ServerStatus.RESCUED:
        lines.append("[    1.000000] rescue system")
    elif record.ready_at is not None and record.ready_at <= now and record.change is None:
        lines.append(f"YUNZHUO READY {as_time(record.ready_at).isoformat()}")
    return "\n".join(lines) + "\n"
