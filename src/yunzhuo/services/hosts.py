"""Hosts as operators deal with them: closed and opened, and the desktops' servers moved off them. The cloud keeps them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Server
from yunzhuo.phoenix.common.errors import InvalidInput, NotFound, YunzhuoError
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.stated import needs

_LONGEST_REASON = 200


class HostChange(StrEnum):
    """What is said of a host."""

    DISABLE = "disable"
    """No new servers come; those that are there go on."""
    ENABLE = "enable"
    FORCE_DOWN = "force_down"
    """It is dead: what the cloud has to be told before its servers are made anew elsewhere."""


class Move(StrEnum):
    """How servers leave a host."""

    LIVE = "live"
    """While they run."""
    COLD = "cold"
    """Off for a moment."""
    EVACUATE = "evacuate"
    """Made anew elsewhere, as their host is down."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of the wish to move one server; ``refusal`` None: the cloud has accepted it."""

    server_id: str
    name: str
    desktop_id: str
    refusal: YunzhuoError | None


class HostService:
    """Each method asks the cloud first and writes the record then; nothing of hosts is kept here."""

    def __init__(self, db: Database, cloud: Cloud, audit: AuditLog) -> None:
        self._db = db
        self._cloud = cloud
        self._audit = audit

    @needs("host:update")
    def change(self, actor: Actor, host_id: str, change: HostChange, reason: str = "") -> None:
        """Close a host, open it, or say that it is down.

        Raises NotFound, InvalidInput (no reason), CloudNotOffered, and Conflict (``host_not_down``) for one that is heard of.
        """
        reason = " ".join(reason.split())
        if change is HostChange.DISABLE:
            if not 0 < len(reason) <= _LONGEST_REASON:
                wrong = f"1 to {_LONGEST_REASON} characters: others will want to know."
                raise InvalidInput("A host is closed for a reason.", fields={"reason": wrong})
            self._cloud.hosts.disable(host_id, reason)
        elif change is HostChange.ENABLE:
            self._cloud.hosts.enable(host_id)
        else:
            self._cloud.hosts.force_down(host_id)
        self._record(actor, "host:update", host_id, {"change": change.value, "reason": reason})

    @needs("host:move")
    def move(
        self, actor: Actor, host_id: str, how: Move, *, server_id: str | None = None, target_host_id: str | None = None
    ) -> Sequence[Moved]:
        """Ask to move one of our servers off a host, or all of them; a refusal of one does not keep the others.

        ``target_host_id`` is for moving while they run. Raises NotFound when the host, or the server on it, is not there,
        InvalidInput, CloudNotOffered, and Conflict (``host_not_down``) when a host that is not proved to be down is evacuated.
        """
        if target_host_id is not None and how is not Move.LIVE:
            raise InvalidInput("Only what moves while it runs is told where to.", fields={"target": "for `live` alone"})
        host = next((each for each in self._cloud.hosts.list() if each.id == host_id), None)
        if host is None:
            raise NotFound("host_not_found", "The cloud has no such host.", host_id=host_id)
        there = [each for each in self._cloud.servers.list() if each.host == host_id and server_id in (None, each.id)]
        if server_id is not None and not there:
            raise NotFound("server_not_found", "The host has no such server of ours.", server_id=server_id)
        asking: Mapping[Move, Callable[[str], None]] = {
            Move.LIVE: lambda each: self._cloud.hosts.live_migrate(each, target_host_id),
            Move.COLD: self._cloud.hosts.migrate,
            Move.EVACUATE: self._cloud.hosts.evacuate,
        }
        moved = [_moved(server, asking[how]) for server in sorted(there, key=lambda each: (each.name, each.id))]
        if server_id is not None and moved[0].refusal is not None:
            raise moved[0].refusal
        after = {"how": how.value, "asked": len(moved), "refused": sum(each.refusal is not None for each in moved)}
        self._record(actor, "host:move", host_id, {**after, "server": server_id, "target": target_host_id})
        return moved

    @retried_when_contended
    def _record(self, actor: Actor, verb: str, host_id: str, after: Mapping[str, object]) -> None:
        with self._db.transaction() as tx:
            self._audit.record(tx, actor, verb, "host", host_id[:36], after={"host": host_id, **after})


def _moved(server: Server, ask: Callable[[str], None]) -> Moved:
    refusal: YunzhuoError | None = None
    try:
        ask(server.id)
    except YunzhuoError as error:
        refusal = error
    return Moved(server.id, server.name, server.desktop_id, refusal)
