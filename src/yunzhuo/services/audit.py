"""The record of who did what. Written in the transaction that does it, so one is never there without the other."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Broken, YunzhuoError
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.db.models import AuditEntry
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services.access import Actor

log = get_logger()
DONE, REFUSED, FAILED = "done", "refused", "failed"
OUTCOMES = (DONE, REFUSED, FAILED)
_SECRET_WORDS = ("password", "secret", "token", "hash", "key")
_LONGEST_TEXT = 1000


class AuditLog:
    """Appends entries; nothing changes them, and only age removes them (``services/audit_chain.py``)."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def record(
        self,
        tx: Transaction,
        actor: Actor | None,
        verb: str,
        object_type: str,
        object_id: str | None,
        *,
        organization_id: str | None = None,
        owner_id: str | None = None,
        outcome: str = DONE,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
    ) -> None:
        """Note that ``actor`` (None: Yunzhuo itself) did ``verb``; ``outcome`` is ``done``, ``refused`` or ``failed``.

        ``owner_id`` is the person whose object it is. ``before`` and ``after`` are the values that a change changed, or what
        else there is to say of it (a name, a size), never what something contains; secrets among them are masked here.
        """
        organization = organization_id or (actor.organization_id if actor else None)
        if organization is None:
            raise ValueError("an audit entry belongs to an organization")
        tx.add(
            AuditEntry(
                organization_id=organization,
                actor_id=(actor.user_id or None) if actor else None,
                owner_id=owner_id,
                verb=verb,
                object_type=object_type,
                object_id=object_id,
                outcome=outcome,
                before=_kept(before),
                after=_kept(after),
                client_address=actor.client_address if actor else None,
                request_id=actor.request_id if actor else None,
                at=self._clock.now(),
            )
        )

    def record_unfulfilled(self, actor: Actor, verb: str, object_id: str | None, error: YunzhuoError) -> None:
        """Note a wish that was refused or failed, in a transaction of its own: that of the wish is rolled back.

        Never raises for a database that is away: the answer is the same with and without the entry.
        """
        outcome = FAILED if isinstance(error, Broken) else REFUSED
        try:
            self._record_alone(actor, verb, object_id, outcome, error.code)
        except (YunzhuoError, SQLAlchemyError) as trouble:
            log.warning("audit_entry_lost", verb=verb, outcome=outcome, code=error.code, reason=str(trouble))

    @retried_when_contended
    def _record_alone(self, actor: Actor, verb: str, object_id: str | None, outcome: str, code: str) -> None:
        with self._db.transaction() as tx:
            self.record(tx, actor, verb, verb.partition(":")[0], object_id, outcome=outcome, after={"code": code})


def _kept(values: Mapping[str, object] | None) -> dict[str, Any] | None:
    """The values as they may be kept: plain JSON of bounded length, and of a secret only that there is one."""
    if values is None:
        return None
    masked = {name: "***" if value and any(w in name for w in _SECRET_WORDS) else value for name, value in values.items()}
    plain: dict[str, Any] = json.loads(json.dumps(masked, default=str))
    return {name: value[:_LONGEST_TEXT] if isinstance(value, str) else value for name, value in plain.items()}
