"""Operations as people deal with them: found, looked at, cancelled, tried again, undone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import Session, aliased

from yunzhuo.phoenix.cloud.resources import RebootKind
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, Refused
from yunzhuo.phoenix.db.models import Desktop, Operation, OperationStep, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services import address_claims, cursors, kept_snapshots
from yunzhuo.services.access import Actor, scope_of
from yunzhuo.services.addresses import AddressService
from yunzhuo.services.admission import Admission
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.changes import ChangeFeed, OperationView, operation_view, steps_of
from yunzhuo.services.desktop_views import (
    MAX_PAGE,
    no_such_operation,
    possible_remedies,
    seen_operation,
    verb_for,
    visible_desktop,
    visible_operation,
)
from yunzhuo.services.desktops import ACTION_VERBS, DesktopService
from yunzhuo.services.queue_places import queue_places
from yunzhuo.services.reach import in_groups_of, within_reach
from yunzhuo.services.releasing import release_all
from yunzhuo.services.rules import lifecycle, remedies
from yunzhuo.services.rules.lifecycle import Action, OperationStatus
from yunzhuo.services.rules.remedies import UNDO, Cancellation, Remedy
from yunzhuo.services.snapshots import SnapshotService
from yunzhuo.services.stated import needs
from yunzhuo.services.wishes import WishBook, end

MAX_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Trace:
    """What administrators alone are told: for whoever asks the cloud's own people, or reads the logs.

    ``cloud_request_ids`` and ``hosts``, those that a server was given up on, by the step's position.
    """

    attempts: int
    worker: str | None
    lease_expires_at: datetime | None
    due_at: datetime
    deadline_at: datetime
    admitted_at: datetime | None
    host: str | None
    error_detail: str | None
    cloud_request_ids: Mapping[int, str]
    hosts: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class OperationRecord:
    """An operation with whose desktop it changes and who asked; ``trace`` None: not for the one who looks."""

    operation: OperationView
    desktop_name: str
    owner_email: str
    user_id: str
    user_email: str
    subject: str | None
    trace: Trace | None


@dataclass(frozen=True, slots=True)
class OperationWish:
    """Which operations are wanted. ``search`` is part of a desktop's name or of an address; ``is_active`` True: those that
    have not ended."""

    status: OperationStatus | None = None
    action: Action | None = None
    desktop_id: str | None = None
    search: str | None = None
    is_active: bool = False


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Some operations, the newest first, and where to go on; ``next_cursor`` None: that was all."""

    items: Sequence[OperationRecord]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Dealt:
    """What became of one of several wishes about operations: the operation that came of it, or a refusal."""

    operation_id: str
    operation: OperationView | None = None
    refusal: Refused | None = None


_owner, _asker = aliased(User), aliased(User)


class OperationDesk:
    """What people do about operations. Whoever may ask for a change may cancel it and try it again."""

    def __init__(
        self,
        db: Database,
        desktops: DesktopService,
        snapshots: SnapshotService,
        addresses: AddressService,
        wishes: WishBook,
        admission: Admission,
        feed: ChangeFeed,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._db = db
        self._desktops = desktops
        self._snapshots = snapshots
        self._addresses = addresses
        self._wishes = wishes
        self._admission = admission
        self._feed = feed
        self._audit = audit
        self._clock = clock

    @needs("desktop:read")
    def list(
        self, actor: Actor, wish: OperationWish = OperationWish(), *, limit: int = 50, cursor: str | None = None
    ) -> RecordPage:
        """Operations of the desktops that the actor can see, ``limit`` at most. Raises InvalidInput for a foreign cursor."""
        limit = min(max(limit, 1), MAX_PAGE)
        query = _chosen(actor, wish)
        if cursor:
            created_at, operation_id = cursors.place(cursor)
            same_moment = and_(Operation.created_at == created_at, Operation.id < operation_id)
            query = query.where(or_(Operation.created_at < created_at, same_moment))
        with self._db.reading() as tx:
            rows = _rows(tx, query.limit(limit + 1))
            items = _records(tx, actor, rows[:limit])
        last = rows[limit - 1][0] if len(rows) > limit else None
        return RecordPage(items, cursors.after(last.created_at, last.id) if last else None)

    @needs("desktop:read")
    def record(self, actor: Actor, operation_id: str) -> OperationRecord:
        """One operation with all there is about it. Raises NotFound."""
        with self._db.reading() as tx:
            rows = _rows(tx, _chosen(actor, OperationWish()).where(Operation.id == operation_id))
            if not rows:
                raise no_such_operation()
            return _records(tx, actor, rows)[0]

    @needs(*ACTION_VERBS)
    @retried_when_contended
    def cancel(self, actor: Actor, operation_id: str) -> OperationView:
        """End an operation: what was not begun is as if nobody had asked, what was begun is undone where that can be, and
        else nobody waits for it any more (:class:`~yunzhuo.services.rules.remedies.Cancellation`).

        A call to the cloud that goes on meanwhile is not cut off: whatever undoes it waits for its end. Answers the
        operation that undoes, or the cancelled one. Raises NotFound, Forbidden, Conflict for what has ended or is a deletion.
        """
        with self._db.transaction() as tx:
            found, _ = visible_operation(tx, actor, operation_id)
            action = Action(found.action)
            if found.status not in lifecycle.ACTIVE:
                raise _nothing_to("cancel")
            desktop, latest = visible_desktop(tx, actor, found.desktop_id, verb_for(action))
            if latest.id != operation_id:
                raise _nothing_to("cancel")
            how = remedies.cancellation(action, OperationStatus(latest.status), is_undoing="undoes" in latest.arguments)
            if how is None:
                raise _nothing_to("cancel")
            self._end(tx, latest, how)
            self._audit.record(
                tx,
                actor,
                "operation:cancel",
                "operation",
                operation_id,
                owner_id=desktop.owner_id,
                after={"action": action, "desktop": desktop.id},
            )
            if how is Cancellation.UNDO:
                undone = self._wishes.undo(tx, actor, desktop, latest, UNDO[action])
                return operation_view(undone.operation, undone.steps)
            self._forget(tx, desktop, latest, how)
            self._feed.desktop_changed(tx, desktop, latest)
            return seen_operation(tx, actor, latest, desktop)

    @needs(*ACTION_VERBS)
    def retry(self, actor: Actor, operation_id: str) -> OperationView:
        """Ask again for what failed or was cancelled, with the same particulars. Answers the new operation.

        Raises NotFound, Forbidden, Conflict when the desktop has gone on since, and what the wish itself raises.
        """
        with self._db.reading() as tx:
            operation, desktop = visible_operation(tx, actor, operation_id)
            if operation.id != desktop.operation_id or operation.status not in _RETRIED:
                raise _nothing_to("retry")
            action, arguments, desktop_id = Action(operation.action), dict(operation.arguments), desktop.id
        if action in remedies.ASKED_OF_THE_DISK:
            raise _nothing_to("retry")
        match action:
            case Action.RESIZE:
                accepted = self._desktops.resize(actor, desktop_id, arguments["flavor"])
            case Action.REBUILD:
                accepted = self._desktops.rebuild(actor, desktop_id, image_id=arguments["image"])
            case Action.SNAPSHOT:
                accepted = self._snapshots.create(actor, desktop_id, arguments["name"])
            case Action.ROLL_BACK:
                accepted = self._snapshots.roll_back(actor, desktop_id, arguments["snapshot"])
            case Action.DELETE_SNAPSHOT:
                accepted = self._snapshots.delete(actor, desktop_id, arguments["snapshot"])
            case Action.ASSIGN_ADDRESS:
                accepted = self._addresses.assign(actor, desktop_id)
            case Action.RELEASE_ADDRESS:
                accepted = self._addresses.release(actor, desktop_id)
            case _:
                kind = RebootKind(arguments.get("kind", RebootKind.SOFT))
                accepted = self._desktops.act(actor, desktop_id, action, reboot_kind=kind)
        return accepted.operation

    @needs(*ACTION_VERBS)
    def undo(self, actor: Actor, operation_id: str) -> OperationView:
        """Take back what an operation that failed or was cancelled has left. Raises NotFound, Forbidden, Conflict."""
        with self._db.reading() as tx:
            operation, desktop = visible_operation(tx, actor, operation_id)
            if Remedy.UNDO not in possible_remedies(actor, desktop, operation, in_groups_of(tx, actor, [desktop.owner_id])):
                raise _nothing_to("undo")
        return self._desktops.act(actor, desktop.id, UNDO[Action(operation.action)]).operation

    @needs(*ACTION_VERBS)
    def deal_with_many(self, actor: Actor, operation_ids: Sequence[str], remedy: Remedy) -> Sequence[Dealt]:
        """Cancel or retry several, each by itself; answers what became of each. Raises InvalidInput for more than
        :data:`MAX_AT_ONCE`, or for another remedy."""
        ways: Mapping[Remedy, Callable[[Actor, str], OperationView]] = {
            Remedy.CANCEL: self.cancel,
            Remedy.RETRY: self.retry,
            Remedy.UNDO: self.undo,
        }
        wanted = list(dict.fromkeys(operation_ids))
        if len(wanted) > MAX_AT_ONCE:
            raise InvalidInput("These are too many operations.", fields={"ids": f"At most {MAX_AT_ONCE} at once."})
        if remedy not in ways:
            raise InvalidInput("This cannot be done to several.", fields={"action": f"One of {', '.join(ways)}."})
        dealt: list[Dealt] = []
        for operation_id in wanted:
            try:
                dealt.append(Dealt(operation_id, operation=ways[remedy](actor, operation_id)))
            except Refused as refusal:
                dealt.append(Dealt(operation_id, refusal=refusal))
        return dealt

    def _end(self, tx: Transaction, operation: Operation, how: Cancellation) -> None:
        unbegun = [OperationStatus.WAITING, OperationStatus.QUEUED]
        still = Operation.status.in_(unbegun if how is Cancellation.DROP else [status.value for status in lifecycle.ACTIVE])
        if not end(tx, operation.id, self._clock.now(), still):
            raise Conflict("operation_just_began", "The change has just begun; cancel it once more.")
        tx.refresh(operation)
        if operation.lane:
            tx.after_commit(self._admission.round)

    def _forget(self, tx: Transaction, desktop: Desktop, operation: Operation, how: Cancellation) -> None:
        action = Action(operation.action)
        if action is Action.SNAPSHOT:
            kept_snapshots.forget_unmade(tx, desktop.id)
        if how is Cancellation.DROP:
            address_claims.fail(tx, desktop, operation, self._clock.now())
            if action is Action.CREATE and "wanted_before" not in operation.arguments:
                release_all(tx, desktop, self._clock.now())  # the cloud was never asked for anything
            else:
                desktop.wanted = operation.arguments.get("wanted_before", desktop.wanted)


_RETRIED = frozenset({OperationStatus.FAILED, OperationStatus.CANCELLED})


def _chosen(actor: Actor, wish: OperationWish) -> Select[Operation, Desktop, str, str]:
    query = (
        select(Operation, Desktop, _owner.email, _asker.email)
        .join(Desktop, Desktop.id == Operation.desktop_id)
        .join(_owner, _owner.id == Desktop.owner_id)
        .join(_asker, _asker.id == Operation.user_id)
        .where(within_reach(actor, "desktop:read", Operation.organization_id, Desktop.owner_id))
        .order_by(Operation.created_at.desc(), Operation.id.desc())
    )
    if wish.status is not None:
        query = query.where(Operation.status == wish.status)
    if wish.is_active:
        query = query.where(Operation.status.in_([status.value for status in lifecycle.ACTIVE]))
    if wish.action is not None:
        query = query.where(Operation.action == wish.action)
    if wish.desktop_id is not None:
        query = query.where(Operation.desktop_id == wish.desktop_id)
    if wish.search:
        parts = (Desktop.name, _owner.email, _asker.email)
        query = query.where(or_(*(part.icontains(wish.search, autoescape=True) for part in parts)))
    return query


_Row = tuple[Operation, Desktop, str, str]


def _rows(tx: Session, query: Select[Operation, Desktop, str, str]) -> Sequence[_Row]:
    return [(operation, desktop, owner, asker) for operation, desktop, owner, asker in tx.execute(query)]


def _records(tx: Session, actor: Actor, rows: Sequence[_Row]) -> Sequence[OperationRecord]:
    steps = steps_of(tx, [row[0].id for row in rows])
    places = queue_places(tx, [row[0] for row in rows])
    in_groups = in_groups_of(tx, actor, {row[1].owner_id for row in rows})
    is_told_all = scope_of(actor, "operation:trace") is not None
    return [
        OperationRecord(
            operation=operation_view(
                operation,
                steps[operation.id],
                queue=places.get(operation.id),
                remedies=possible_remedies(actor, desktop, operation, in_groups),
            ),
            desktop_name=desktop.name,
            owner_email=owner_email,
            user_id=operation.user_id,
            user_email=user_email,
            subject=operation.arguments.get("name"),
            trace=_trace(operation, steps[operation.id]) if is_told_all else None,
        )
        for operation, desktop, owner_email, user_email in rows
    ]


def _trace(operation: Operation, steps: Sequence[OperationStep]) -> Trace:
    return Trace(
        attempts=operation.attempts,
        worker=operation.lease_owner,
        lease_expires_at=operation.lease_expires_at,
        due_at=operation.due_at,
        deadline_at=operation.deadline_at,
        admitted_at=operation.admitted_at,
        host=operation.host,
        error_detail=operation.error_detail,
        cloud_request_ids={step.position: step.cloud_request_id for step in steps if step.cloud_request_id},
        hosts={step.position: step.host for step in steps if step.host},
    )


def _nothing_to(what: str) -> Conflict:
    return Conflict(f"nothing_to_{what}", f"There is nothing to {what} any more.")
