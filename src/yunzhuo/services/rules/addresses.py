"""What a look at all floating IPs says about ours, and what follows. Pure: rows and the cloud's list go in, deeds come out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from yunzhuo.services.rules.reconcile import Finding, FindingKind, Thing


@dataclass(frozen=True, slots=True)
class KnownAddress:
    """An address as the database has it.

    ``server_id`` is the server of the desktop that it is given to, ``is_settled`` whether nothing is being done to that desktop
    (True: it is nobody's), ``may_be_led``: its desktop is in a state in which it can be given its address again.
    """

    id: str
    cloud_id: str | None
    address: str | None
    desktop_id: str | None
    server_id: str | None
    is_settled: bool
    may_be_led: bool
    attached_at: datetime | None
    leaving_server_id: str | None
    free_since: datetime | None
    missing_since: datetime | None
    given_up_at: datetime | None
    project_id: str | None = None


@dataclass(frozen=True, slots=True)
class SeenAddress:
    """A floating IP as the cloud has it."""

    id: str
    tag: str
    address: str
    server_id: str | None


class Deed(StrEnum):
    """What a round does about one address."""

    TELL = "tell"  # a person decides
    ADOPT = "adopt"  # the cloud had made it, and its answer was lost
    MISS = "miss"  # not in the list for the first time
    LOSE = "lose"  # not in the list again: nobody has it any more
    FOUND = "found"  # it is back in the list
    ATTACHED = "attached"  # it leads where it should
    DETACHED = "detached"  # it does not
    LEAD = "lead"  # it does not, and nothing stands against leading it there again
    OCCUPIED = "occupied"  # nobody has it, and it leads somewhere
    TAKE_AWAY = "take_away"  # and leads there still
    FREE = "free"  # it leads nowhere any more
    GIVE_UP = "give_up"  # nobody has wanted it for long
    FORGET = "forget"  # the cloud has it back


@dataclass(frozen=True, slots=True)
class Task:
    """A deed about an address of ours, and what the cloud says of it."""

    deed: Deed
    known: KnownAddress
    seen: SeenAddress | None = None


#: A call that was broken off may come true this much later; until then an address that was given up is still looked for.
LATE = timedelta(hours=1)


def compare(
    known: Mapping[str, KnownAddress], seen: Iterable[SeenAddress], *, now: datetime, keep: timedelta
) -> tuple[Sequence[Task], Sequence[Finding]]:
    """What is to be done about our addresses, and what the cloud has that nobody here owns."""
    tasks: list[Task] = []
    findings: list[Finding] = []
    there: set[str] = set()
    for ip in seen:
        row = known.get(ip.tag)
        finding = _leftover(row, ip)
        if finding is not None:
            findings.append(finding)
            if row is not None and row.given_up_at is not None:
                there.add(row.id)
            continue
        if row is not None:
            there.add(row.id)
            deed = _deed(row, ip, now=now, keep=keep)
            if deed is not None:
                tasks.append(Task(deed, row, ip))
    for row in known.values():
        deed = _absent(row, now) if row.id not in there else None
        if deed is not None:
            tasks.append(Task(deed, row))
    return tasks, findings


def _leftover(row: KnownAddress | None, ip: SeenAddress) -> Finding | None:
    if row is None:
        return Finding(FindingKind.STRANGER, ip.tag, ip.id, ip.address, thing=Thing.ADDRESS)
    is_second = row.cloud_id not in (None, ip.id)
    if is_second or row.given_up_at is not None:
        kind = FindingKind.DOUBLE if is_second else FindingKind.LEFT_BEHIND
        in_use = ip.server_id is not None
        return Finding(kind, row.desktop_id or "", ip.id, ip.address, thing=Thing.ADDRESS, is_in_use=in_use)
    return None


def _deed(row: KnownAddress, ip: SeenAddress, *, now: datetime, keep: timedelta) -> Deed | None:
    if row.missing_since is not None:
        return Deed.FOUND
    if not row.is_settled:
        return None  # an operation knows better, and sees for itself
    if row.cloud_id is None:
        return Deed.ADOPT
    return _of_nobody(row, ip, now, keep) if row.desktop_id is None else _of_desktop(row, ip)


def _of_desktop(row: KnownAddress, ip: SeenAddress) -> Deed | None:
    if ip.server_id is not None and ip.server_id == row.server_id:
        return Deed.ATTACHED if row.attached_at is None else None
    if row.attached_at is not None:
        return Deed.DETACHED  # at first sight
    if ip.server_id is not None:
        return Deed.TELL
    return Deed.LEAD if row.may_be_led else None


def _of_nobody(row: KnownAddress, ip: SeenAddress, now: datetime, keep: timedelta) -> Deed | None:
    if ip.server_id is not None:
        return Deed.TAKE_AWAY if row.leaving_server_id == ip.server_id else Deed.OCCUPIED
    if row.leaving_server_id is not None or row.free_since is None:
        return Deed.FREE
    return Deed.GIVE_UP if now - row.free_since >= keep else None


def _absent(row: KnownAddress, now: datetime) -> Deed | None:
    if row.given_up_at is not None:
        return Deed.FORGET if now - row.given_up_at >= LATE else None
    if not row.is_settled:
        return None
    if row.cloud_id is None:
        return Deed.LOSE
    return Deed.MISS if row.missing_since is None else Deed.LOSE
