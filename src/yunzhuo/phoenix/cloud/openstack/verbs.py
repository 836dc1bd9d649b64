"""What may be asked of a server when, as a table, and the asking: look, judge, and one wish to Nova.

The look comes first because Nova would take some wishes that the interface refuses (a hard reboot of a stopped server), and
because a server that is not ours must not be touched. Nova has the last word: what it refuses by then was overtaken.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from yunzhuo.phoenix.cloud.errors import NoCapacity, ServerBusy, ServerLocked, ServerNotFound, ServerShelved
from yunzhuo.phoenix.cloud.openstack.connection import READ, Connection, Json, Refusals
from yunzhuo.phoenix.cloud.openstack.server_lookup import ServerLookup
from yunzhuo.phoenix.cloud.openstack.server_states import LANGUAGE, Seen
from yunzhuo.phoenix.cloud.resources import ServerStatus

_RUNNING = ServerStatus.RUNNING
_STOPPED = ServerStatus.STOPPED
_SUSPENDED = ServerStatus.SUSPENDED
_RESCUED = ServerStatus.RESCUED
_ERROR = ServerStatus.ERROR


@dataclass(frozen=True, slots=True)
class Verb:
    """Allowed in the statuses ``allowed``; in ``already``, or on the way there, it changes nothing. ``body`` is for Nova.
    ``of_shelved``: it may be asked of a server that is shelved."""

    name: str
    allowed: frozenset[ServerStatus]
    already: ServerStatus | None = None
    body: Callable[[Seen], Json] = lambda _seen: {}
    of_shelved: bool = False


START = Verb(
    "start",
    frozenset({_STOPPED}),
    already=_RUNNING,
    body=lambda seen: {"unshelve": None} if seen.is_shelved else {"os-start": None},
    of_shelved=True,
)
STOP = Verb("stop", frozenset({_RUNNING, _ERROR}), already=_STOPPED, body=lambda _seen: {"os-stop": None})
REBOOT_SOFT = Verb("reboot", frozenset({_RUNNING}), body=lambda _seen: {"reboot": {"type": "SOFT"}})
REBOOT_HARD = Verb("reboot", frozenset({_RUNNING, _ERROR}), body=lambda _seen: {"reboot": {"type": "HARD"}})
SUSPEND = Verb("suspend", frozenset({_RUNNING}), already=_SUSPENDED, body=lambda _seen: {"suspend": None})
RESUME = Verb(
    "resume",
    frozenset({_SUSPENDED}),
    already=_RUNNING,
    body=lambda seen: {"unpause": None} if seen.nova_status == "PAUSED" else {"resume": None},
)
REBUILD = Verb("rebuild", frozenset({_RUNNING, _STOPPED, _ERROR}))
RESIZE = Verb("resize", frozenset({_RUNNING, _STOPPED}))
SNAPSHOT = Verb("snapshot", frozenset({_RUNNING, _STOPPED}))
PAUSE = Verb("pause", frozenset({_RUNNING}), already=_SUSPENDED, body=lambda _seen: {"pause": None})
SHELVE = Verb("shelve", frozenset({_RUNNING, _STOPPED, _SUSPENDED}), body=lambda _seen: {"shelve": None})
RESCUE = Verb("rescue", frozenset({_RUNNING, _STOPPED, _ERROR}), already=_RESCUED)
UNRESCUE = Verb("unrescue", frozenset({_RESCUED}), already=_RUNNING, body=lambda _seen: {"unrescue": None})


class Asking:
    """Wishes to Nova about one server."""

    def __init__(self, connection: Connection, lookup: ServerLookup) -> None:
        self._connection = connection
        self._lookup = lookup

    def act(self, server_id: str, verb: Verb, *, language: str | None = None) -> None:
        """Do what the table says. Raises ServerNotFound, ServerBusy, NoCapacity."""
        seen = self._lookup.see(server_id)
        if is_already(seen, verb):
            return
        check(seen, verb)
        self.note(seen, {LANGUAGE: language} if language else {})
        self.wish(server_id, verb.body(seen))

    def wish(self, server_id: str, body: Json, more: Refusals | None = None, *, version: str = READ) -> Json:
        """One action. ``more`` are refusals that mean something else than usual."""
        self._lookup.disturb(server_id)
        meant = {**refusals(server_id), **(more or {})}
        return self._connection.ask("compute", "POST", f"/servers/{server_id}/action", body, refusals=meant, version=version)

    def note(self, seen: Seen, metadata: Mapping[str, str]) -> None:
        """Write metadata that differs."""
        changed = {name: value for name, value in metadata.items() if seen.metadata.get(name) != value}
        if changed:
            path = f"/servers/{seen.server.id}/metadata"
            self._connection.ask("compute", "POST", path, {"metadata": changed}, refusals=refusals(seen.server.id))


def is_already(seen: Seen, verb: Verb) -> bool:
    """Whether the verb asks for what is, or is on its way."""
    return verb.already is not None and seen.heading_for is verb.already and not seen.is_being_deleted


def check(seen: Seen, verb: Verb) -> None:
    """Raises ServerBusy when the table does not allow it, ServerLocked, ServerShelved."""
    server = seen.server
    refuse_locked(seen)
    if seen.is_changing:
        raise ServerBusy(f"The server is still changing ({seen.task or seen.nova_status}).", server_id=server.id)
    if seen.is_shelved and not verb.of_shelved:
        raise ServerShelved(server.id)
    if server.status not in verb.allowed:
        raise ServerBusy(f"A server that is {server.status.value} does not {verb.name}.", server_id=server.id)


def refuse_locked(seen: Seen) -> None:
    """Raises ServerLocked, and ServerBusy for a server that is being deleted: Nova says the same of both, and of all else."""
    if seen.is_being_deleted:
        raise ServerBusy("The server is being deleted.", server_id=seen.server.id)
    if seen.server.is_locked:
        raise ServerLocked(seen.server.id)


def refusals(server_id: str) -> Refusals:
    """What Nova's refusals of a wish about a server mean."""
    return {
        404: lambda _said, **_details: ServerNotFound(server_id),
        409: lambda said, **details: ServerBusy(f"The server cannot do that now: {said}", server_id=server_id, **details),
        413: _no_room,
    }


def _no_room(said: str, **details: Any) -> NoCapacity:
    return NoCapacity(f"The cloud has no room for it: {said}", **details)
