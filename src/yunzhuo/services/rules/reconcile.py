"""What a look at the whole cloud says about our desktops, and what follows."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from yunzhuo.services.rules.lifecycle import Observed


@dataclass(frozen=True, slots=True)
class KnownDesktop:
    """A desktop as the database has it. ``server_name`` and ``host`` None: the cloud has not been heard of them yet."""

    id: str
    name: str
    server_id: str | None
    observed: Observed | None
    fault: str | None
    fault_code: str | None
    missing_since: datetime | None
    is_deleted: bool
    is_changing: bool
    server_name: str | None = None
    host: str | None = None
    is_locked: bool = False


@dataclass(frozen=True, slots=True)
class SeenServer:
    """A server as the cloud has it. ``host`` None: the cloud does not tell."""

    id: str
    desktop_id: str
    status: Observed
    fault: str | None
    fault_code: str | None
    name: str = ""
    host: str | None = None
    is_locked: bool = False


class Thing(StrEnum):
    """What clouds hold for desktops."""

    SERVER = "server"
    ADDRESS = "address"
    PORT = "port"


class FindingKind(StrEnum):
    """What can be found."""

    CHANGED = "changed"
    RENAMED = "renamed"
    MOVED = "moved"
    ADOPTED = "adopted"
    MISSING_FIRST = "missing_first"
    MISSING_AGAIN = "missing_again"
    NO_SERVER = "no_server"
    LEFT_BEHIND = "left_behind"
    DOUBLE = "double"
    STRANGER = "stranger"
    UNUSED = "unused"
    ELSEWHERE = "elsewhere"


#: What the cloud holds and no desktop owns.
LEFTOVERS = frozenset({FindingKind.LEFT_BEHIND, FindingKind.DOUBLE, FindingKind.STRANGER})
#: What is only told of.
_TOLD = frozenset({FindingKind.NO_SERVER})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that differs. ``desktop_id`` is our tag on it, even when we have no such desktop.

    ``cloud_id`` is the thing's own, None where there is none. ``is_in_use``: it is an address that leads to a server.
    """

    kind: FindingKind
    desktop_id: str
    cloud_id: str | None
    name: str
    server: SeenServer | None = None
    thing: Thing = Thing.SERVER
    is_in_use: bool = False

    @property
    def is_only_told(self) -> bool:
        """Whether nothing is written down for it."""
        return self.kind in _TOLD


def compare(
    desktops: Mapping[str, KnownDesktop], servers: Iterable[SeenServer], given_up: Container[str] = ()
) -> Sequence[Finding]:
    """Everything in which the cloud's list differs from ours.

    A desktop whose operation is running is left to its operation, except that it is never called missing. A server is
    missing only when it was missing in an earlier round too. A server whose desktop was deleted was left behind by a
    crash; a second one with the tag of a desktop that has its own is a double; one whose tag we do not know is a stranger.
    A desktop that knows of no server, and whose tag one carries, is given it. A server that a desktop has given up
    (``given_up``, by its id) was left behind, whatever else is being done to the desktop.
    """
    findings: list[Finding] = []
    seen: set[str] = set()
    for server in servers:
        desktop = desktops.get(server.desktop_id)
        if server.id in given_up:
            kind: FindingKind | None = FindingKind.LEFT_BEHIND
        else:
            seen.add(server.desktop_id)
            kind = _kind_of(desktop, server)
        if kind is not None:
            findings.append(Finding(kind, server.desktop_id, server.id, desktop.name if desktop else server.name, server))
    for desktop in desktops.values():
        if desktop.id in seen or desktop.is_deleted or desktop.is_changing:
            continue
        if desktop.server_id is None:
            findings.append(Finding(FindingKind.NO_SERVER, desktop.id, None, desktop.name))
        elif desktop.missing_since is None:
            findings.append(Finding(FindingKind.MISSING_FIRST, desktop.id, desktop.server_id, desktop.name))
        elif desktop.observed is not Observed.MISSING:
            findings.append(Finding(FindingKind.MISSING_AGAIN, desktop.id, desktop.server_id, desktop.name))
    return findings


def _kind_of(desktop: KnownDesktop | None, server: SeenServer) -> FindingKind | None:
    if desktop is None:
        return FindingKind.STRANGER
    if desktop.is_deleted:
        return FindingKind.LEFT_BEHIND
    if desktop.is_changing:
        return None
    if desktop.server_id is None:
        return FindingKind.ADOPTED
    if desktop.server_id != server.id:
        return FindingKind.DOUBLE
    knew = (desktop.observed, desktop.fault, desktop.fault_code, desktop.missing_since, desktop.is_locked)
    if knew != (server.status, server.fault, server.fault_code, None, server.is_locked):
        return FindingKind.CHANGED
    if desktop.server_name != server.name:
        return FindingKind.RENAMED
    return FindingKind.MOVED if desktop.host != server.host else None


def is_removable(finding: Finding) -> bool:
    """Whether a rule removes it: what a deleted desktop left or a desktop gave up, or a second address that leads nowhere.

    A stranger or a second server may be somebody's: only a person can say.
    """
    is_of_nobody = finding.kind is FindingKind.LEFT_BEHIND or (
        finding.kind is FindingKind.DOUBLE and finding.thing is Thing.ADDRESS
    )
    return is_of_nobody and not finding.is_in_use


def may_remove(finding: Finding, first_seen_at: datetime, now: datetime, grace: timedelta) -> bool:
    """Whether a leftover is removed now: never at first sight."""
    return is_removable(finding) and now - first_seen_at >= grace
