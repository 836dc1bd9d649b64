"""Rows that are of no use to anybody after a while, dropped some at a time so that nobody waits for it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.config.people_settings import ConsoleSettings
from yunzhuo.phoenix.db.models import ConsoleSession, DepartedServer, IdempotencyKey, Ticket
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.services import departures

#: For so long the same request with the same key gives the same answer.
KEEP_KEYS = timedelta(days=7)
#: So long after its end a ticket is still there: whoever looks into what went wrong finds it.
KEEP_TICKETS = timedelta(days=1)
AT_ONCE = 500


class Forgetting:
    """What belongs to no other service's own round."""

    def __init__(self, db: Database, clock: Clock, consoles: ConsoleSettings) -> None:
        self._db = db
        self._clock = clock
        # A ticket that was spent at its last moment lets channels join for as long again.
        self._keep_tickets = KEEP_TICKETS + timedelta(seconds=consoles.ticket_seconds)
        self._resume = timedelta(seconds=consoles.resume_seconds)

    def round(self) -> int:
        """Drop idempotency keys, servers that were, and tickets that are old and of no open session; answers how many."""
        now = self._clock.now()
        keys = forget(self._db, (IdempotencyKey.user_id, IdempotencyKey.key), IdempotencyKey.created_at < now - KEEP_KEYS)
        in_use = select(ConsoleSession.id).where(
            ConsoleSession.ticket_id == Ticket.id,
            or_(ConsoleSession.ended_at.is_(None), ConsoleSession.ended_at > now - self._resume),
        )
        old = and_(Ticket.expires_at < now - self._keep_tickets, ~in_use.exists())
        keys += forget(self._db, (DepartedServer.server_id,), DepartedServer.departed_at < now - departures.KEEP)
        return keys + forget(self._db, (Ticket.id,), old)


def forget(db: Database, key: Sequence[InstrumentedAttribute[Any]], old: ColumnElement[bool]) -> int:
    """Drop the rows that are ``old``, :data:`AT_ONCE` in a transaction; ``key`` are the columns of their primary key.

    Answers how many there were. Two at once are harmless.
    """
    forgotten = 0
    while True:
        some = _forget_some(db, key, old)
        forgotten += some
        if some < AT_ONCE:
            return forgotten


@retried_when_contended
def _forget_some(db: Database, key: Sequence[InstrumentedAttribute[Any]], old: ColumnElement[bool]) -> int:
    with db.transaction() as tx:
        rows = tx.execute(select(*key).where(old).limit(AT_ONCE)).all()
        chosen = tuple_(*key).in_([tuple(row) for row in rows]) if len(key) > 1 else key[0].in_([row[0] for row in rows])
        tx.execute(delete(key[0].class_).where(chosen).execution_options(synchronize_session=False))
        return len(rows)
