"""The other side of a memory cloud: what its operators and the weather do, and what there is to see of its use."""

from collections.abc import Callable, Sequence

from yunzhuo.phoenix.cloud.memory import store
from yunzhuo.phoenix.cloud.memory.calls import CallLog
from yunzhuo.phoenix.cloud.memory.faults import Faults
from yunzhuo.phoenix.cloud.memory.networks import next_address
from yunzhuo.phoenix.cloud.memory.options import Options
from yunzhuo.phoenix.cloud.memory.records import Change, ServerRecord
from yunzhuo.phoenix.cloud.memory.state import StateFile, Transaction
from yunzhuo.phoenix.cloud.resources import FaultCode, ServerStatus


class Disturbances:
    """What happens to servers behind the back of the cloud's users, at once and whatever they are doing.

    Everything that takes a ``server_id`` raises ServerNotFound for one that is not there.
    """

    def __init__(self, state: StateFile) -> None:
        self._state = state

    def kill(self, server_id: str) -> None:
        """The machine dies: it is stopped."""
        self._replace(server_id, lambda record, now: _put(record, ServerStatus.STOPPED, now))

    def fail(self, server_id: str, reason: str = "The machine broke.") -> None:
        """The server goes into ERROR with ``reason`` as its fault."""
        self._replace(server_id, lambda record, now: _put(record, ServerStatus.ERROR, now, fault=reason))

    def lose_memory(self, server_id: str) -> None:
        """The cloud's software changes, and what ran in a suspended server cannot be brought back: it is stopped."""
        code = FaultCode.MEMORY_LOST
        self._replace(
            server_id, lambda record, now: _put(record, ServerStatus.STOPPED, now, fault="Its memory fits no more.", code=code)
        )

    def delete(self, server_id: str) -> None:
        """Somebody deletes the server; nothing of it is left."""
        with self._state.transaction() as transaction:
            store.read_server(transaction, server_id)
            store.remove_server(transaction, server_id)

    def rename(self, server_id: str, name: str) -> None:
        """Somebody gives the server another name."""
        self._replace(server_id, lambda record, _now: record.model_copy(update={"name": name}))

    def hang_guest(self, server_id: str) -> None:
        """The guest answers no more, until it is booted again or ``wake_guest``."""
        self._replace(server_id, lambda record, _now: _set_ready_at(record, None))

    def wake_guest(self, server_id: str) -> None:
        """The guest answers as soon as the server runs."""
        self._replace(server_id, _set_ready_at)

    def load(self, server_id: str, percent: float) -> None:
        """The guest uses so much of its processors from now on."""
        self._replace(
            server_id,
            lambda record, now: record.model_copy(
                update={"load_percent": percent, "load_since": now, "load_seconds": record.cpu_seconds(now)}
            ),
        )

    def finish(self, server_id: str) -> None:
        """What the server is in the middle of is over now, its boot and its deletion too."""
        self._replace(server_id, _finish)

    def add_stranger(self, name: str = "somebody else's") -> str:
        """A running server without our tag on the first host, as big as the smallest flavor. Answers its id."""
        with self._state.transaction() as transaction:
            stranger = _make_stranger(transaction, name)
            store.write_server(transaction, stranger)
            return stranger.id

    def has_stranger(self, server_id: str) -> bool:
        """Whether a server without our tag is still there and runs."""
        with self._state.transaction() as transaction:
            row = transaction.row("SELECT record FROM servers WHERE id = ? AND desktop_id IS NULL", server_id)
        return row is not None and ServerRecord.model_validate_json(row[0]).status is ServerStatus.RUNNING

    def _replace(self, server_id: str, change: Callable[[ServerRecord, float], ServerRecord]) -> None:
        with self._state.transaction() as transaction:
            record = store.read_server(transaction, server_id)
            store.write_server(transaction, change(record, transaction.now))


class Control:
    """Everything that can be done to a memory cloud and seen of it, from any process, while others use it.

    None of it is written down as a call or meets a fault.
    """

    def __init__(self, state: StateFile) -> None:
        self._state = state
        self.faults = Faults(state)
        self.disturb = Disturbances(state)
        self.calls = CallLog(state)

    @property
    def options(self) -> Options:
        """What the cloud is made of now."""
        return self._state.options()

    def change_options(self, **changes: object) -> Options:
        """Set some options from now on; what is under way keeps its times. Raises pydantic's ValidationError."""
        return self._state.change_options(**changes)

    def messages(self, server_id: str) -> Sequence[str]:
        """What a person at the server's screen was shown, oldest first; at most the last 100. Raises ServerNotFound."""
        with self._state.transaction() as transaction:
            store.read_server(transaction, server_id)
            rows = transaction.rows("SELECT message FROM messages WHERE server_id = ? ORDER BY number", server_id)
        return tuple(row[0] for row in rows)

    def metadata(self, server_id: str) -> dict[str, str]:
        """What the server was tagged with beside the desktop's id. Raises ServerNotFound."""
        with self._state.transaction() as transaction:
            return store.read_server(transaction, server_id).metadata

    def user_data(self, server_id: str) -> str | None:
        """What the server's first boot was told, as its guest reads it. Raises ServerNotFound."""
        with self._state.transaction() as transaction:
            return store.read_server(transaction, server_id).user_data

    def close(self) -> None:
        """Give back the file. Nothing in the cloud changes."""
        self._state.close()


def _put(
    record: ServerRecord, status: ServerStatus, now: float, *, fault: str | None = None, code: FaultCode | None = None
) -> ServerRecord:
    why = {"fault": fault, "fault_code": code}
    return record.model_copy(
        update={"status": status, "previous_status": record.status, "change": None, "frees_at": now, **why}
    )


def _set_ready_at(record: ServerRecord, ready_at: float | None) -> ServerRecord:
    change = record.change
    if change is not None:
        later = None if ready_at is None else max(ready_at, change.due_at)
        change = change.model_copy(update={"ready_at": later})
    return record.model_copy(update={"change": change, "ready_at": ready_at})


def _finish(record: ServerRecord, now: float) -> ServerRecord:
    change: Change | None = record.change
    if change is not None:
        change = change.model_copy(update={"due_at": now, "ready_at": _no_later(change.ready_at, now)})
    return record.model_copy(
        update={
            "change": change,
            "ready_at": _no_later(record.ready_at, now),
            "frees_at": _no_later(record.frees_at, now),
            "gone_at": _no_later(record.gone_at, now),
        }
    )


def _no_later(moment: float | None, now: float) -> float | None:
    return None if moment is None else min(moment, now)


def _make_stranger(transaction: Transaction, name: str) -> ServerRecord:
    options = transaction.options
    flavor, network = options.flavors[0], options.networks[0]
    return ServerRecord(
        id=transaction.draw_id(),
        desktop_id=None,
        name=name,
        hostname="stranger",
        image_id=options.images[0].id,
        flavor_id=flavor.id,
        network_id=network.id,
        network_name=network.name,
        address=next_address(transaction, network),
        metadata={},
        host_id=options.hosts[0].id,
        vcpus=flavor.vcpus,
        memory_mib=flavor.memory_mib,
        disk_mib=flavor.disk_mib,
        created_at=transaction.now,
        status=ServerStatus.RUNNING,
        previous_status=ServerStatus.RUNNING,
        change=None,
        ready_at=transaction.now,
        frees_at=None,
        identity=transaction.draw().hex(),
        boot_id=transaction.draw_id(),
        console_password=transaction.draw().hex()[:8],
    )
