"""What was done to a desktop: its operations, the newest first, with who asked for them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, or_, select

from yunzhuo.phoenix.db.models import Operation, User
from yunzhuo.phoenix.db.session import Database
from yunzhuo.services import cursors
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.changes import OperationView, operation_view, steps_of
from yunzhuo.services.desktop_views import MAX_PAGE, possible_remedies, visible_desktop
from yunzhuo.services.queue_places import queue_places
from yunzhuo.services.reach import in_groups_of
from yunzhuo.services.stated import needs


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One operation and who asked for it. ``subject`` is the name of what it was about (a snapshot), if it has one."""

    operation: OperationView
    user_id: str
    user_email: str
    subject: str | None


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Some of the history, and where to go on; ``next_cursor`` None: that was all."""

    items: Sequence[HistoryEntry]
    next_cursor: str | None


class HistoryService:
    """Tells what was done."""

    def __init__(self, db: Database, audit: AuditLog) -> None:
        self._db = db
        self._audit = audit

    @needs("desktop:read")
    def of_desktop(self, actor: Actor, desktop_id: str, *, limit: int = 50, cursor: str | None = None) -> HistoryPage:
        """A desktop's operations (permission ``desktop:read``), ``limit`` at most. Raises NotFound, InvalidInput (cursor)."""
        limit = min(max(limit, 1), MAX_PAGE)
        query = select(Operation, User.email).join(User, User.id == Operation.user_id).where(Operation.desktop_id == desktop_id)
        if cursor:
            created_at, operation_id = cursors.place(cursor)
            query = query.where(
                or_(
                    Operation.created_at < created_at,
                    and_(Operation.created_at == created_at, Operation.id < operation_id),
                )
            )
        with self._db.reading() as tx:
            desktop, _ = visible_desktop(tx, actor, desktop_id, "desktop:read")
            order = (Operation.created_at.desc(), Operation.id.desc())
            rows = [(operation, email) for operation, email in tx.execute(query.order_by(*order).limit(limit + 1))]
            shown = rows[:limit]
            steps = steps_of(tx, [operation.id for operation, _ in shown])
            places = queue_places(tx, [operation for operation, _ in shown])
            in_groups = in_groups_of(tx, actor, [desktop.owner_id])
        items = [
            HistoryEntry(
                operation_view(
                    operation,
                    steps[operation.id],
                    queue=places.get(operation.id),
                    remedies=possible_remedies(actor, desktop, operation, in_groups),
                ),
                operation.user_id,
                email,
                operation.arguments.get("name"),
            )
            for operation, email in shown
        ]
        last = shown[-1][0] if len(rows) > limit else None
        return HistoryPage(items, cursors.after(last.created_at, last.id) if last else None)
