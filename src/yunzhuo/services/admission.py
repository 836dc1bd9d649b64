"""Letting operations in: the cloud bears only so much at once, and what is over that waits in a queue.

Who is next is decided by :mod:`yunzhuo.services.rules.admission`; here the decision is made by one at a time, with the
lane's row locked, so that any number of processes let in no more than there is room for.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from statistics import median

from sqlalchemy import ColumnElement, exists, func, select, update
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.config.settings import AdmissionSettings, OperationSettings
from yunzhuo.phoenix.db.models import AdmissionLane, AdmissionTurn, Desktop, Operation
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.queue import Queue
from yunzhuo.services.changes import ChangeFeed
from yunzhuo.services.rules import admission, lifecycle
from yunzhuo.services.rules.admission import Lane, Limits, Line, Place, Standing
from yunzhuo.services.rules.lifecycle import Action, OperationStatus

log = get_logger()

ADVANCE_JOB = "operation.advance"
_ADMITTED = [status.value for status in lifecycle.ADMITTED]
_MAKES_A_DISK = frozenset({Action.CREATE, Action.REBUILD, Action.RESIZE})
_SECOND = timedelta(seconds=1)
_LATELY = 50


@dataclass(frozen=True, slots=True)
class Outlook:
    """How many would be let in at once, how many would wait, and for about how long the last one (None: nobody knows)."""

    at_once: int
    waiting: int
    expected_seconds: float | None


class Admission:
    """Lets in what there is room for. A round is cheap when nobody waits, and harmless at any time."""

    def __init__(
        self,
        db: Database,
        queue: Queue,
        feed: ChangeFeed,
        clock: Clock,
        settings: AdmissionSettings,
        operations: OperationSettings,
    ) -> None:
        self._db = db
        self._queue = queue
        self._feed = feed
        self._clock = clock
        self._limits = limits_of(settings)
        self._operations = operations

    def round(self) -> None:
        """Let in whoever's turn it is, in every lane."""
        with self._db.reading() as tx:
            waits = tx.execute(_WAITS).one()
        for lane, somebody_waits in zip(Lane, waits, strict=True):
            if somebody_waits:
                self._admit(lane)

    def outlook(self, tx: Session, lane: Lane, count: int) -> Outlook:
        """What would become of ``count`` more: how many are let in at once, and how long until the last one is."""
        limit = self._limits[lane].cloud
        if limit is None:
            return Outlook(count, 0, 0.0)
        waiting = tx.scalar(select(func.count()).where(*_waiting(lane))) or 0
        free = max(0, limit - sum(going_on(tx, lane).values()) - waiting)
        behind = max(0, waiting + count - free)
        return Outlook(
            at_once=min(count, free),
            waiting=count - min(count, free),
            expected_seconds=admission.expected_wait_seconds(behind, limit, typical_seconds(tx, lane)),
        )

    def deadline(self, action: Action, now: datetime) -> datetime:
        """When an operation that is let in now has to have ended."""
        settings = self._operations
        seconds = settings.create_deadline_seconds if action in _MAKES_A_DISK else settings.default_deadline_seconds
        return now + timedelta(seconds=seconds)

    @retried_when_contended
    def _admit(self, lane: Lane) -> None:
        now, limits = self._clock.now(), self._limits[lane]
        with self._db.transaction() as tx:
            # Whoever decides decides alone: what is counted below stays true until the commit.
            tx.scalar(select(AdmissionLane.lane).where(AdmissionLane.lane == lane).with_for_update())
            in_use = going_on(tx, lane)
            begun_lately = select(func.count()).where(Operation.lane == lane, Operation.admitted_at > now - _SECOND)
            pace = (tx.scalar(begun_lately) or 0) if limits.per_second is not None else 0
            room = admission.room(limits, sum(in_use.values()), pace)
            if room == 0:
                return
            chosen = Counter(islice(admission.order(standing(tx, lane, in_use), limits), room))
            let_in = [first for place, count in chosen.items() for first in _first_of(tx, lane, place, count)]
            admitted = [operation for operation, desktop in let_in if self._let_in(tx, operation, desktop, now)]
            _remember_turns(tx, lane, chosen, now)
        if admitted:
            log.info("operations_admitted", lane=lane, count=len(admitted))

    def _let_in(self, tx: Transaction, operation: Operation, desktop: Desktop, now: datetime) -> bool:
        taken = tx.execute(
            update(Operation)
            .where(Operation.id == operation.id, Operation.status == OperationStatus.WAITING)
            .values(
                status=OperationStatus.QUEUED,
                admitted_at=now,
                due_at=now,
                deadline_at=self.deadline(Action(operation.action), now),
            )
        )
        if getattr(taken, "rowcount", 0) != 1:
            return False  # cancelled, or replaced, at this very moment
        tx.after_commit(_sender(self._queue, operation.id))
        self._feed.desktop_changed(tx, desktop, operation)
        return True


def limits_of(settings: AdmissionSettings) -> Mapping[Lane, Limits]:
    """What the settings say, lane by lane; 0 there means no limit."""
    return {
        Lane.BUILD: Limits(
            cloud=settings.builds_per_cloud or None,
            host=settings.builds_per_host or None,
            organization=settings.builds_per_organization or None,
            per_second=settings.builds_per_second or None,
        ),
        Lane.START: Limits(
            cloud=settings.starts_per_cloud or None,
            host=settings.starts_per_host or None,
            organization=settings.starts_per_organization or None,
            per_second=settings.starts_per_second or None,
        ),
    }


def going_on(tx: Session, lane: Lane) -> Mapping[Place, int]:
    """What has been let in and has not ended, by whose it is and where."""
    columns = (Operation.organization_id, Operation.user_id, Operation.host)
    query = select(*columns, func.count()).where(Operation.lane == lane, Operation.status.in_(_ADMITTED)).group_by(*columns)
    return {Place(organization, user, host): count for organization, user, host, count in tx.execute(query)}


def standing(tx: Session, lane: Lane, in_use: Mapping[Place, int]) -> Standing:
    """Who waits, and who was served when."""
    columns = (Operation.organization_id, Operation.user_id, Operation.host)
    waiting = select(*columns, func.min(Operation.created_at), func.count()).where(*_waiting(lane)).group_by(*columns)
    rows = list(tx.execute(waiting))
    served, organizations = _served(tx, lane, {row[0] for row in rows})
    return Standing(
        [
            Line(Place(organization, user, host), oldest, count, served.get((organization, user)))
            for organization, user, host, oldest, count in rows
        ],
        in_use,
        organizations,
    )


def typical_seconds(tx: Session, lane: Lane) -> float | None:
    """How long the last ones that succeeded took from being let in to their end; None when there are none."""
    query = (
        select(Operation.admitted_at, Operation.ended_at)
        .where(Operation.lane == lane, Operation.status == OperationStatus.SUCCEEDED, Operation.admitted_at.is_not(None))
        .order_by(Operation.admitted_at.desc())
        .limit(_LATELY)
    )
    took = [(ended - admitted).total_seconds() for admitted, ended in tx.execute(query) if ended and admitted]
    return median(took) if took else None


def _served(
    tx: Session, lane: Lane, organizations: set[str]
) -> tuple[Mapping[tuple[str, str], datetime], Mapping[str, datetime]]:
    turns = select(AdmissionTurn.organization_id, AdmissionTurn.user_id, AdmissionTurn.served_at).where(
        AdmissionTurn.lane == lane, AdmissionTurn.organization_id.in_(organizations)
    )
    people = {(organization, user): at for organization, user, at in tx.execute(turns)}
    latest: dict[str, datetime] = {}
    for (organization, _), at in people.items():
        latest[organization] = max(at, latest.get(organization, at))
    return people, latest


def _remember_turns(tx: Transaction, lane: Lane, served: Mapping[Place, int], now: datetime) -> None:
    for organization, user in sorted({(place.organization_id, place.user_id) for place in served}):
        turn = tx.get(AdmissionTurn, (lane, organization, user))
        if turn is None:
            tx.add(AdmissionTurn(lane=lane, organization_id=organization, user_id=user, served_at=now))
        else:
            turn.served_at = now


def _first_of(tx: Session, lane: Lane, place: Place, count: int) -> Sequence[tuple[Operation, Desktop]]:
    query = (
        select(Operation, Desktop)
        .join(Desktop, Desktop.id == Operation.desktop_id)
        .where(*_waiting(lane))
        .where(Operation.organization_id == place.organization_id, Operation.user_id == place.user_id)
        .where(Operation.host == place.host if place.host is not None else Operation.host.is_(None))
        .order_by(Operation.created_at, Operation.id)
    )
    return [(operation, desktop) for operation, desktop in tx.execute(query.limit(count))]


def _waiting(lane: Lane) -> tuple[ColumnElement[bool], ...]:
    return (Operation.lane == lane, Operation.status == OperationStatus.WAITING)


# Asked four times a second, and whenever an operation begins or ends.
_WAITS = select(*(exists().where(*_waiting(lane)) for lane in Lane))


def _sender(queue: Queue, operation_id: str) -> Callable[[], None]:
    return lambda: queue.send(ADVANCE_JOB, operation_id)
