"""The one way into the memory cloud: every call is written down, meets the faults in force, and then does its work."""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from yunzhuo.phoenix.cloud.errors import CloudUnavailable, NoCapacity, ServerBusy
from yunzhuo.phoenix.cloud.memory.faults import FaultKind, Plan, strike
from yunzhuo.phoenix.cloud.memory.records import as_time
from yunzhuo.phoenix.cloud.memory.state import StateFile, Transaction
from yunzhuo.phoenix.common.errors import Conflict, Refused, YunzhuoError

_Result = TypeVar("_Result")

_NEED_ROOM = frozenset(
    {
        *("servers.create", "servers.start", "servers.resume", "servers.resize", "servers.roll_back"),
        "addresses.create",
    }
)
_TRIM_EVERY = 256


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it was written down.

    ``subject`` is the desktop's id for create and find, else the id of the server, image or flavor asked about, or empty.
    ``outcome`` is ``ok`` or the code of the error; None: it still goes on, or its process died.
    """

    id: int
    process_id: int
    thread: str
    operation: str
    subject: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None


class CallLog:
    """The last calls (``Options.calls_kept`` of them) by all users of the cloud, oldest first."""

    def __init__(self, state: StateFile) -> None:
        self._state = state

    def list(self, operation: str = "*", *, subject: str | None = None, after_id: int = 0) -> Sequence[Call]:
        """The calls of an operation (``servers.*`` matches several), about ``subject``, later than the call ``after_id``."""
        with self._state.transaction() as transaction:
            rows = transaction.rows(
                """SELECT id, process_id, thread, operation, subject, started_at, ended_at, outcome FROM calls
                WHERE operation GLOB ? AND id > ? AND (? IS NULL OR subject = ?) ORDER BY id""",
                operation,
                after_id,
                subject,
                subject,
            )
        return tuple(_as_call(*row) for row in rows)

    def count(self, operation: str = "*", *, subject: str | None = None, after_id: int = 0) -> int:
        """How many calls ``list`` would answer."""
        return len(self.list(operation, subject=subject, after_id=after_id))

    def last_id(self) -> int:
        """The number of the last call so far; 0 before the first."""
        with self._state.transaction() as transaction:
            row = transaction.row("SELECT seq FROM sqlite_sequence WHERE name = 'calls'")
        return int(row[0]) if row else 0

    def clear(self) -> None:
        """Forget the calls; numbers go on."""
        with self._state.transaction() as transaction:
            transaction.execute("DELETE FROM calls")


class Gate:
    """Lets calls in, one transaction each, and makes the faults in force come true."""

    def __init__(self, state: StateFile, *, timeout_seconds: float) -> None:
        self._state = state
        self._timeout_seconds = timeout_seconds
        self._closed = threading.Event()

    def perform(self, operation: str, action: Callable[[Transaction, Plan], _Result], *, subject: str = "") -> _Result:
        """Do ``action`` as one all-or-nothing change, in the way of the faults that strike it.

        Raises what the action raises, and CloudUnavailable or a refusal when a fault says so. Its number in the log is the
        cloud's id of the request.
        """
        with self._state.transaction() as transaction:
            call_id = _begin(transaction, operation, subject)
            request_id = f"call-{call_id}"
            plan = strike(transaction, operation, subject, request_id)
        try:
            result = self._in_the_way_of(plan, operation, action)
        except YunzhuoError as error:
            self._end(call_id, error.code)
            error.details = {**error.details, "cloud_request_id": request_id}
            raise
        self._end(call_id, "ok")
        return result

    def wait(self, seconds: float) -> None:
        """Let time pass inside a call; ends early when the cloud object is closed."""
        if seconds > 0:
            self._closed.wait(seconds)

    def close(self) -> None:
        """End what waits."""
        self._closed.set()

    def _in_the_way_of(self, plan: Plan, operation: str, action: Callable[[Transaction, Plan], _Result]) -> _Result:
        seconds = min(plan.seconds, self._timeout_seconds)
        self.wait(seconds / 2)
        if plan.has(FaultKind.FAIL_BEFORE):
            raise _unavailable("failed before anything happened", operation)
        if plan.has(FaultKind.REFUSE):
            raise _refusal(operation)
        if plan.never_happens:
            self.wait(seconds / 2)
            raise _unavailable("did not answer in time", operation)
        try:
            with self._state.transaction() as transaction:
                result = action(transaction, plan)
        finally:
            if plan.has(FaultKind.CRASH):
                _crash()
        self.wait(seconds / 2)
        if plan.has(FaultKind.FAIL_AFTER):
            raise _unavailable("failed after it happened", operation)
        if plan.has(FaultKind.TIMEOUT) or plan.seconds >= self._timeout_seconds:
            raise _unavailable("did not answer in time", operation)
        return result

    def _end(self, call_id: int, outcome: str) -> None:
        with self._state.transaction() as transaction:
            transaction.execute("UPDATE calls SET ended_at = ?, outcome = ? WHERE id = ?", transaction.now, outcome, call_id)


def _crash() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    threading.Event().wait()  # other threads may run until the signal has come; this one does not go on


def _begin(transaction: Transaction, operation: str, subject: str) -> int:
    cursor = transaction.execute(
        "INSERT INTO calls (process_id, thread, operation, subject, started_at) VALUES (?, ?, ?, ?, ?)",
        os.getpid(),
        threading.current_thread().name,
        operation,
        subject,
        transaction.now,
    )
    call_id = cursor.lastrowid or 0
    if call_id % min(_TRIM_EVERY, transaction.options.calls_kept) == 0:
        transaction.execute("DELETE FROM calls WHERE id <= ?", call_id - transaction.options.calls_kept)
    return call_id


def _as_call(
    call_id: int,
    process_id: int,
    thread: str,
    operation: str,
    subject: str,
    started_at: float,
    ended_at: float | None,
    outcome: str | None,
) -> Call:
    ended = None if ended_at is None else as_time(ended_at)
    return Call(call_id, process_id, thread, operation, subject, as_time(started_at), ended, outcome)


def _unavailable(what: str, operation: str) -> CloudUnavailable:
    return CloudUnavailable(f"The memory cloud {what}, as it was told to.", operation=operation)


def _refusal(operation: str) -> Refused:
    if operation in _NEED_ROOM:
        return NoCapacity("No host has room for it now.", operation=operation)
    if operation.startswith(("servers.", "care.")):
        return ServerBusy("The cloud does not allow this now.", operation=operation)
    return Conflict("refused_by_cloud", "The cloud does not allow this now.", operation=operation)
