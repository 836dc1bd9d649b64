"""The operation engine: each step is owned by a lease in the database, so that any worker goes on where one died.

A job asks :meth:`OperationEngine.advance` to look at one operation. That claims the lease (transaction one), takes the
present step outside any transaction, and writes what came of it (transaction two) if the lease is still its own. The step after
it, when that is due at once, is claimed anew by the same job; the next look is asked for by message. ``due_at`` and the lease's
end in the database are the truth behind the message.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select

from yunzhuo.phoenix.cloud.errors import ServerNotFound
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Refused, Unavailable, YunzhuoError
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.config.settings import OperationSettings
from yunzhuo.phoenix.db.models import Desktop, Flavor, Image, Operation, OperationStep, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.queue import Queue
from yunzhuo.services import address_claims, build_tries, departures, disk_claims, kept_snapshots, operation_rows
from yunzhuo.services.admission import ADVANCE_JOB, Admission
from yunzhuo.services.agent_book import AgentBook
from yunzhuo.services.boot_times import Boot, BootTimes
from yunzhuo.services.changes import ChangeFeed
from yunzhuo.services.notice_book import NoticeBook
from yunzhuo.services.operation_rows import Rows
from yunzhuo.services.outcomes import Outcome, ServerFailed, Subject
from yunzhuo.services.releasing import release_all
from yunzhuo.services.rules import lifecycle, pacing
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, Step
from yunzhuo.services.steps import perform, too_late

log = get_logger()

_ADMITTED = [status.value for status in lifecycle.ADMITTED]
# Clocks of computers differ a little; a message that is this early is not sent away.
_EARLY = timedelta(milliseconds=50)
_BELIEVED_MISSING_AFTER = 4
# Whoever is at an operation goes on with what is due at once; after so many steps others have their turn.
_STEPS_A_JOB = 3


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

    @property
    def boot(self) -> Boot | None:
        """What kind of system the step waits for; None: for something else."""
        if self.step is not Step.READY:
            return None
        return Boot(self.subject.image_cloud_id, self.subject.flavor_cloud_id, self.action)


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
        admission: Admission,
        agents: AgentBook,
        notices: NoticeBook,
        *,
        worker: str,
    ) -> None:
        self._db = db
        self._agents = agents
        self._notices = notices
        self._cloud = cloud
        self._queue = queue
        self._feed = feed
        self._clock = clock
        self._settings = settings
        self._admission = admission
        self._worker = worker
        self._boot_times = BootTimes()

    def advance(self, operation_id: str) -> None:
        """Take the operation's present step if it is due and nobody else is at it, and some that are due at once after it.

        Twice is harmless.
        """
        for _ in range(_STEPS_A_JOB):
            claim = self.claim(operation_id)
            if claim is None or not self._take_step(claim):
                return
        self.wake(operation_id)

    def _take_step(self, claim: Claim) -> bool:
        """Take a step that was claimed, and write down what came of it. Answers whether the next one is due at once."""
        if claim.deadline_at <= self._clock.now():
            self.record_failure(claim, *too_late(claim.step, self._cloud, claim.subject))
            return False
        if claim.is_called_off:
            reason = "The account that asked for this was disabled."
            self.record_failure(claim, "account_disabled", reason, was_refused=claim.position == 0)
            return False
        try:
            outcome = perform(claim.step, self._cloud, claim.subject)
        except Unavailable as error:
            self._record_trouble(claim, error)
        except ServerNotFound as error:
            self._record_missing(claim, error)
        except Refused as error:
            self.record_failure(claim, error.code, error.message, details=error.details, was_refused=True)
        except ServerFailed as error:
            self.record_failure(claim, error.code, error.message, details=error.details, seen=error.seen)
        except YunzhuoError as error:
            self.record_failure(claim, error.code, error.message, details=error.details)
        except Exception as error:
            log.exception("step_crashed", operation_id=claim.operation_id, step=claim.step)
            details = {"error": f"{type(error).__name__}: {error}"}
            self.record_failure(claim, "internal_error", "Something went wrong inside Yunzhuo.", details=details)
        else:
            return self.record_outcome(claim, outcome)
        return False

    def due(self, *, grace: timedelta = timedelta(), limit: int = 200) -> Sequence[str]:
        """Ids of the operations that have been due for ``grace`` with nobody working on them, longest first."""
        now = self._clock.now()
        free = or_(Operation.lease_expires_at.is_(None), Operation.lease_expires_at <= now)
        query = select(Operation.id).where(Operation.status.in_(_ADMITTED), Operation.due_at <= now - grace, free)
        with self._db.reading() as tx:
            return list(tx.scalars(query.order_by(Operation.due_at).limit(limit)))

    def wake(self, operation_id: str) -> None:
        """Ask for a look at the operation now."""
        self._queue.send(ADVANCE_JOB, operation_id)

    @retried_when_contended
    def claim(self, operation_id: str) -> Claim | None:
        """Take the lease of an operation that is due; None when it is not, or when another worker holds it."""
        now = self._clock.now()
        lease_end = now + timedelta(seconds=self._settings.lease_seconds)
        with self._db.transaction() as tx:
            due_until = now + _EARLY
            if not operation_rows.take(tx, operation_id, self._worker, now=now, due_until=due_until, lease_end=lease_end):
                return None
            return self._begin_step(tx, operation_id, now)

    def _begin_step(self, tx: Transaction, operation_id: str, now: datetime) -> Claim:
        operation, step, desktop, image, flavor, owner = operation_rows.everything_about(tx, operation_id)
        image = tx.get_one(Image, operation.arguments.get("image", image.id))
        flavor = tx.get_one(Flavor, operation.arguments.get("flavor", flavor.id))
        is_called_off = _is_called_off(owner, operation, step)
        is_begun = step.started_at is not None
        if step.started_at is None:
            if operation_rows.is_first(operation):  # however long it had to wait for its turn: rather late than never
                operation.deadline_at = now + (operation.deadline_at - (operation.admitted_at or operation.created_at))
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
                project_id=desktop.project_id,
                arguments=operation.arguments,
                predecessor_at_work=operation_rows.is_first(operation)
                and operation_rows.predecessor_at_work(tx, operation, now),
                disk=disk_claims.begin(tx, desktop, operation, Step(step.name)),
                address=address_claims.begin(tx, desktop, operation, Step(step.name)),
                language=owner.language,
                user_data=self._agents.begin(tx, desktop, operation, Step(step.name)),
                build=build_tries.begin(tx, desktop, operation, step, now, self._settings, is_begun=is_begun),
                waited_seconds=(now - step.started_at).total_seconds(),
                running_seconds=_running_seconds(desktop, now),
                broken_seconds=_broken_seconds(desktop, now),
            ),
            is_called_off=is_called_off,
        )

    @retried_when_contended
    def record_outcome(self, claim: Claim, outcome: Outcome) -> bool:
        """Write down what came of a step and give the lease back; nothing when it is another worker's by now.

        Answers whether the next step is due at once: then whoever calls has to see to it, and no message is sent.
        """
        now, is_told = self._clock.now(), self._notices.is_told()
        with self._db.transaction() as tx:
            held = self._held(tx, claim)
            if held is None:
                return False
            operation, desktop, step = held.operation, held.desktop, held.step
            _observe(tx, desktop, outcome, now)
            if outcome.observed is not None:
                operation.note_code = outcome.fault_code
            operation.host = desktop.host
            if outcome.snapshots is not None:
                kept_snapshots.write_down(tx, desktop, outcome.snapshots)
            if outcome.lost is not None:
                build_tries.give_up(tx, operation, step, outcome.lost, now)
                operation.deadline_at = self._admission.deadline(claim.action, now)
                operation.attempts, operation.position = 0, operation.position + 1
                operation.due_at = now
                self._feed.desktop_changed(tx, desktop, operation)
                log.warning("build_given_up", operation_id=claim.operation_id, host=outcome.lost.host, why=outcome.lost.why)
                return True
            waited = (now - claim.step_started_at).total_seconds()
            if not outcome.done:
                if step.detail != outcome.detail:
                    step.detail = outcome.detail
                    self._feed.desktop_changed(tx, desktop, operation)
                tells = is_told and claim.step in pacing.TOLD and not outcome.awaits_reason
                usual_boot = self._boot_times.least(claim.boot) if claim.boot is not None else None
                pause = claim.subject.look_again_seconds(waited, is_told=tells, usual_boot=usual_boot)
                if claim.subject.waits_for_another:  # which has a deadline of its own
                    operation.deadline_at += timedelta(seconds=pause)
                self._look_again(tx, operation, now, pause)
                return False
            if claim.boot is not None:
                self._boot_times.note(claim.boot, waited)
            step.status, step.ended_at, step.detail = OperationStatus.SUCCEEDED, now, outcome.detail
            step.cloud_request_id = outcome.cloud_request_id or step.cloud_request_id
            _take_over(desktop, operation, claim.step)
            disk_claims.settle(tx, desktop, operation, claim.step, now, is_attached=outcome.disk_is_attached)
            address_claims.settle(tx, desktop, outcome.address, now)
            self._agents.settle(tx, desktop, claim.step)
            build_tries.settle(tx, desktop, operation, claim.step, now)
            operation.attempts, operation.position = 0, operation.position + 1
            is_due = self._go_on(tx, held, now, is_told=is_told)
            self._feed.desktop_changed(tx, desktop, operation)
            return is_due

    @retried_when_contended
    def _record_trouble(self, claim: Claim, error: YunzhuoError) -> None:
        if claim.attempts + 1 >= self._settings.max_attempts:
            self.record_failure(claim, error.code, error.message, details=error.details)
            return
        now = self._clock.now()
        with self._db.transaction() as tx:
            held = self._held(tx, claim)
            if held is None:
                return
            operation, desktop, step = held.operation, held.desktop, held.step
            operation.attempts += 1
            step.detail, step.cloud_request_id = error.message[:1000], _cloud_request_id(error.details)
            self._look_again(tx, operation, now, pacing.retry_delay_seconds(operation.attempts))
            self._feed.desktop_changed(tx, desktop, operation)
        log.warning(
            "step_retried", operation_id=claim.operation_id, step=claim.step, code=error.code, attempts=operation.attempts
        )

    def _record_missing(self, claim: Claim, error: ServerNotFound) -> None:
        """A cloud that forgets for a moment is asked again; what is missing again and again is believed to be gone."""
        if claim.attempts + 1 < min(_BELIEVED_MISSING_AFTER, self._settings.max_attempts):
            self._record_trouble(claim, error)
        else:
            self.record_failure(claim, error.code, error.message, details=error.details, was_refused=True)

    @retried_when_contended
    def record_failure(
        self,
        claim: Claim,
        code: str,
        message: str,
        *,
        details: Mapping[str, object] | None = None,
        was_refused: bool = False,
        seen: Outcome | None = None,
    ) -> None:
        """End an operation that failed, with a plain reason; nothing when the lease is another worker's by now.

        ``details`` is what an administrator is told besides, the cloud's own id of the request among it.
        What the cloud refused at the first step (``was_refused``) has changed nothing, so what was wanted before is again.
        """
        now = self._clock.now()
        with self._db.transaction() as tx:
            held = self._held(tx, claim)
            if held is None:
                return
            operation, desktop, step = held.operation, held.desktop, held.step
            step.status, step.ended_at = OperationStatus.FAILED, now
            step.detail, step.cloud_request_id = message[:1000], _cloud_request_id(details or {})
            if claim.subject.build is not None and step.cloud_request_id is None:
                step.cloud_request_id = build_tries.request_id(tx, operation.id)
            operation.status, operation.ended_at = OperationStatus.FAILED, now
            operation.active_desktop_id = None
            operation.error_code, operation.error_message = code, message[:1000]
            operation.error_detail = json.dumps(dict(details), default=str)[:2000] if details else None
            if seen is not None:
                _observe(tx, desktop, seen, now)
            if claim.action is Action.SNAPSHOT:
                kept_snapshots.forget_unmade(tx, desktop.id)
            disk_claims.fail(tx, desktop, claim.step, now)
            address_claims.fail(tx, desktop, operation, now)
            is_first_change = "undoes" not in operation.arguments and lifecycle.changes_first(claim.action, claim.step)
            if was_refused and is_first_change and claim.action is not Action.DELETE:
                desktop.wanted = operation.arguments.get("wanted_before", desktop.wanted)
            self._feed.desktop_changed(tx, desktop, operation)
            self._make_room(tx, operation)
        log.warning("operation_failed", operation_id=claim.operation_id, action=claim.action, step=claim.step, code=code)

    def _held(self, tx: Transaction, claim: Claim) -> Rows | None:
        """The operation with its lease given back, if that was still ours; None when it went on without us."""
        # The desktop's row first, as wishes and cancellations take them: in another order two would wait for each other.
        desktop = tx.get_one(Desktop, claim.desktop_id, with_for_update=True)
        if not operation_rows.give_back(tx, claim.operation_id, self._worker, claim.position):
            log.warning("lease_lost", operation_id=claim.operation_id, step=claim.step)
            return None
        held = operation_rows.present_and_next(tx, claim.operation_id, desktop)
        if held.operation.status not in _ADMITTED:
            log.info("operation_superseded", operation_id=claim.operation_id, step=claim.step)
            return None
        return held

    def _go_on(self, tx: Transaction, held: Rows, now: datetime, *, is_told: bool) -> bool:
        """Go on to the step after this one, or end. Answers whether there is one that is due at once."""
        if held.later is None:
            self._finish(tx, held.operation, held.desktop, now)
            return False
        held.operation.due_at = now
        pause = pacing.first_look_seconds(Step(held.later.name), is_told=is_told)
        if pause:
            self._look_again(tx, held.operation, now, pause)
        return not pause

    def _look_again(self, tx: Transaction, operation: Operation, now: datetime, delay_seconds: float) -> None:
        operation.due_at = now + timedelta(seconds=delay_seconds)
        operation_id = operation.id
        tx.after_commit(lambda: self._queue.send(ADVANCE_JOB, operation_id, delay_seconds=delay_seconds))

    def _finish(self, tx: Transaction, operation: Operation, desktop: Desktop, now: datetime) -> None:
        operation.status, operation.ended_at = OperationStatus.SUCCEEDED, now
        operation.active_desktop_id = None
        self._make_room(tx, operation)
        if operation.action in (Action.DELETE, Action.FORCE_DELETE):
            release_all(tx, desktop, now)

    def _make_room(self, tx: Transaction, operation: Operation) -> None:
        if operation.lane:
            tx.after_commit(self._admission.round)


def _is_called_off(owner: User, operation: Operation, step: OperationStep) -> bool:
    """Whether the owner, who asked for this, was disabled meanwhile, so that it ends here."""
    if owner.disabled_at is None or operation.created_at > owner.disabled_at or operation.user_id != owner.id:
        return False
    has_begun = operation.position > 0 or step.started_at is not None
    return lifecycle.ends_with_its_owner(Action(operation.action), has_begun=has_begun)


def _running_seconds(desktop: Desktop, now: datetime) -> float | None:
    """How long ago its server was seen to run; None: it was seen otherwise since, or never."""
    is_running = desktop.observed_status == lifecycle.Observed.RUNNING
    return (now - desktop.observed_at).total_seconds() if is_running and desktop.observed_at else None


def _broken_seconds(desktop: Desktop, now: datetime) -> float | None:
    """How long its server is known to be broken without a reason; None: it is not, or has one."""
    is_unexplained = desktop.observed_status == lifecycle.Observed.ERROR and desktop.observed_fault is None
    return (now - desktop.observed_at).total_seconds() if is_unexplained and desktop.observed_at else None


def _observe(tx: Transaction, desktop: Desktop, outcome: Outcome, now: datetime) -> None:
    if outcome.server_id is not None:
        was_there = desktop.server_id == outcome.server_id
        if not was_there:
            departures.note(tx, desktop, now)
        desktop.server_id = outcome.server_id
        desktop.server_name = outcome.server_name or desktop.server_name
        desktop.host = outcome.host or (desktop.host if was_there else None)
    if outcome.observed is not None:
        desktop.observed_status = outcome.observed
        desktop.observed_fault, desktop.observed_fault_code = outcome.fault, outcome.fault_code
        desktop.observed_at, desktop.missing_since = outcome.observed_at or now, None
    if outcome.is_ready is not None:
        desktop.ready_at = now if outcome.is_ready else None


def _take_over(desktop: Desktop, operation: Operation, step: Step) -> None:
    """What a desktop is made of from the moment the cloud has taken the change."""
    if step in (Step.REBUILD, Step.ROLL_BACK):
        desktop.image_id = operation.arguments["image"]
    if step is Step.RESIZED:
        desktop.flavor_id = operation.arguments["flavor"]


def _cloud_request_id(details: Mapping[str, object]) -> str | None:
    request_id = details.get("cloud_request_id")
    return str(request_id) if request_id else None
