"""Wishes as they are written down: the permission, the check against the present state, the operation, the wake-up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, update

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.db.models import Desktop, Operation, OperationStep
from yunzhuo.phoenix.db.session import Transaction
from yunzhuo.phoenix.queue import Queue
from yunzhuo.services import address_claims, disk_claims, kept_snapshots
from yunzhuo.services.access import Actor
from yunzhuo.services.admission import ADVANCE_JOB, Admission
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.changes import ChangeFeed, OperationView, facts_of
from yunzhuo.services.desktop_views import DesktopView, desktop_views, verb_for, visible_desktop
from yunzhuo.services.quota_book import SWITCHED_ON, QuotaBook
from yunzhuo.services.rules import lifecycle, personal_disks
from yunzhuo.services.rules.admission import LANES
from yunzhuo.services.rules.lifecycle import Action, Facts, Observed, OperationStatus, State, Step, Wanted
from yunzhuo.services.rules.remedies import REMOVALS

Arguments = Mapping[str, str]
# What an audit entry says of an operation beside what is wanted.
_TOLD = ("image", "flavor", "snapshot", "name", "kind")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A wish that was written down: the desktop, and the operation that makes it true."""

    desktop: DesktopView
    operation: OperationView


@dataclass(frozen=True, slots=True)
class Written:
    """An operation that was written down, and its steps."""

    operation: Operation
    steps: Sequence[OperationStep]


class WishBook:
    """Writes operations into the transaction of whoever asks."""

    def __init__(
        self, queue: Queue, feed: ChangeFeed, audit: AuditLog, clock: Clock, admission: Admission, quotas: QuotaBook
    ) -> None:
        self._queue = queue
        self._feed = feed
        self._audit = audit
        self._clock = clock
        self._admission = admission
        self._quotas = quotas

    def change(
        self,
        tx: Transaction,
        actor: Actor,
        desktop_id: str,
        action: Action,
        arguments: Callable[[Desktop], Arguments] = lambda _desktop: {},
    ) -> Accepted:
        """Write down a change of a desktop; ``arguments`` is asked for its particulars once the desktop's row is held.

        Raises NotFound, Forbidden, Conflict when it is locked or its state does not allow it, and what ``arguments`` raises.
        """
        verb = verb_for(action)
        desktop, latest = visible_desktop(tx, actor, desktop_id, verb)
        facts = facts_of(desktop, latest)
        require_unlocked(desktop)
        if action not in lifecycle.allowed_actions(facts):
            raise refused(action, lifecycle.state(facts))
        particulars = {"wanted_before": _wanted_at_rest(desktop, latest), "from": desktop.observed_status or ""}
        if action in lifecycle.KEEPS_POWER:
            particulars["ends"] = lifecycle.power_after(facts)
        particulars |= arguments(desktop)
        wanted = lifecycle.WANTED_AFTER.get(action, particulars.get("ends", desktop.wanted))
        if wanted == Wanted.RUNNING and desktop.wanted != Wanted.RUNNING:
            self._quotas.reserve(tx, desktop.owner_id, desktop.organization_id, SWITCHED_ON)
        self._supersede(tx, latest, action, facts)
        operation, _ = self.add(tx, actor, desktop, action, particulars)
        desktop.wanted = wanted
        if action in REMOVALS:
            desktop.claimant_id = None  # who had it may have another one of its pool
        self._audit.record(
            tx,
            actor,
            verb,
            "desktop",
            desktop.id,
            owner_id=desktop.owner_id,
            before={"wanted": particulars["wanted_before"]},
            after={"wanted": desktop.wanted, **{name: particulars[name] for name in _TOLD if name in particulars}},
        )
        self._feed.desktop_changed(tx, desktop, operation)
        return accepted(tx, actor, desktop, operation)

    def undo(self, tx: Transaction, actor: Actor, desktop: Desktop, undone: Operation, action: Action) -> Written:
        """Write down what takes back a change that was cancelled in the middle, whatever the desktop's state is called."""
        particulars = {"wanted_before": desktop.wanted, "from": desktop.observed_status or ""}
        if action not in REMOVALS:
            particulars["undoes"] = undone.action
        operation, steps = self.add(tx, actor, desktop, action, particulars)
        desktop.wanted = lifecycle.WANTED_AFTER.get(action, desktop.wanted)
        if action in REMOVALS:
            desktop.claimant_id = None
        self._feed.desktop_changed(tx, desktop, operation)
        return Written(operation, steps)

    def put_to_rest(self, tx: Transaction, actor: Actor, desktop: Desktop, latest: Operation) -> Operation:
        """Stop a desktop that goes into the bin, if it runs and nothing else is done to it; answers its latest operation.

        What waits to be let in is called off. What has begun goes on, and is looked at again after it.
        """
        if latest.status == OperationStatus.WAITING and end(
            tx, latest.id, self._clock.now(), Operation.status == OperationStatus.WAITING
        ):
            tx.refresh(latest)
        if latest.status in lifecycle.ACTIVE:
            return latest
        if desktop.observed_status in (Observed.STOPPED, Observed.SUSPENDED):
            return latest
        particulars = {"wanted_before": desktop.wanted, "from": desktop.observed_status or ""}
        operation, _ = self.add(tx, actor, desktop, Action.STOP, particulars)
        desktop.wanted = Wanted.STOPPED
        return operation

    def add(
        self, tx: Transaction, actor: Actor, desktop: Desktop, action: Action, arguments: Arguments
    ) -> tuple[Operation, Sequence[OperationStep]]:
        """Write down an operation with its steps, and ask for a look at it once the transaction holds."""
        now = self._clock.now()
        ends = Wanted(arguments["ends"]) if "ends" in arguments else None
        undoes = Action(arguments["undoes"]) if "undoes" in arguments else None
        owners_disk = disk_claims.of_owner(tx, desktop.owner_id)
        plan = personal_disks.with_disk(
            action,
            lifecycle.plan(action, ends, undoes),
            has_disk=owners_disk is not None,
            is_here=disk_claims.is_at(tx, desktop, owners_disk),
            ends=ends,
        )
        has_address = action is Action.DELETE and address_claims.of_desktop(tx, desktop.id) is not None
        plan = lifecycle.with_address(action, plan, has_address=has_address)
        lane = LANES.get(action)
        reserved = plan[0] is Step.RESERVE  # this very transaction is that step
        operation = Operation(
            id=new_id(),
            organization_id=desktop.organization_id,
            desktop_id=desktop.id,
            active_desktop_id=desktop.id,
            user_id=actor.user_id,
            action=action,
            arguments=dict(arguments),
            status=OperationStatus.WAITING if lane else OperationStatus.QUEUED,
            lane=lane,
            host=desktop.host,
            position=1 if reserved else 0,
            attempts=0,
            due_at=now,
            deadline_at=self._admission.deadline(action, now),
            created_at=now,
        )
        tx.flush()
        tx.add(operation)
        steps = [
            OperationStep(operation_id=operation.id, position=position, name=step, status=OperationStatus.QUEUED)
            for position, step in enumerate(plan)
        ]
        if reserved:
            steps[0].status, steps[0].started_at, steps[0].ended_at = OperationStatus.SUCCEEDED, now, now
        tx.add_all(steps)
        desktop.operation_id = operation.id
        if lane:
            tx.after_commit(self._admission.round)
        else:
            tx.after_commit(lambda: self._queue.send(ADVANCE_JOB, operation.id))
        return operation, steps

    def connect_disk_of_claimant(self, tx: Transaction, actor: Actor, desktop: Desktop, latest: Operation) -> Operation:
        """Let the personal disk of whoever was given a desktop of a pool follow them, if they have one that is free.

        One that is still being built gets it as its last step. Answers the desktop's latest operation then.
        """
        disk = disk_claims.of_owner(tx, desktop.owner_id)
        if disk is None or not disk_claims.may_follow(tx, disk):
            return latest
        if latest.status in lifecycle.ACTIVE:
            of_latest = select(func.count()).select_from(OperationStep).where(OperationStep.operation_id == latest.id)
            position = tx.scalar(of_latest) or 0
            step = OperationStep(
                operation_id=latest.id, position=position, name=Step.CONNECT_DISK, status=OperationStatus.QUEUED
            )
            tx.add(step)
            return latest
        particulars = {"wanted_before": desktop.wanted, "from": desktop.observed_status or ""}
        operation, _ = self.add(tx, actor, desktop, Action.CONNECT_DISK, particulars)
        return operation

    def _supersede(self, tx: Transaction, latest: Operation, action: Action, facts: Facts) -> None:
        """End what is in the way of a newer wish. Its worker may be at it still: its lease stays until then.

        Only a deletion ends what has begun. Raises Conflict for what began while this was decided.
        """
        if facts.status not in lifecycle.ACTIVE:
            return
        in_the_way = [Operation.id == latest.id, Operation.active_desktop_id.is_not(None)]
        if action not in REMOVALS:
            in_the_way.append(Operation.status == OperationStatus.WAITING)
        ended = end(tx, latest.id, self._clock.now(), *in_the_way)
        if not ended and action not in REMOVALS:
            raise Conflict("operation_in_progress", "Another change to this desktop is still going on.")
        if Action(latest.action) is Action.SNAPSHOT:
            kept_snapshots.forget_unmade(tx, latest.desktop_id)


def end(tx: Transaction, operation_id: str, now: datetime, *where: ColumnElement[bool]) -> bool:
    """Make an operation a cancelled one, if ``where`` holds still; answers whether it did."""
    ended = tx.execute(
        update(Operation)
        .where(Operation.id == operation_id, *where)
        .values(status=OperationStatus.CANCELLED, active_desktop_id=None, ended_at=now)
    )
    return getattr(ended, "rowcount", 0) == 1


def _wanted_at_rest(desktop: Desktop, latest: Operation) -> str:
    """What was wanted before all that has not been let in."""
    if latest.status == OperationStatus.WAITING:
        return latest.arguments.get("wanted_before", desktop.wanted)
    return desktop.wanted


def accepted(tx: Transaction, actor: Actor, desktop: Desktop, operation: Operation) -> Accepted:
    """What whoever asked is told. Where it stands in the queue is decided after this transaction only."""
    view = desktop_views(tx, actor, [(desktop, operation)], with_places=False)[0]
    return Accepted(view, view.operation)


def require_unlocked(desktop: Desktop) -> None:
    """Raises Conflict: the cloud would refuse what is wished for, and a wish that cannot come true is not written down."""
    if desktop.is_locked:
        raise Conflict("desktop_locked", "The desktop is locked: nobody changes it until an administrator unlocks it.")


def refused(action: Action, state: State) -> Conflict:
    """Why a change cannot be asked for in this state."""
    if state in lifecycle.STATE_DURING.values():
        return Conflict("operation_in_progress", "Another change to this desktop is still going on.", state=state)
    return Conflict("not_possible_now", f"A desktop that is {state} cannot do this: {action}.", state=state)
