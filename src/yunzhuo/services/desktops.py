"""Desktops as people ask for them: wishes are written down in one short transaction, and made true by operations."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from yunzhuo.phoenix.cloud.resources import RebootKind
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, LimitReached, NotFound, NotSignedIn, Refused
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.config.settings import LimitSettings, OperationSettings
from yunzhuo.phoenix.db.models import Desktop, Flavor, IdempotencyKey, Image, Operation, OperationStep, User
from yunzhuo.phoenix.db.session import Database, Transaction
from yunzhuo.phoenix.queue import Queue
from yunzhuo.services.access import Actor, Scope, require
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.changes import ChangeFeed, OperationView, facts_of, operation_view, steps_of
from yunzhuo.services.desktop_views import DesktopView, Page, desktop_views, may_see, read_page, visible_desktop
from yunzhuo.services.operations import ADVANCE_JOB
from yunzhuo.services.rules import lifecycle, naming
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, State, Step, Wanted

# RebootKind is for routes, which know no clouds.
__all__ = ["MAX_AT_ONCE", "Accepted", "DesktopService", "Outcome", "RebootKind"]

MAX_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Accepted:
    """A wish that was written down: the desktop, and the operation that makes it true."""

    desktop: DesktopView
    operation: OperationView


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a wish for one of several desktops: it was written down, or refused."""

    desktop_id: str
    accepted: Accepted | None = None
    refusal: Refused | None = None


class DesktopService:
    """What people do with their desktops."""

    def __init__(
        self,
        db: Database,
        queue: Queue,
        feed: ChangeFeed,
        audit: AuditLog,
        clock: Clock,
        limits: LimitSettings,
        operations: OperationSettings,
    ) -> None:
        self._db = db
        self._queue = queue
        self._feed = feed
        self._audit = audit
        self._clock = clock
        self._limits = limits
        self._operations = operations

    def request(
        self, actor: Actor, *, image_id: str, flavor_id: str, name: str | None = None, idempotency_key: str | None = None
    ) -> Accepted:
        """Ask for a new desktop; answers at once with the operation that builds it.

        The same ``idempotency_key`` with the same wish answers with the first one's desktop. Raises InvalidInput (name,
        image, flavor, key), LimitReached, Conflict (the key was used for another wish).
        """
        require(actor, "desktop:create")
        chosen_name = naming.checked_name(name) if name is not None else None
        wish_digest = _digest({"image": image_id, "flavor": flavor_id, "name": chosen_name})
        key = naming.checked_idempotency_key(idempotency_key) if idempotency_key is not None else None
        try:
            with self._db.transaction() as tx:
                earlier = self._earlier(tx, actor, key, wish_digest)
                if earlier is None:
                    return self._create(tx, actor, image_id, flavor_id, chosen_name, key, wish_digest)
                return earlier
        except IntegrityError:
            # The same key came in twice at the same moment and the other was first.
            with self._db.transaction() as tx:
                earlier = self._earlier(tx, actor, key, wish_digest)
                if earlier is None:
                    raise
                return earlier

    def get(self, actor: Actor, desktop_id: str) -> DesktopView:
        """One desktop. Raises NotFound, also for what is not the actor's."""
        with self._db.reading() as tx:
            desktop, operation = visible_desktop(tx, actor, desktop_id, "desktop:read")
            return desktop_views(tx, [(desktop, operation)])[0]

    def list(
        self, actor: Actor, *, limit: int = 50, cursor: str | None = None, search: str | None = None, state: State | None = None
    ) -> Page:
        """The actor's desktops (an administrator: the organization's), newest first, ``limit`` at most at a time.

        ``search`` is part of a name, ``state`` one of the computed states. Raises InvalidInput for a foreign cursor.
        """
        scope = require(actor, "desktop:read")
        query = (
            select(Desktop, Operation)
            .join(Operation, Operation.id == Desktop.operation_id)
            .where(Desktop.organization_id == actor.organization_id, Desktop.deleted_at.is_(None))
            .order_by(Desktop.created_at.desc(), Desktop.id.desc())
        )
        if scope is Scope.OWN:
            query = query.where(Desktop.owner_id == actor.user_id)
        if search:
            query = query.where(func.lower(Desktop.name).contains(search.lower(), autoescape=True))
        with self._db.reading() as tx:
            return read_page(tx, query, limit=limit, cursor=cursor, state=state)

    def rename(self, actor: Actor, desktop_id: str, name: str) -> DesktopView:
        """Give a desktop another name. Raises InvalidInput, NotFound."""
        with self._db.transaction() as tx:
            desktop, operation = visible_desktop(tx, actor, desktop_id, "desktop:update")
            desktop.name = naming.checked_name(name)
            self._audit.record(tx, actor, "desktop:update", "desktop", desktop.id)
            self._feed.desktop_changed(tx, desktop, operation)
            return desktop_views(tx, [(desktop, operation)])[0]

    def act(self, actor: Actor, desktop_id: str, action: Action, *, reboot_kind: RebootKind = RebootKind.SOFT) -> Accepted:
        """Ask for a change; answers at once with its operation.

        ``CREATE`` tries a failed create again. Raises NotFound, and Conflict when the state does not allow it now.
        """
        with self._db.transaction() as tx:
            return self.act_within(tx, actor, desktop_id, action, reboot_kind=reboot_kind)

    def act_within(
        self, tx: Transaction, actor: Actor, desktop_id: str, action: Action, *, reboot_kind: RebootKind = RebootKind.SOFT
    ) -> Accepted:
        """As :meth:`act`, as part of another service's transaction."""
        verb = f"desktop:{Action.START if action is Action.CREATE else action}"
        desktop, latest = visible_desktop(tx, actor, desktop_id, verb)
        facts = facts_of(desktop, latest)
        if action not in lifecycle.allowed_actions(facts):
            raise _refused(action, lifecycle.state(facts))
        self._supersede(tx, latest)
        arguments = {"kind": str(reboot_kind)} if action is Action.REBOOT else {}
        operation, steps = self._new_operation(tx, actor, desktop, action, arguments)
        desktop.wanted = lifecycle.WANTED_AFTER[action]
        self._audit.record(tx, actor, verb, "desktop", desktop.id)
        self._feed.desktop_changed(tx, desktop, operation)
        return Accepted(desktop_views(tx, [(desktop, operation)])[0], operation_view(operation, steps))

    def act_on_many(self, actor: Actor, desktop_ids: Sequence[str], action: Action) -> Sequence[Outcome]:
        """Ask for the same change of several desktops, each in a transaction of its own; answers what became of each.

        One that is refused keeps no other back. Raises InvalidInput for more than :data:`MAX_AT_ONCE`.
        """
        wanted = list(dict.fromkeys(desktop_ids))
        if len(wanted) > MAX_AT_ONCE:
            raise InvalidInput("These are too many desktops.", fields={"ids": f"At most {MAX_AT_ONCE} at once."})
        outcomes: list[Outcome] = []
        for desktop_id in wanted:
            try:
                outcomes.append(Outcome(desktop_id, accepted=self.act(actor, desktop_id, action)))
            except Refused as refusal:
                outcomes.append(Outcome(desktop_id, refusal=refusal))
        return outcomes

    def hand_over_within(self, tx: Transaction, actor: Actor, desktop_id: str, new_owner_id: str) -> None:
        """Give a desktop to somebody else of its organization, whatever their quota. Its old owner sees it no more.

        Raises NotFound, and Conflict while it is being deleted.
        """
        desktop, latest = visible_desktop(tx, actor, desktop_id, "desktop:hand_over")
        if desktop.wanted == Wanted.GONE:
            raise _refused(Action.DELETE, lifecycle.state(facts_of(desktop, latest)))
        before, desktop.owner_id = desktop.owner_id, new_owner_id
        self._audit.record(
            tx, actor, "desktop:hand_over", "desktop", desktop.id, before={"owner": before}, after={"owner": new_owner_id}
        )
        self._feed.desktop_changed(tx, desktop, latest)

    def operation(self, actor: Actor, operation_id: str) -> OperationView:
        """One operation of a desktop that the actor can see. Raises NotFound."""
        require(actor, "desktop:read")
        with self._db.reading() as tx:
            operation = tx.get(Operation, operation_id)
            desktop = tx.get(Desktop, operation.desktop_id) if operation else None
            if operation is None or desktop is None or not may_see(actor, desktop):
                raise NotFound("operation_not_found", "There is no such operation.")
            return operation_view(operation, steps_of(tx, [operation.id])[operation.id])

    def _create(
        self,
        tx: Transaction,
        actor: Actor,
        image_id: str,
        flavor_id: str,
        name: str | None,
        key: str | None,
        wish_digest: str,
    ) -> Accepted:
        image, flavor = _chosen(tx, actor, image_id, flavor_id)
        self._check_quota(tx, actor)
        desktop_id = new_id()
        display_name = name or naming.default_name(image.name, self._owned(tx, actor) + 1)
        desktop = Desktop(
            id=desktop_id,
            organization_id=actor.organization_id,
            owner_id=actor.user_id,
            name=display_name,
            hostname=naming.hostname(display_name, desktop_id),
            image_id=image.id,
            flavor_id=flavor.id,
            wanted=Wanted.RUNNING,
            operation_id="",
            created_at=self._clock.now(),
        )
        tx.add(desktop)
        operation, steps = self._new_operation(tx, actor, desktop, Action.CREATE, {})
        if key is not None:
            tx.add(
                IdempotencyKey(
                    user_id=actor.user_id,
                    key=key,
                    organization_id=actor.organization_id,
                    request_digest=wish_digest,
                    desktop_id=desktop.id,
                    operation_id=operation.id,
                    created_at=self._clock.now(),
                )
            )
        self._audit.record(tx, actor, "desktop:create", "desktop", desktop.id)
        self._feed.desktop_changed(tx, desktop, operation)
        tx.flush()
        return Accepted(desktop_views(tx, [(desktop, operation)])[0], operation_view(operation, steps))

    def _new_operation(
        self, tx: Transaction, actor: Actor, desktop: Desktop, action: Action, arguments: Mapping[str, str]
    ) -> tuple[Operation, Sequence[OperationStep]]:
        now = self._clock.now()
        seconds = (
            self._operations.create_deadline_seconds if action is Action.CREATE else self._operations.default_deadline_seconds
        )
        plan = lifecycle.PLANS[action]
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

    def _earlier(self, tx: Transaction, actor: Actor, key: str | None, wish_digest: str) -> Accepted | None:
        row = tx.get(IdempotencyKey, (actor.user_id, key)) if key is not None else None
        if row is None:
            return None
        if row.request_digest != wish_digest:
            raise Conflict("idempotency_key_reused", "This Idempotency-Key was used for another request.")
        desktop, operation = tx.get_one(Desktop, row.desktop_id), tx.get_one(Operation, row.operation_id)
        steps = steps_of(tx, [operation.id])[operation.id]
        return Accepted(desktop_views(tx, [(desktop, operation)])[0], operation_view(operation, steps))

    def _check_quota(self, tx: Session, actor: Actor) -> None:
        # The owner's row is locked so that two requests at once cannot both take the last place.
        found = tx.scalar(select(User.id).where(User.id == actor.user_id, User.disabled_at.is_(None)).with_for_update())
        if found is None:  # ended since the request came in: nothing may be left behind for an account that is gone
            raise NotSignedIn("not_signed_in", "Please sign in.")
        used, limit = self._owned(tx, actor), self._limits.desktops_per_user
        if used >= limit:
            raise LimitReached(
                "desktop_limit_reached", f"You have {used} of {limit} desktops; delete one first.", used=used, limit=limit
            )

    def _owned(self, tx: Session, actor: Actor) -> int:
        query = select(func.count()).where(Desktop.owner_id == actor.user_id, Desktop.deleted_at.is_(None))
        return tx.scalar(query) or 0


def _chosen(tx: Session, actor: Actor, image_id: str, flavor_id: str) -> tuple[Image, Flavor]:
    image, flavor = tx.get(Image, image_id), tx.get(Flavor, flavor_id)
    wrong: dict[str, str] = {}
    if image is None or image.withdrawn_at is not None or image.organization_id != actor.organization_id:
        wrong["image"] = "There is no such image."
    if flavor is None or flavor.withdrawn_at is not None:
        wrong["flavor"] = "There is no such flavor."
    if image is None or flavor is None or wrong:
        raise InvalidInput("The desktop cannot be made from this.", fields=wrong)
    if flavor.memory_mib < image.min_memory_mib or flavor.disk_mib < image.min_disk_mib:
        raise InvalidInput(
            "The desktop cannot be made from this.", fields={"flavor": f"{flavor.name} is too small for {image.name}."}
        )
    return image, flavor


def _refused(action: Action, state: State) -> Conflict:
    if state in lifecycle.STATE_DURING.values():
        return Conflict("operation_in_progress", "Another change to this desktop is still going on.", state=state)
    return Conflict("not_possible_now", f"A desktop that is {state} cannot do this: {action}.", state=state)


def _digest(wish: Mapping[str, str | None]) -> str:
    return hashlib.sha256(json.dumps(wish, sort_keys=True).encode()).hexdigest()
