"""Delegation: a person lets another one of their organization use their desktops, for a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import aliased

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import InvalidInput, NotFound
from yunzhuo.phoenix.db.models import Delegation, User
from yunzhuo.phoenix.db.session import Database, retried_when_contended
from yunzhuo.services.access import GRANTS, Actor, Role
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.stated import needs

LONGEST = timedelta(days=366)
# What can be let to somebody else: using a desktop, not giving it up or making a new one.
DELEGATED_VERBS = (
    "desktop:read",
    "desktop:start",
    "desktop:stop",
    "desktop:reboot",
    "desktop:suspend",
    "desktop:resume",
    "desktop:snapshot",
    "desktop:connect",
    "desktop:clipboard",
    "desktop:files",
)
_From, _To = aliased(User), aliased(User)


@dataclass(frozen=True, slots=True)
class DelegationView:
    """What ``from_email`` lets ``to_email`` do until ``expires_at``."""

    from_user_id: str
    from_email: str
    to_user_id: str
    to_email: str
    verbs: Sequence[str]
    expires_at: datetime


class DelegationService:
    """What people let each other do with their desktops. The one who is let needs the verb in their own role, too."""

    def __init__(self, db: Database, audit: AuditLog, clock: Clock) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock

    @needs("delegation:read")
    def list(self, actor: Actor) -> Sequence[DelegationView]:
        """What the actor lets others do, and others the actor; what has expired is left out."""
        query = (
            select(Delegation, _From.email, _To.email)
            .join(_From, _From.id == Delegation.from_user_id)
            .join(_To, _To.id == Delegation.to_user_id)
            .where(or_(Delegation.from_user_id == actor.user_id, Delegation.to_user_id == actor.user_id))
            .where(Delegation.expires_at > self._clock.now())
            .order_by(_From.email, _To.email, Delegation.verb)
        )
        found: dict[tuple[str, str], DelegationView] = {}
        with self._db.reading() as tx:
            for row, from_email, to_email in tx.execute(query):
                key = (row.from_user_id, row.to_user_id)
                verbs = [*(found[key].verbs if key in found else ()), row.verb]
                found[key] = DelegationView(row.from_user_id, from_email, row.to_user_id, to_email, verbs, row.expires_at)
        return list(found.values())

    @needs("delegation:create")
    @retried_when_contended
    def let(self, actor: Actor, to_user_id: str, verbs: Sequence[str], expires_at: datetime) -> None:
        """Let somebody use the actor's desktops, instead of what they were let before. To see them is always part of it.

        Raises NotFound (no such person), InvalidInput (verbs, time, oneself).
        """
        now = self._clock.now()
        chosen = {"desktop:read", *verbs}
        _check(actor, chosen, expires_at, now)
        with self._db.transaction() as tx:
            to = tx.get(User, to_user_id)
            if to is None or to.deleted_at is not None or to.organization_id != actor.organization_id:
                raise NotFound("user_not_found", "There is no such account.")
            if to.id == actor.user_id:
                raise InvalidInput("This is yourself.", fields={"to": "Somebody else."})
            tx.execute(delete(Delegation).where(Delegation.from_user_id == actor.user_id, Delegation.to_user_id == to.id))
            for verb in sorted(chosen):
                tx.add(
                    Delegation(from_user_id=actor.user_id, to_user_id=to.id, verb=verb, expires_at=expires_at, created_at=now)
                )
            after = {"to": to.email, "verbs": sorted(chosen), "until": expires_at}
            self._audit.record(tx, actor, "delegation:create", "user", to.id, owner_id=actor.user_id, after=after)

    @needs("delegation:delete")
    @retried_when_contended
    def take_back(self, actor: Actor, to_user_id: str) -> None:
        """Let somebody do nothing any more; one who was let nothing is no error."""
        with self._db.transaction() as tx:
            given = (Delegation.from_user_id == actor.user_id, Delegation.to_user_id == to_user_id)
            gone = tx.execute(delete(Delegation).where(*given))
            if getattr(gone, "rowcount", 0):
                self._audit.record(tx, actor, "delegation:delete", "user", to_user_id, owner_id=actor.user_id)

    @retried_when_contended
    def forget_old(self) -> None:
        """Drop what has expired."""
        with self._db.transaction() as tx:
            tx.execute(delete(Delegation).where(Delegation.expires_at <= self._clock.now()))


def _check(actor: Actor, chosen: set[str], expires_at: datetime, now: datetime) -> None:
    wrong: dict[str, str] = {}
    if unknown := sorted(chosen.difference(DELEGATED_VERBS)):
        wrong["verbs"] = f"Not one of those that can be let: {', '.join(unknown)}."
    elif beyond := sorted(verb for verb in chosen if verb not in GRANTS[Role(actor.role)]):
        wrong["verbs"] = f"You do not have {', '.join(beyond)}."
    if not now < expires_at <= now + LONGEST:
        wrong["until"] = f"A time to come, at most {LONGEST.days} days from now."
    if wrong:
        raise InvalidInput("This cannot be let to anybody.", fields=wrong)
