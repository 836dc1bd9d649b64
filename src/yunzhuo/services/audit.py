"""The record of who did what. Written in the transaction that does it, so one is never there without the other."""

from collections.abc import Mapping

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.db.models import AuditEntry
from yunzhuo.phoenix.db.session import Transaction
from yunzhuo.services.access import Actor

_LONGEST_DETAIL = 400
_SECRET_WORDS = ("password", "secret", "token", "hash", "key")


class AuditLog:
    """Appends entries; nothing changes or removes them."""

    def __init__(self, clock: Clock) -> None:
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
        outcome: str = "done",
        detail: str | None = None,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
    ) -> None:
        """Note that ``actor`` (None: Yunzhuo itself) did ``verb``; ``outcome`` is ``done``, ``refused`` or ``failed``.

        ``detail`` says more in a few words (a name, a size), never what something contains. ``before`` and ``after`` are the
        values that a change changed; secrets among them are masked here.
        """
        organization = organization_id or (actor.organization_id if actor else None)
        if organization is None:
            raise ValueError("an audit entry belongs to an organization")
        tx.add(
            AuditEntry(
                organization_id=organization,
                actor_id=(actor.user_id or None) if actor else None,
                verb=verb,
                object_type=object_type,
                object_id=object_id,
                outcome=outcome,
                detail=detail[:_LONGEST_DETAIL] if detail else None,
                before=_masked(before),
                after=_masked(after),
                client_address=actor.client_address if actor else None,
                request_id=actor.request_id if actor else None,
                at=self._clock.now(),
            )
        )


def _masked(values: Mapping[str, object] | None) -> dict[str, object] | None:
    """The values as they may be kept: of a secret only that there is one."""
    if values is None:
        return None
    return {name: "***" if value and any(w in name for w in _SECRET_WORDS) else value for name, value in values.items()}
