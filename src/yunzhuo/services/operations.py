"""The operation engine: one step per job, owned by a lease in the database, so that any worker goes on where one died.

A job asks :meth:`OperationEngine.advance` to look at one operation. That claims the lease (transaction one), takes the
present step outside any transaction, and writes what came of it (transaction two) if the lease is still its own. The
next look is asked for by message; ``due_at`` and the lease's end in the database are the truth behind the message.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update
from sqlalchemy.orm import Session

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Refused, Unavailable, YunzhuoError
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.config.settings import OperationSettings
from yunzhuo.phoenix.db.models import Desktop, Flavor, Image, Operation, OperationStep, User
from yunzhuo.phoenix.db.session import Database, Transaction
from yunzhuo.phoenix.queue import Queue
from yunzhuo.services import kept_snapshots
from yunzhuo.services.changes import ChangeFeed
from yunzhuo.services.rules import lifecycle
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, Step
from yunzhuo.services.steps import Outcome, ServerFailed, Subject, perform

log = get_logger()

ADVANCE_JOB = "operation.advance"
_ACTIVE = [status.value for status in lifecycle.ACTIVE]
# Clocks of computers differ a little; a message that is this early is not sent away.
_EARLY = timedelta(milliseconds=50)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to take one step, until the lease ends."""

    operation_id: str
    desktop_id: str
    action: Action
    position: int
    step: Step
    step_started_at: datetime
    attempts: int
    deadline_at: datetime
    subject: Subject
    is_called_off: bool = False


class OperationEngine:
    """Moves operations on. ``worker`` names whoever holds the leases: unique to a process, new after its restart."""

    def __init__(
        self,
        db: Database,
        cloud: Cloud,
        queue: Queue,
        feed: ChangeFeed,
        clock: Clock,
        settings: OperationSettings,
        *,
        worker: str,
    ) -> None:
        self._db = db
        self._cloud = cloud
        self._queue = queue
        self._feed = feed
        self._clock = clock
        self._settings = settings
        self._worker = worker

    def advance(self, operation_id: str) -> None:
        """Take the operation's present step if it is due and nobody else is at it. Twice is harmless."""
        claim = self.claim(operation_id)
        if claim is None:
            return
        if claim.deadline_at <= self._clock.now():
            self.record_failure(claim, "operation_timed_out", _TOO_LATE.get(claim.step, "This took too long."))
            return
        if claim.is_called_off:
            reason = "The account that asked for this was disabled."
            self.record_failure(claim, "account_disabled", reason, was_refused=claim.position == 0)
            return
        try:
            outcome = perform(claim.step, self._cloud, claim.subject)
        except Unavailable as error:
            self._record_trouble(claim, error)
        except Refused as error:
            self.record_failure(claim, error.code, error.message, _cloud_request_id(error), was_refused=True)
        except ServerFailed as error:
            self.record_failure(claim, error.code, error.message, seen=error.seen)
        except YunzhuoError as error:
            self.record_failure(claim, error.code, error.message, _cloud_request_id(error))
        except Exception:
            log.exception("step_crashed", operation_id=operation_id, step=claim.step)
            self.record_failure(claim, "internal_error", "Something went wrong inside Yunzhuo.")
        else:
            self.record_outcome(claim, outcome)

    def due(self, *, grace: timedelta = timedelta(), limit: int = 200) -> Sequence[str]:
        """Ids of the operations that have been due for ``grace`` with nobody working on them, longest first."""
        now = self._clock.now()
        free = or_(Operation.lease_expires_at.is_(None), Operation.lease_expires_at <= now)
        query = select(Operation.id).where(Operation.status.in_(_ACTIVE), Operation.due_at <= now - grace, free)
        with self._db.reading() as tx:
            return list(tx.scalars(query.order_by(Operation.due_at).limit(limit)))

    def wake(self, operation_id: str) -> None:
        """Ask for a look at the operation now."""
        self._queue.send(ADVANCE_JOB, operation_id)

    def claim(self, operation_id: str) -> Claim | None:
        """Take the lease of an operation that is due; None when it is not, or when another worker holds it."""
        now = self._clock.now()
        lease_end = now + timedelta(seconds=self._settings.lease_seconds)
        with self._db.transaction() as tx:
            taken = tx.execute(
                update(Operation)
                .where(
                    Operation.id == operation_id,
                    Operation.status.in_(_ACTIVE),
                    Operation.due_at <= now + _EARLY,
                    or_(Operation.lease_expires_at.is_(None), Operation.lease_expires_at <= now),
                )
                .values(lease_owner=self._worker, lease_expires_at=lease_end, status=OperationStatus.RUNNING)
            )
            if getattr(taken, "rowcount", 0) != 1:
                return None
            return self._begin_step(tx, operation_id, now)

    def _begin_step(self, tx: Transaction, operation_id: str, now: datetime) -> Claim:
        operation = tx.get_one(Operation, operation_id)
        desktop = tx.get_one(Desktop, operation.desktop_id)
        image = tx.get_one(Image, operation.arguments.get("image", desktop.image_id))
        flavor = tx.get_one(Flavor, operation.arguments.get("flavor", desktop.flavor_id))
        step = tx.scalars(_step_at(operation.id, operation.position)).one()
        is_called_off = _is_called_off(tx.get_one(User, operation.user_id), operation, desktop, step)
        if step.started_at is None:
            step.started_at = now
            step.status = OperationStatus.RUNNING
            self._feed.desktop_changed(tx, desktop, operation)
        return Claim(
            operation_id=operation.id,
            desktop_id=desktop.id,
            action=Action(operation.action),
            position=operation.position,
            step=Step(step.name),
            step_started_at=step.started_at,
            attempts=operation.attempts,
            deadline_at=operation.deadline_at,
            subject=Subject(
                desktop_id=desktop.id,
                name=desktop.name,
                hostname=desktop.hostname,
                image_cloud_id=image.cloud_id,
                flavor_cloud_id=flavor.cloud_id,
                server_id=desktop.server_id,
                arguments=operation.arguments,
                predecessor_at_work=_predecessor_at_work(tx, operation, now),
            ),
            is_called_off=is_called_off,
        )

    def record_outcome(self, claim: Claim, outcome: Outcome) -> None:
        """Write down what came of a step and give the lease back; nothing when it is another worker's by now."""
        now = self._clock.now()
        with self._db.transaction() as tx:
            operation = self._held(tx, claim)
            if operation is None:
                return
            desktop = tx.get_one(Desktop, claim.desktop_id, with_for_update=True)
            step = tx.scalars(_step_at(claim.operation_id, claim.position)).one()
            _observe(desktop, outcome, now)
            if outcome.snapshots is not None:
                kept_snapshots.write_down(tx, desktop, outcome.snapshots)
            if not outcome.done:
                waited = (now - claim.step_started_at).total_seconds()
                if step.detail != outcome.detail:
                    step.detail = outcome.detail
                    self._feed.desktop_changed(tx, desktop, operation)
                self._look_again(tx, operation, now, lifecycle.check_delay_seconds(waited))
                return
            step.status, step.ended_at, step.detail = OperationStatus.SUCCEEDED, now, outcome.detail
            _take_over(desktop, operation, claim.step)
            operation.attempts = 0
            operation.position += 1
            if tx.scalars(_step_at(operation.id, operation.position)).first() is not None:
                self._look_again(tx, operation, now, 0)
            else:
                self._finish(tx, operation, desktop, now)
            self._feed.desktop_changed(tx, desktop, operation)

    def _record_trouble(self, claim: Claim, error: Unavailable) -> None:
        if claim.attempts + 1 >= self._settings.max_attempts:
            self.record_failure(claim, error.code, error.message, _cloud_request_id(error))
            return
        now = self._clock.now()
        with self._db.transaction() as tx:
            operation = self._held(tx, claim)
            if operation is None:
                return
            operation.attempts += 1
            step = tx.scalars(_step_at(claim.operation_id, claim.position)).one()
            step.detail, step.cloud_request_id = error.message[:1000], _cloud_request_id(error)
            self._look_again(tx, operation, now, lifecycle.retry_delay_seconds(operation.attempts))
            self._feed.desktop_changed(tx, tx.get_one(Desktop, claim.desktop_id), operation)
        log.warning(
            "step_retried", operation_id=claim.operation_id, step=claim.step, code=error.code, attempts=operation.attempts
        )

    def record_failure(
        self,
        claim: Claim,
        code: str,
        message: str,
        cloud_request_id: str | None = None,
        *,
        was_refused: bool = False,
        seen: Outcome | None = None,
    ) -> None:
        """End an operation that failed, with a plain reason; nothing when the lease is another worker's by now.

        What the cloud refused at the first step (``was_refused``) has changed nothing, so what was wanted before is again.
        """
        now = self._clock.now()
        with self._db.transaction() as tx:
            operation = self._held(tx, claim)
            if operation is None:
                return
            step = tx.scalars(_step_at(claim.operation_id, claim.position)).one()
            step.status, step.ended_at = OperationStatus.FAILED, now
            step.detail, step.cloud_request_id = message[:1000], cloud_request_id
            operation.status, operation.ended_at = OperationStatus.FAILED, now
            operation.active_desktop_id = None
            operation.error_code, operation.error_message = code, message[:1000]
            desktop = tx.get_one(Desktop, claim.desktop_id)
            if seen is not None:
                _observe(desktop, seen, now)
            if claim.action is Action.SNAPSHOT:
                kept_snapshots.forget_unmade(tx, desktop.id)
            if was_refused and claim.position == 0 and claim.action is not Action.DELETE:
                desktop.wanted = operation.arguments.get("wanted_before", desktop.wanted)
            self._feed.desktop_changed(tx, desktop, operation)
        log.warning("operation_failed", operation_id=claim.operation_id, action=claim.action, step=claim.step, code=code)

    def _held(self, tx: Transaction, claim: Claim) -> Operation | None:
        """The operation with its lease given back, if the lease was still ours; None when it went on without us."""
        released = tx.execute(
            update(Operation)
            .where(
                Operation.id == claim.operation_id, Operation.lease_owner == self._worker, Operation.position == claim.position
            )
            .values(lease_owner=None, lease_expires_at=None)
        )
        if getattr(released, "rowcount", 0) != 1:
            log.warning("lease_lost", operation_id=claim.operation_id, step=claim.step)
            return None
        operation = tx.get_one(Operation, claim.operation_id)
        if operation.status not in _ACTIVE:
            log.info("operation_superseded", operation_id=claim.operation_id, step=claim.step)
            return None
        return operation

    def _look_again(self, tx: Transaction, operation: Operation, now: datetime, delay_seconds: float) -> None:
        operation.due_at = now + timedelta(seconds=delay_seconds)
        operation_id = operation.id
        tx.after_commit(lambda: self._queue.send(ADVANCE_JOB, operation_id, delay_seconds=delay_seconds))

    def _finish(self, tx: Transaction, operation: Operation, desktop: Desktop, now: datetime) -> None:
        operation.status, operation.ended_at = OperationStatus.SUCCEEDED, now
        operation.active_desktop_id = None
        if operation.action in (Action.DELETE, Action.FORCE_DELETE):
            desktop.deleted_at = now
            desktop.server_id = None
            kept_snapshots.forget_all(tx, desktop.id)


_TOO_LATE: Mapping[Step, str] = {
    Step.SERVER: "The cloud did not make the virtual machine in time.",
    Step.RUNNING: "The virtual machine did not start in time.",
    Step.READY: "The system inside the desktop did not get ready in time.",
    Step.STOPPED: "The virtual machine did not stop in time.",
    Step.SUSPENDED: "The memory was not put to disk in time.",
    Step.REBUILT: "The virtual machine was not put back to the image in time.",
    Step.RESIZED: "The virtual machine did not get its new size in time.",
    Step.KEPT: "The snapshot was not made in time.",
    Step.ROLLED_BACK: "The virtual machine did not return to the snapshot in time.",
    Step.DROPPED: "The cloud did not remove the snapshot in time.",
    Step.GONE: "The cloud did not remove the virtual machine in time.",
}


# These leave nothing behind that only their end would set right.
_STOPPABLE = frozenset({Action.CREATE, Action.START, Action.RESUME, Action.REBOOT})
_NEVER_CALLED_OFF = frozenset({Action.DELETE, Action.FORCE_DELETE})


def _is_called_off(user: User, operation: Operation, desktop: Desktop, step: OperationStep) -> bool:
    """Whether whoever asked for this was disabled meanwhile, so that it ends here; what must not stay half done goes on."""
    if user.disabled_at is None or operation.created_at > user.disabled_at or desktop.owner_id != user.id:
        return False
    if operation.action in _NEVER_CALLED_OFF:
        return False
    return operation.action in _STOPPABLE or (operation.position == 0 and step.started_at is None)


def _observe(desktop: Desktop, outcome: Outcome, now: datetime) -> None:
    if outcome.server_id is not None:
        desktop.server_id = outcome.server_id
    if outcome.observed is not None:
        desktop.observed_status, desktop.observed_fault = outcome.observed, outcome.fault
        desktop.observed_at, desktop.missing_since = outcome.observed_at or now, None
    if outcome.is_ready is not None:
        desktop.ready_at = now if outcome.is_ready else None


def _take_over(desktop: Desktop, operation: Operation, step: Step) -> None:
    """What a desktop is made of from the moment the cloud has taken the change."""
    if step in (Step.REBUILD, Step.ROLL_BACK):
        desktop.image_id = operation.arguments["image"]
    if step is Step.RESIZED:
        desktop.flavor_id = operation.arguments["flavor"]


def _step_at(operation_id: str, position: int) -> Select[OperationStep]:
    return select(OperationStep).where(OperationStep.operation_id == operation_id, OperationStep.position == position)


def _predecessor_at_work(tx: Session, operation: Operation, now: datetime) -> bool:
    others: ColumnElement[bool] = and_(Operation.desktop_id == operation.desktop_id, Operation.id != operation.id)
    at_work = select(func.count()).where(others, Operation.lease_owner.is_not(None), Operation.lease_expires_at > now)
    return bool(tx.scalar(at_work))


def _cloud_request_id(error: YunzhuoError) -> str | None:
    request_id = error.details.get("cloud_request_id")
    return str(request_id) if request_id else None
