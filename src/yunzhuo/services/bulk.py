"""Hundreds of wishes in one request, each with its own result; and what would become of them, without asking for any."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.errors import InvalidInput, Refused
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services.access import Actor
from yunzhuo.services.admission import Admission, Outlook
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.desktops import ACTION_VERBS, DesktopService, NewDesktop, RebootKind
from yunzhuo.services.rules import naming
from yunzhuo.services.rules.admission import LANES
from yunzhuo.services.rules.lifecycle import Action
from yunzhuo.services.stated import needs
from yunzhuo.services.wishes import Accepted

MAX_AT_ONCE = 500

#: What can be asked of many at once: it needs nothing that differs from one to the other.
CHANGES = frozenset(
    {
        Action.CREATE,
        Action.START,
        Action.STOP,
        Action.REBOOT,
        Action.SUSPEND,
        Action.RESUME,
        Action.REBUILD,
        Action.DELETE,
        Action.FORCE_DELETE,
    }
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one of several wishes: it was written down, or refused. ``desktop_id`` None: nothing was made."""

    desktop_id: str | None
    accepted: Accepted | None = None
    refusal: Refused | None = None


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of all, in the order asked. ``outlook``: how those that need to be let in will fare.

    ``is_rehearsal``: nothing was written down, and the ids of desktops and operations that would be new mean nothing.
    """

    items: Sequence[Outcome]
    outlook: Outlook
    is_rehearsal: bool

    @property
    def accepted(self) -> int:
        """How many were written down."""
        return sum(item.accepted is not None for item in self.items)


_Wish = tuple[str | None, Callable[[Transaction], Accepted]]


class _OnlyRehearsedError(Exception):
    """Takes a transaction back."""


class BulkService:
    """Asks for many at once. Each is a transaction of its own: one that is refused keeps no other back."""

    def __init__(self, db: Database, desktops: DesktopService, admission: Admission, audit: AuditLog) -> None:
        self._audit = audit
        self._db = db
        self._desktops = desktops
        self._admission = admission

    @needs(*ACTION_VERBS)
    def change(
        self,
        actor: Actor,
        desktop_ids: Sequence[str],
        action: Action,
        *,
        image_id: str | None = None,
        reboot_kind: RebootKind = RebootKind.SOFT,
        rehearse: bool = False,
    ) -> Outcomes:
        """Ask for the same change of several desktops. Raises InvalidInput for more than :data:`MAX_AT_ONCE`, and for a
        change that is none of :data:`CHANGES`."""
        wanted = list(dict.fromkeys(desktop_ids))
        _check_count(len(wanted), "ids")
        if action not in CHANGES:
            raise InvalidInput(
                "This cannot be asked of several.", fields={"action": f"{action} differs from one to the other."}
            )

        def wish(desktop_id: str) -> Callable[[Transaction], Accepted]:
            if action is Action.REBUILD:
                return lambda tx: self._desktops.rebuild_within(tx, actor, desktop_id, image_id=image_id)
            return lambda tx: self._desktops.act_within(tx, actor, desktop_id, action, reboot_kind=reboot_kind)

        wishes: list[_Wish] = [(desktop_id, wish(desktop_id)) for desktop_id in wanted]
        return self._rehearsed(wishes, action) if rehearse else self._done(actor, wishes, action)

    @needs("desktop:create")
    def create(
        self, actor: Actor, wanted: Sequence[NewDesktop], *, idempotency_key: str | None = None, rehearse: bool = False
    ) -> Outcomes:
        """Ask for several desktops. With the same ``idempotency_key`` each is made once, however often it is asked.

        Raises InvalidInput for more than :data:`MAX_AT_ONCE`, or a key that is none.
        """
        _check_count(len(wanted), "count")
        key = naming.checked_idempotency_key(idempotency_key) if idempotency_key is not None else None
        if rehearse:
            tries: list[_Wish] = [(None, self._trial(actor, wish)) for wish in wanted]
            return self._rehearsed(tries, Action.CREATE)
        with self._db.reading() as tx:
            outlook = self._admission.outlook(tx, LANES[Action.CREATE], len(wanted))
        items: list[Outcome] = []
        for number, wish in enumerate(wanted, start=1):
            try:
                accepted = self._desktops.request(
                    actor,
                    image_id=wish.image_id,
                    flavor_id=wish.flavor_id,
                    name=wish.name,
                    owner_id=wish.owner_id,
                    idempotency_key=f"{key}/{number}" if key is not None else None,
                )
                items.append(Outcome(accepted.desktop.id, accepted=accepted))
            except Refused as refusal:
                items.append(Outcome(None, refusal=refusal))
        return Outcomes(items, outlook, is_rehearsal=False)

    def _trial(self, actor: Actor, wish: NewDesktop) -> Callable[[Transaction], Accepted]:
        return lambda tx: self._desktops.request_within(tx, actor, wish)

    def _done(self, actor: Actor, wishes: Sequence[_Wish], action: Action) -> Outcomes:
        with self._db.reading() as tx:
            outlook = self._outlook(tx, action, len(wishes))
        items: list[Outcome] = []
        for desktop_id, wish in wishes:
            try:
                items.append(Outcome(desktop_id, accepted=self._written_down(wish)))
            except Refused as refusal:
                refusal.is_on_record = True
                self._audit.record_unfulfilled(actor, f"desktop:{action}", desktop_id, refusal)
                items.append(Outcome(desktop_id, refusal=refusal))
        return Outcomes(items, outlook, is_rehearsal=False)

    @retried_when_contended
    def _written_down(self, wish: Callable[[Transaction], Accepted]) -> Accepted:
        with self._db.transaction() as tx:
            return wish(tx)

    @retried_when_contended
    def _rehearsed(self, wishes: Sequence[_Wish], action: Action) -> Outcomes:
        """Do everything, and take it all back: what stands against a wish is found by the very code that decides it."""
        items: list[Outcome] = []
        with self._db.reading() as reading:
            outlook = self._outlook(reading, action, len(wishes))
        with suppress(_OnlyRehearsedError), self._db.transaction() as tx:
            for desktop_id, wish in wishes:
                try:
                    with tx.begin_nested():
                        items.append(Outcome(desktop_id, accepted=wish(tx)))
                except Refused as refusal:
                    items.append(Outcome(desktop_id, refusal=refusal))
            raise _OnlyRehearsedError
        return Outcomes(items, outlook, is_rehearsal=True)

    def _outlook(self, tx: Session, action: Action, count: int) -> Outlook:
        lane = LANES.get(action)
        return self._admission.outlook(tx, lane, count) if lane else Outlook(count, 0, 0.0)


def _check_count(count: int, field: str) -> None:
    if count > MAX_AT_ONCE:
        raise InvalidInput("These are too many desktops.", fields={field: f"At most {MAX_AT_ONCE} at once."})
