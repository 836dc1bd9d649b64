"""What a look at the whole cloud says about our desktops, and what follows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from yunzhuo.services.rules.lifecycle import Observed


@dataclass(frozen=True, slots=True)
class KnownDesktop:
    """A desktop as the database has it."""

    id: str
    server_id: str | None
    observed: Observed | None
    fault: str | None
    fault_code: str | None
    missing_since: datetime | None
    is_deleted: bool
    is_changing: bool


@dataclass(frozen=True, slots=True)
class SeenServer:
    """A server as the cloud has it."""

    id: str
    desktop_id: str
    status: Observed
    fault: str | None
    fault_code: str | None


class FindingKind(StrEnum):
    """What can be found."""

    CHANGED = "changed"
    MISSING_FIRST = "missing_first"
    MISSING_AGAIN = "missing_again"
    LEFT_BEHIND = "left_behind"
    STRANGER = "stranger"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that differs. ``desktop_id`` is our tag on it, even when we have no such desktop."""

    kind: FindingKind
    desktop_id: str
    server_id: str | None
    status: Observed | None = None
    fault: str | None = None
    fault_code: str | None = None


def compare(desktops: Mapping[str, KnownDesktop], servers: Iterable[SeenServer]) -> Sequence[Finding]:
    """Everything in which the cloud's list differs from ours.

    A desktop whose operation is running is left to its operation, except that it is never called missing. A server is
    missing only when it was missing in an earlier round too. A server whose desktop was deleted was left behind by a
    crash; one whose tag we do not know is reported and never touched.
    """
    findings: list[Finding] = []
    seen: set[str] = set()
    for server in servers:
        seen.add(server.desktop_id)
        desktop = desktops.get(server.desktop_id)
        if desktop is None:
            findings.append(Finding(FindingKind.STRANGER, server.desktop_id, server.id))
        elif desktop.is_deleted:
            findings.append(Finding(FindingKind.LEFT_BEHIND, server.desktop_id, server.id))
        elif _differs(desktop, server):
            what = (server.status, server.fault, server.fault_code)
            findings.append(Finding(FindingKind.CHANGED, desktop.id, server.id, *what))
    for desktop in desktops.values():
        if desktop.id in seen or desktop.server_id is None or desktop.is_deleted or desktop.is_changing:
            continue
        if desktop.missing_since is None:
            findings.append(Finding(FindingKind.MISSING_FIRST, desktop.id, desktop.server_id))
        elif desktop.observed is not Observed.MISSING:
            findings.append(Finding(FindingKind.MISSING_AGAIN, desktop.id, desktop.server_id, Observed.MISSING))
    return findings


def _differs(desktop: KnownDesktop, server: SeenServer) -> bool:
    if desktop.is_changing or desktop.server_id is None:
        return False
    if desktop.missing_since is not None:
        return True
    return (desktop.observed, desktop.fault, desktop.fault_code) != (server.status, server.fault, server.fault_code)
