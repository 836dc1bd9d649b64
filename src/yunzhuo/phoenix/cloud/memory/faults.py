"""Bad days on request: stored in the state file, so any process may set them at any time for all users of the cloud."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field

from yunzhuo.phoenix.cloud.memory.state import StateFile, Transaction
from yunzhuo.phoenix.cloud.resources import ServerStatus

_HEADS = 0.5


class FaultKind(StrEnum):
    """What goes wrong.

    ======================= ==========================================================================================
    ``SLOW``                the call takes ``seconds``, half of them before the change and half after it, and what it
                            started is over that much later; not within the driver's time limit: as ``TIMEOUT``
    ``FAIL_BEFORE``         CloudUnavailable, and nothing happened
    ``FAIL_AFTER``          CloudUnavailable, and it happened
    ``TIMEOUT``             CloudUnavailable after ``seconds``; whether it happened is left to chance
    ``REFUSE``              a refusal: NoCapacity where room is needed, else ServerBusy (servers) or Conflict
    ``BREAK``               accepted, and what it started ends in ERROR with ``reason``, which is told ``seconds``
                            later; what ``image_store.import_from`` fetches does not come
    ``LIE``                 get, find and list of servers answer ``status``, or when it is None the status from before the
                            last change; those of addresses say that one leads where it led before; ``guest.ready`` and
                            ``images.is_prepared`` answer the opposite; ``notices.listen`` tells of every server, twice,
                            and of one that never was
    ``FORGET``              get and find do not know the server or address; list leaves out ``subject``, or one drawn by
                            chance; ``notices.listen`` tells of nothing that has happened until then
    ``LEAK``                a server is deleted, and its port stays
    ``HANG``                the server is made and stays BUILDING for ever; with ``seconds``, its host gives it back after
                            them, and none takes it
    ``UNPLUG``              the server is made and runs, its port stays down, and its guest does not get ready
    ``CRASH``               it happened, and before there is an answer the calling process is killed
    ======================= ==========================================================================================
    """

    SLOW = "slow"
    FAIL_BEFORE = "fail_before"
    FAIL_AFTER = "fail_after"
    TIMEOUT = "timeout"
    REFUSE = "refuse"
    BREAK = "break"
    LIE = "lie"
    FORGET = "forget"
    LEAK = "leak"
    HANG = "hang"
    UNPLUG = "unplug"
    CRASH = "crash"


_READS = frozenset({"servers.get", "servers.find", "servers.list", "addresses.find", "addresses.list"})
_CHANGES = frozenset(
    f"servers.{verb}"
    for verb in ("create", "start", "stop", "reboot", "suspend", "resume", "rebuild", "resize", "snapshot", "roll_back")
)

_LISTS = frozenset({"servers.list", "addresses.list"})

#: Kinds that mean something in some operations only; elsewhere they do not strike and are not counted.
_STRIKES_ONLY = {
    FaultKind.LIE: _READS | {"guest.ready", "images.is_prepared", "notices.listen"},
    FaultKind.FORGET: _READS | {"notices.listen"},
    FaultKind.BREAK: _CHANGES | {"image_store.import_from"},
    FaultKind.LEAK: {"servers.delete"},
    FaultKind.HANG: {"servers.create"},
    FaultKind.UNPLUG: {"servers.create"},
}


class Fault(BaseModel):
    """One thing that goes wrong in calls of ``operation`` (``servers.create``; ``servers.*`` and ``*`` match more).

    It strikes ``count`` times (None: until cleared), each matching call with ``probability``. ``subject`` keeps it to one
    server: the desktop's id for create and find, either id for list, the server's id for all else; so with addresses.
    ``host`` keeps what becomes of a create (``BREAK``, ``HANG``, ``UNPLUG``) to servers that are put on that host; others are
    counted, too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: str
    kind: FaultKind
    count: int | None = Field(1, ge=1)
    probability: float = Field(1.0, ge=0, le=1)
    seconds: float = Field(0, ge=0)
    subject: str | None = None
    host: str | None = None
    status: ServerStatus | None = None
    reason: str = "The memory cloud was told to break this."


@dataclass(frozen=True, slots=True)
class Plan:
    """What will go wrong in one call: the faults that struck it, by kind. ``never_happens``: a timeout lost the change.

    ``request_id`` is the cloud's id of the call.
    """

    struck: dict[FaultKind, Fault] = field(default_factory=dict)
    never_happens: bool = False
    request_id: str = ""

    def has(self, kind: FaultKind) -> bool:
        """Whether a fault of this kind struck."""
        return kind in self.struck

    def get(self, kind: FaultKind) -> Fault | None:
        """The fault of this kind that struck, if any."""
        return self.struck.get(kind)

    def hits(self, kind: FaultKind, *ids: str | None) -> Fault | None:
        """The fault of this kind, if it struck and means one of these ids or all servers."""
        fault = self.struck.get(kind)
        return fault if fault is not None and (fault.subject is None or fault.subject in ids) else None

    def on_host(self, kind: FaultKind, host_id: str) -> Fault | None:
        """The fault of this kind, if it struck and means this host or all hosts."""
        fault = self.struck.get(kind)
        return fault if fault is not None and fault.host in (None, host_id) else None

    @property
    def seconds(self) -> float:
        """How long the call takes."""
        return sum(fault.seconds for kind, fault in self.struck.items() if kind in (FaultKind.SLOW, FaultKind.TIMEOUT))

    @property
    def extra_seconds(self) -> float:
        """How much later what the call starts is over."""
        slow = self.struck.get(FaultKind.SLOW)
        return slow.seconds if slow else 0


class Faults:
    """The faults in force, for whoever wants to see how others bear them."""

    def __init__(self, state: StateFile) -> None:
        self._state = state

    def set(self, fault: Fault) -> int:
        """Let a fault strike from now on, beside those in force. Answers its number."""
        with self._state.transaction() as transaction:
            cursor = transaction.execute(
                "INSERT INTO faults (calls_left, fault) VALUES (?, ?)", fault.count, fault.model_dump_json()
            )
            return cursor.lastrowid or 0

    def clear(self, operation: str | None = None) -> None:
        """Lift all faults, or those set for exactly this ``operation``."""
        with self._state.transaction() as transaction:
            transaction.execute(
                "DELETE FROM faults WHERE ? IS NULL OR json_extract(fault, '$.operation') = ?", operation, operation
            )

    def list(self) -> Sequence[Fault]:
        """The faults that can still strike, oldest first; ``count`` is what is left of it."""
        with self._state.transaction() as transaction:
            return tuple(fault.model_copy(update={"count": left}) for _, left, fault in read_faults(transaction))


def read_faults(transaction: Transaction) -> Sequence[tuple[int, int | None, Fault]]:
    """Number, strikes left (None: no end) and text of every fault, oldest first."""
    rows = transaction.rows("SELECT id, calls_left, fault FROM faults ORDER BY id")
    return tuple((row[0], row[1], Fault.model_validate_json(row[2])) for row in rows)


def strike(transaction: Transaction, operation: str, subject: str, request_id: str) -> Plan:
    """Decide which faults strike a call and count them; of each kind the oldest that does."""
    struck: dict[FaultKind, Fault] = {}
    for number, left, fault in read_faults(transaction):
        if fault.kind in struck or not _matches(fault, operation, subject):
            continue
        if fault.probability < 1 and transaction.draw_fraction() >= fault.probability:
            continue
        struck[fault.kind] = fault
        if left is not None and left <= 1:
            transaction.execute("DELETE FROM faults WHERE id = ?", number)
        elif left is not None:
            transaction.execute("UPDATE faults SET calls_left = ? WHERE id = ?", left - 1, number)
    never_happens = FaultKind.TIMEOUT in struck and transaction.draw_fraction() < _HEADS
    return Plan(struck, never_happens=never_happens, request_id=request_id)


def _matches(fault: Fault, operation: str, subject: str) -> bool:
    if operation not in _STRIKES_ONLY.get(fault.kind, {operation}):
        return False
    is_meant = fault.subject in (None, subject) or operation in _LISTS
    return is_meant and fnmatchcase(operation, fault.operation)
