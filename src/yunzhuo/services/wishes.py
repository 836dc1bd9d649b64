"""Wishes as they are written down: the permission, the check against the present state, the operation, the wake-up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import update

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.config.settings import OperationSettings
from yunzhuo.phoenix.db.models import Desktop, Operation, OperationStep
from yunzhuo.phoenix.db.session import Transaction
from yunzhuo.phoenix.queue import Queue
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.changes import ChangeFeed, OperationView, facts_of, operation_view
from yunzhuo.services.desktop_views import DesktopView, desktop_views, verb_for, visible_desktop
from yunzhuo.services.operations import ADVANCE_JOB
from yunzhuo.services.quota_book import SWITCHED_ON, QuotaBook
from yunzhuo.services.rules import lifecycle
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, State, Step, Wanted

Arguments = Mapping[str, str]
# What an audit entry says of an operation beside what is wanted.
_TOLD = ("image", "flavor", "snapshot", "name", "kind")
_MAKES_A_DISK = frozenset({Action.CREATE, Action.REBUILD, Action.RESIZE})


@dataclass(frozen=True, slots=True)
class Accepted:
    """A wish that was written down: the desktop, and the operation that makes it true."""

    desktop: DesktopView
    operation: OperationView


class WishBook:
    """Writes operations into the transaction of whoever asks."""

    def __init__(
        self, queue: Queue, feed: ChangeFeed, audit: AuditLog, clock: Clock, settings: OperationSettings, quotas: QuotaBook
    ) -> None:
        self._queue = queue
        self._feed = feed
        self._audit = audit
        self._clock = clock
        self._settings = settings
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

        Raises NotFound, Forbidden, Conflict when the state does not allow it now, and what ``arguments`` raises.
        """
        verb = verb_for(action)
        desktop, latest = visible_desktop(tx, actor, desktop_id, verb)
        facts = facts_of(desktop, latest)
        if action not in lifecycle.allowed_actions(facts):
            raise refused(action, lifecycle.state(facts))
        particulars = {"wanted_before": desktop.wanted, "from": desktop.observed_status or ""}
        if action in lifecycle.KEEPS_POWER:
            particulars["ends"] = lifecycle.power_after(facts)
        particulars |= arguments(desktop)
        wanted = lifecycle.WANTED_AFTER.get(action, particulars.get("ends", desktop.wanted))
        if wanted == Wanted.RUNNING and desktop.wanted != Wanted.RUNNING:
            self._quotas.reserve(tx, desktop.owner_id, desktop.organization_id, SWITCHED_ON)
        self._supersede(tx, latest)
        operation, steps = self.add(tx, actor, desktop, action, particulars)
        desktop.wanted = wanted
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
        return accepted(tx, actor, desktop, operation, steps)

    def add(
        self, tx: Transaction, actor: Actor, desktop: Desktop, action: Action, arguments: Arguments
    ) -> tuple[Operation, Sequence[OperationStep]]:
        """Write down an operation with its steps, and ask for a look at it once the transaction holds."""
        now = self._clock.now()
        seconds = self._settings.create_deadline_seconds if action in _MAKES_A_DISK else self._settings.default_deadline_seconds
        plan = lifecycle.plan(action, Wanted(arguments["ends"]) if "ends" in arguments else None)
        reserved = plan[0] is Step.RESERVE  # this very transaction is that step
        operation = Operation(
            id=new_id(),
            organization_id=desktop.organization_id,
            desktop_id=desktop.id,
            active_desktop_id=desktop.id,
            user_id=actor.user_id,
            action=action,
            arguments=dict(arguments),
            status=OperationStatus.QUEUED,
            position=1 if reserved else 0,
            attempts=0,
            due_at=now,
            deadline_at=now + timedelta(seconds=seconds),
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
        tx.after_commit(lambda: self._queue.send(ADVANCE_JOB, operation.id))
        return operation, steps

    def _supersede(self, tx: Transaction, latest: Operation) -> None:
        """End a running operation in favor of a newer wish. Its worker may be at it still: its lease stays until then."""
        tx.execute(
            update(Operation)
            .where(Operation.id == latest.id, Operation.active_desktop_id.is_not(None))
            .values(status=OperationStatus.CANCELLED, active_desktop_id=None, ended_at=self._clock.now())
        )


def accepted(tx: Transaction, actor: Actor, desktop: Desktop, operation: Operation, steps: Sequence[OperationStep]) -> Accepted:
    """What whoever asked is told."""
    return Accepted(desktop_views(tx, actor, [(desktop, operation)])[0], operation_view(operation, steps))


def refused(action: Action, state: State) -> Conflict:
    """Why a change cannot be asked for in this state."""
    if state in lifecycle.STATE_DURING.values():
        return Conflict("operation_in_progress", "Another change to this desktop is still going on.", state=state)
    return Conflict("not_possible_now", f"A desktop that is {state} cannot do this: {action}.", state=state)
