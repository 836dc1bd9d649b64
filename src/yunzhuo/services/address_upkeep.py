"""Floating IPs, compared with the cloud: where each leads, what nobody has any more, what a crash left half done."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Network
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.config.settings import AddressSettings
from yunzhuo.phoenix.db.models import Address, Desktop, ExternalNetwork, Operation
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services.access import installation
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.changes import ChangeFeed
from yunzhuo.services.leftovers import Leftovers
from yunzhuo.services.rules import addresses, lifecycle
from yunzhuo.services.rules.addresses import Deed, KnownAddress, SeenAddress, Task
from yunzhuo.services.rules.lifecycle import Action, Facts, Observed, OperationStatus, Wanted
from yunzhuo.services.rules.reconcile import Finding, FindingKind, Thing
from yunzhuo.services.wishes import WishBook

log = get_logger()
_ACTIVE = frozenset(status.value for status in lifecycle.ACTIVE)
#: A row that is of no use any more is no difference.
_QUIET = frozenset({Deed.FORGET})


class AddressUpkeep:
    """One look at all floating IPs a round. Two at once are harmless: a row is changed only if it is as it was before."""

    def __init__(
        self,
        db: Database,
        cloud: Cloud,
        leftovers: Leftovers,
        wishes: WishBook,
        feed: ChangeFeed,
        audit: AuditLog,
        clock: Clock,
        settings: AddressSettings,
    ) -> None:
        self._db = db
        self._cloud = cloud
        self._leftovers = leftovers
        self._wishes = wishes
        self._feed = feed
        self._audit = audit
        self._clock = clock
        self._keep = timedelta(seconds=settings.keep_seconds)

    def look(self) -> Sequence[Finding]:
        """Ask the cloud for its list once and answer what differs; nothing is changed. Raises the cloud's errors."""
        tasks, left = self._compare()
        return [*left, *(_finding(task) for task in tasks if task.deed not in _QUIET)]

    def round(self) -> Sequence[Finding]:
        """:meth:`look`, and put right what a rule says; also, write down whether this cloud has floating IPs at all."""
        self._learn_networks(self._cloud.networks.external())
        tasks, left = self._compare()
        for task in tasks:
            self._do(task)
        self._leftovers.found(Thing.ADDRESS, left, self._clock.now(), self._cloud.addresses.delete)
        return [*left, *(_finding(task) for task in tasks if task.deed not in _QUIET)]

    def _compare(self) -> tuple[Sequence[Task], Sequence[Finding]]:
        with self._db.reading() as tx:
            known = {address.id: address for address in _known(tx)}
        try:
            ips = self._cloud.addresses.list()
        except CloudNotOffered:
            return (), ()
        seen = [SeenAddress(ip.id, ip.address_id, ip.address, ip.server_id) for ip in ips]
        unknown = [ip.tag for ip in seen if ip.tag not in known]
        if unknown:  # they may be younger than the first look
            with self._db.reading() as tx:
                younger = {address.id for address in _known(tx)}
            seen = [ip for ip in seen if ip.tag in known or ip.tag not in younger]
        return addresses.compare(known, seen, now=self._clock.now(), keep=self._keep)

    def _do(self, task: Task) -> None:
        known, seen = task.known, task.seen
        if task.deed is Deed.TELL or (task.deed is Deed.LOSE and self._is_there(known)):
            return
        if task.deed is Deed.TAKE_AWAY and seen is not None and seen.server_id is not None:
            self._cloud.addresses.dissociate(seen.id, seen.server_id)
        has_changed = self._write_down(task)
        if has_changed and task.deed is Deed.GIVE_UP and known.cloud_id is not None:
            # Nobody gets it from now on; when this fails it is left behind, and removed as such.
            self._cloud.addresses.delete(known.cloud_id)

    def _is_there(self, known: KnownAddress) -> bool:
        """Whether the cloud has it after all: a list that lacked it twice is not believed before it was asked otherwise."""
        found = self._cloud.addresses.find(known.id, known.project_id) if known.cloud_id is not None else None
        return found is not None and found.id == known.cloud_id

    @retried_when_contended
    def _write_down(self, task: Task) -> bool:
        """Whether the row was still as it was before the cloud was asked, and is as it should be now."""
        now = self._clock.now()
        with self._db.transaction() as tx:
            desktop = tx.get(Desktop, task.known.desktop_id, with_for_update=True) if task.known.desktop_id else None
            row = tx.get(Address, task.known.id, with_for_update=True)
            if row is None or _known(tx, Address.id == row.id) != [task.known]:
                return False
            _DEEDS[task.deed](self, tx, row, task, now)
            if desktop is not None:
                operation = tx.get_one(Operation, desktop.operation_id)
                if task.deed is Deed.LEAD:
                    owner = replace(installation(desktop.organization_id), user_id=desktop.owner_id)
                    operation, _ = self._wishes.add(tx, owner, desktop, Action.ASSIGN_ADDRESS, {})
                self._feed.desktop_changed(tx, desktop, operation)
            return True

    def _adopt(self, _tx: Transaction, row: Address, task: Task, now: datetime) -> None:
        if task.seen is not None:
            row.cloud_id, row.address = task.seen.id, task.seen.address
            row.free_since = now if row.desktop_id is None else None

    def _miss(self, _tx: Transaction, row: Address, _task: Task, now: datetime) -> None:
        row.missing_since = now

    def _found(self, _tx: Transaction, row: Address, _task: Task, _now: datetime) -> None:
        row.missing_since = None

    def _lose(self, tx: Transaction, row: Address, task: Task, now: datetime) -> None:
        """Nobody has it any more. Its row stays for a while: should it come back, it is known to be left over."""
        if row.cloud_id is not None:
            organization = tx.get_one(Desktop, row.desktop_id).organization_id if row.desktop_id else None
            was, told = {"address": row.address}, {"address": None}
            self._audit.record(
                tx, None, "cloud:change", "address", row.id, organization_id=organization, before=was, after=told
            )
            log.warning("address_lost", address=row.address, desktop_id=task.known.desktop_id)
        row.desktop_id = row.attached_at = row.free_since = row.leaving_server_id = None
        row.given_up_at = now

    def _attached(self, _tx: Transaction, row: Address, _task: Task, now: datetime) -> None:
        row.attached_at = now

    def _detached(self, _tx: Transaction, row: Address, _task: Task, _now: datetime) -> None:
        row.attached_at = None

    def _lead(self, _tx: Transaction, row: Address, _task: Task, _now: datetime) -> None:
        log.info("address_led_again", address=row.address, desktop_id=row.desktop_id)

    def _occupied(self, _tx: Transaction, row: Address, task: Task, _now: datetime) -> None:
        row.leaving_server_id = task.seen.server_id if task.seen else None

    def _free(self, _tx: Transaction, row: Address, _task: Task, now: datetime) -> None:
        row.leaving_server_id = None
        row.free_since = row.free_since or now

    def _give_up(self, _tx: Transaction, row: Address, _task: Task, now: datetime) -> None:
        row.free_since, row.given_up_at = None, now

    def _forget(self, tx: Transaction, row: Address, _task: Task, _now: datetime) -> None:
        tx.delete(row)

    @retried_when_contended
    def _learn_networks(self, networks: Sequence[Network]) -> None:
        """The first one is used; most rounds change nothing."""
        wanted = {network.id: network.name for network in networks[:1]}
        with self._db.reading() as tx:
            known = {row.cloud_id: row.name for row in tx.scalars(select(ExternalNetwork))}
        if known == wanted:
            return
        with suppress(IntegrityError), self._db.transaction() as tx:  # another scheduler may learn the same at this moment
            tx.execute(delete(ExternalNetwork))
            tx.add_all(ExternalNetwork(cloud_id=cloud_id, name=name) for cloud_id, name in wanted.items())


_DEEDS: Mapping[Deed, Callable[[AddressUpkeep, Transaction, Address, Task, datetime], None]] = {
    Deed.ADOPT: AddressUpkeep._adopt,
    Deed.MISS: AddressUpkeep._miss,
    Deed.LOSE: AddressUpkeep._lose,
    Deed.FOUND: AddressUpkeep._found,
    Deed.ATTACHED: AddressUpkeep._attached,
    Deed.DETACHED: AddressUpkeep._detached,
    Deed.LEAD: AddressUpkeep._lead,
    Deed.OCCUPIED: AddressUpkeep._occupied,
    # Whether it leads nowhere now, the next look says.
    Deed.TAKE_AWAY: AddressUpkeep._occupied,
    Deed.FREE: AddressUpkeep._free,
    Deed.GIVE_UP: AddressUpkeep._give_up,
    Deed.FORGET: AddressUpkeep._forget,
}
# What each is called where findings of all kinds stand together.
_KINDS: Mapping[Deed, FindingKind] = {
    Deed.ADOPT: FindingKind.ADOPTED,
    Deed.MISS: FindingKind.MISSING_FIRST,
    Deed.LOSE: FindingKind.MISSING_AGAIN,
    Deed.GIVE_UP: FindingKind.UNUSED,
    Deed.TELL: FindingKind.ELSEWHERE,
}


def _finding(task: Task) -> Finding:
    known, seen = task.known, task.seen
    name = known.address or (seen.address if seen else "")
    cloud_id = seen.id if seen else known.cloud_id
    kind = _KINDS.get(task.deed, FindingKind.CHANGED)
    return Finding(kind, known.desktop_id or "", cloud_id, name, thing=Thing.ADDRESS)


def _known(tx: Session, which: ColumnElement[bool] | None = None) -> Sequence[KnownAddress]:
    """Columns, not objects: there may be as many as desktops."""
    columns = (Address.id, Address.cloud_id, Address.address, Address.desktop_id, Address.project_id)
    times = (Address.leaving_server_id, Address.attached_at, Address.free_since, Address.missing_since, Address.given_up_at)
    facts = (Desktop.server_id, Desktop.wanted, Desktop.observed_status, Desktop.ready_at, Operation.action, Operation.status)
    query = (
        select(*columns, *times, *facts)
        .outerjoin(Desktop, Desktop.id == Address.desktop_id)
        .outerjoin(Operation, Operation.id == Desktop.operation_id)
    )
    return [_as_known(row) for row in tx.execute(query if which is None else query.where(which))]


def _as_known(row: Any) -> KnownAddress:
    is_settled = row.status not in _ACTIVE
    return KnownAddress(
        id=row.id,
        cloud_id=row.cloud_id,
        address=row.address,
        desktop_id=row.desktop_id,
        server_id=row.server_id,
        is_settled=is_settled,
        may_be_led=row.desktop_id is not None and is_settled and _may_be_led(row),
        attached_at=row.attached_at,
        leaving_server_id=row.leaving_server_id,
        free_since=row.free_since,
        missing_since=row.missing_since,
        given_up_at=row.given_up_at,
        project_id=row.project_id,
    )


def _may_be_led(row: Any) -> bool:
    """Not when that was tried last and failed: then a person has to look."""
    facts = Facts(
        wanted=Wanted(row.wanted),
        observed=Observed(row.observed_status) if row.observed_status else None,
        is_ready=row.ready_at is not None,
        action=Action(row.action),
        status=OperationStatus(row.status),
    )
    was_tried = facts.action is Action.ASSIGN_ADDRESS and facts.status is OperationStatus.FAILED
    return Action.ASSIGN_ADDRESS in lifecycle.allowed_actions(facts) and not was_tried
