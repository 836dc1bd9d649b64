"""Changes as they happen: one append-only table behind open pages, the API's stream and the command line's progress."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.db.models import Event
from yunzhuo.phoenix.db.session import Database, Transaction
from yunzhuo.services.access import Actor, Scope, scope_of
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.forgetting import forget
from yunzhuo.services.rules import event_order
from yunzhuo.services.stated import needs

# An organization, and a person in it or None for all of them: events are told at addresses, so that telling one costs what its
# listeners cost and not what all cost.
Address = tuple[str, str | None]
KEEP = timedelta(days=7)
_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class EventView:
    """One change. ``id`` grows with time; ``user_id`` is the owner of what changed."""

    id: int
    organization_id: str
    user_id: str
    kind: str
    object_id: str
    data: Mapping[str, object]
    at: datetime


class EventService:
    """Writes events beside the change they tell of, and reads them in order."""

    def __init__(self, db: Database, audit: AuditLog, clock: Clock) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock

    def record(
        self, tx: Transaction, *, organization_id: str, user_id: str, kind: str, object_id: str, data: Mapping[str, object]
    ) -> None:
        """Add an event to a transaction."""
        tx.add(
            Event(
                organization_id=organization_id,
                user_id=user_id,
                kind=kind,
                object_id=object_id,
                data=dict(data),
                at=self._clock.now(),
            )
        )

    def latest_id(self) -> int:
        """The id of the last event before which none is still to come (:mod:`yunzhuo.services.rules.event_order`): whoever
        goes on after it misses nothing. 0 when there is none."""
        query = select(Event.id, Event.at).order_by(Event.id.desc()).limit(_LOOKED_AT)
        with self._db.reading() as tx:
            return event_order.settled([(number, at) for number, at in tx.execute(query)], self._clock.now())

    def is_forgotten(self, last_id: int) -> bool:
        """Whether some of what came after an event has been dropped since (see :meth:`forget_old`)."""
        with self._db.reading() as tx:
            oldest = tx.scalar(select(func.min(Event.id)))
        return oldest is not None and 0 < last_id < oldest - 1

    def after(self, last_id: int, *, limit: int = 500) -> Sequence[EventView]:
        """The events after ``last_id``, oldest first. For the stream process, which asks
        :meth:`told_at` whom to tell."""
        with self._db.reading() as tx:
            rows = tx.scalars(select(Event).where(Event.id > last_id).order_by(Event.id).limit(limit))
            return [_view(row) for row in rows]

    @needs("event:read")
    def missed_by(self, actor: Actor, last_id: int, *, limit: int = 500) -> Sequence[EventView]:
        """What the actor may see of the events after ``last_id``, oldest first: for a stream that is taken up again."""
        query = select(Event).where(Event.id > last_id, Event.organization_id == actor.organization_id)
        if scope_of(actor, "event:read") is Scope.OWN:
            query = query.where(Event.user_id == actor.user_id)
        with self._db.reading() as tx:
            return [_view(row) for row in tx.scalars(query.order_by(Event.id).limit(limit))]

    @staticmethod
    def listens_at(actor: Actor) -> Address | None:
        """Where the actor hears all the events that they may see, and no others; None: they may see none."""
        match scope_of(actor, "event:read"):
            case Scope.ORGANIZATION:
                return actor.organization_id, None
            case Scope.OWN:
                return actor.organization_id, actor.user_id
            case _:
                return None

    @staticmethod
    def told_at(event: EventView) -> tuple[Address, Address]:
        """The addresses at which an event is told: its owner's, and that of those who see the whole organization."""
        return (event.organization_id, event.user_id), (event.organization_id, None)

    def forget_old(self) -> int:
        """Drop events older than a week, some at a time so that nobody waits for it, and say how many."""
        return forget(self._db, (Event.id,), Event.at < self._clock.now() - KEEP)


def _view(row: Event) -> EventView:
    return EventView(row.id, row.organization_id, row.user_id, row.kind, row.object_id, row.data, row.at)
