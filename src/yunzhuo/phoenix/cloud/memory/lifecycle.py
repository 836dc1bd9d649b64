"""Which verb a server may be asked for when, and what becomes of it: a table, and one pure function that applies it."""

from collections.abc import Callable
from dataclasses import dataclass

from yunzhuo.phoenix.cloud.errors import ServerBusy, ServerLocked, ServerShelved
from yunzhuo.phoenix.cloud.memory.options import Options
from yunzhuo.phoenix.cloud.memory.records import Change, ServerRecord
from yunzhuo.phoenix.cloud.resources import ServerStatus

_BUILDING = ServerStatus.BUILDING
_RUNNING = ServerStatus.RUNNING
_STOPPED = ServerStatus.STOPPED
_SUSPENDED = ServerStatus.SUSPENDED
_RESCUED = ServerStatus.RESCUED
_ERROR = ServerStatus.ERROR

#: Servers that take memory and vCPU of their host.
TAKES_ROOM = frozenset({_BUILDING, _RUNNING, _RESCUED})
_OF_SHELVED = frozenset({"start", "shelve"})
# After these the screen shows another desktop than before.
_FORGET_PICTURE = frozenset({"rebuild", "roll back", "roll back to memory"})


@dataclass(frozen=True, slots=True)
class Rule:
    """A verb is allowed in the statuses ``allowed`` and ends in ``ends`` (None: as before, from ERROR running).

    In ``already`` it changes nothing. ``meanwhile`` is the status until then (None: as before). ``boots`` says that a
    guest that runs afterwards has started anew. On the way no guest answers.
    """

    allowed: frozenset[ServerStatus]
    duration: Callable[[Options], float]
    already: ServerStatus | None = None
    ends: ServerStatus | None = None
    meanwhile: ServerStatus | None = None
    boots: bool = False


RULES: dict[str, Rule] = {
    "start": Rule(frozenset({_STOPPED}), lambda o: o.start_seconds, already=_RUNNING, ends=_RUNNING, boots=True),
    "stop": Rule(frozenset({_RUNNING, _ERROR}), lambda o: o.stop_seconds, already=_STOPPED, ends=_STOPPED),
    "reboot soft": Rule(frozenset({_RUNNING}), lambda o: o.reboot_seconds, ends=_RUNNING, boots=True),
    "reboot hard": Rule(frozenset({_RUNNING, _ERROR}), lambda o: o.reboot_seconds, ends=_RUNNING, boots=True),
    "suspend": Rule(frozenset({_RUNNING}), lambda o: o.suspend_seconds, already=_SUSPENDED, ends=_SUSPENDED),
    "resume": Rule(frozenset({_SUSPENDED}), lambda o: o.resume_seconds, already=_RUNNING, ends=_RUNNING),
    "rebuild": Rule(frozenset({_RUNNING, _STOPPED, _ERROR}), lambda o: o.rebuild_seconds, meanwhile=_BUILDING, boots=True),
    "resize": Rule(frozenset({_RUNNING, _STOPPED}), lambda o: o.resize_seconds, meanwhile=_BUILDING, boots=True),
    "snapshot": Rule(frozenset({_RUNNING, _STOPPED}), lambda o: o.snapshot_seconds),
    "roll back": Rule(frozenset({_RUNNING, _STOPPED, _ERROR}), lambda o: o.roll_back_seconds, boots=True),
    "roll back to memory": Rule(frozenset({_RUNNING, _STOPPED, _ERROR}), lambda o: o.roll_back_seconds, ends=_RUNNING),
    "pause": Rule(frozenset({_RUNNING}), lambda o: o.suspend_seconds, already=_SUSPENDED, ends=_SUSPENDED),
    "shelve": Rule(frozenset({_RUNNING, _STOPPED, _SUSPENDED}), lambda o: o.stop_seconds, ends=_STOPPED),
    "rescue": Rule(
        frozenset({_RUNNING, _STOPPED, _ERROR}), lambda o: o.reboot_seconds, already=_RESCUED, ends=_RESCUED, boots=True
    ),
    "unrescue": Rule(frozenset({_RESCUED}), lambda o: o.reboot_seconds, already=_RUNNING, ends=_RUNNING, boots=True),
}


@dataclass(frozen=True, slots=True)
class Pace:
    """How an accepted verb goes: later by ``extra_seconds``, or into ERROR with the reason ``breaks``, told later still."""

    extra_seconds: float = 0
    breaks: str | None = None
    told_after_seconds: float = 0

    def change(self, verb: str, ends: ServerStatus, due_at: float, ready_at: float | None) -> Change:
        """The verb under way."""
        told = self.told_after_seconds
        return Change(verb=verb, status=ends, due_at=due_at, ready_at=ready_at, fault=self.breaks, told_after_seconds=told)


def is_already(record: ServerRecord, verb: str) -> bool:
    """Whether the verb asks for what is, or is on its way. Never so for a server that is being deleted."""
    wanted = RULES[verb].already
    heading_for = record.change.status if record.change else record.status
    return wanted is not None and heading_for is wanted and record.gone_at is None


def accept(record: ServerRecord, verb: str, *, now: float, options: Options, pace: Pace) -> ServerRecord:
    """The settled record with the verb under way. Raises ServerBusy (the table), ServerLocked, ServerShelved."""
    rule = RULES[verb]
    if record.gone_at is not None:
        raise ServerBusy("The server is being deleted.", server_id=record.id)
    if record.is_locked:
        raise ServerLocked(record.id)
    if record.change is not None:
        raise ServerBusy(f"The server is still changing ({record.change.verb}).", server_id=record.id)
    if record.is_shelved and verb not in _OF_SHELVED:
        raise ServerShelved(record.id)
    if record.status not in rule.allowed:
        raise ServerBusy(f"A server that is {record.status.value} does not {verb}.", server_id=record.id)
    wanted = rule.ends or (_RUNNING if record.status is _ERROR else record.status)
    ends = _ERROR if pace.breaks else wanted
    status = record.status if rule.meanwhile is None else rule.meanwhile
    due_at = now + rule.duration(options) + pace.extra_seconds
    ready_at = max(due_at, record.ready_at) if record.ready_at is not None else None
    if rule.boots:
        ready_at = due_at + options.ready_seconds if options.guests_get_ready and record.is_plugged else None
    pictured_at = now if record.status is _RUNNING else record.pictured_at
    return record.model_copy(
        update={
            "pictured_at": None if verb in _FORGET_PICTURE else pictured_at,
            "status": status,
            "is_shelved": verb == "shelve",
            "previous_status": record.status,
            "change": pace.change(verb, ends, due_at, ready_at),
            "frees_at": frees_at(record.status, ends, due_at),
        }
    )


def frees_at(before: ServerStatus, after: ServerStatus, due_at: float) -> float | None:
    """From when on a server between two statuses takes no memory and vCPU; None: it goes on taking them."""
    if after in TAKES_ROOM:
        return None
    return due_at if before in TAKES_ROOM else 0
