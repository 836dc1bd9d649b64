"""All desktops of an organization as a table: filtered, sorted, counted, page by page."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.db.models import Desktop, Operation, User
from yunzhuo.phoenix.db.session import Database
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.desktop_views import MAX_PAGE, DesktopView, desktop_views
from yunzhuo.services.reach import within_reach
from yunzhuo.services.rules import lifecycle
from yunzhuo.services.rules.lifecycle import Action, Facts, Observed, OperationStatus, State, Wanted
from yunzhuo.services.stated import needs


class SortBy(StrEnum):
    """What a table can be sorted by."""

    NAME = "name"
    OWNER = "owner"
    STATE = "state"
    CREATED = "created"


@dataclass(frozen=True, slots=True)
class TableWish:
    """Which part of the table is wanted. ``search`` is part of a name or an owner's address, ``owner_id`` one person's."""

    search: str | None = None
    owner_id: str | None = None
    state: State | None = None
    sort: SortBy = SortBy.CREATED
    is_descending: bool = True
    page: int = 1
    page_size: int = 50


@dataclass(frozen=True, slots=True)
class TablePage:
    """One page of the table. ``states`` counts the desktops of each state before a state was chosen."""

    items: Sequence[DesktopView]
    total: int
    page: int
    pages: int
    states: Mapping[State, int]


@dataclass(frozen=True, slots=True)
class _Line:
    """What filtering and sorting need of a desktop."""

    id: str
    name: str
    owner: str
    created_at: datetime
    state: State


class DesktopTable:
    """Reads the table. A state is computed and not stored, so the lines are sorted here, and only a page is read whole."""

    def __init__(self, db: Database, audit: AuditLog) -> None:
        self._db = db
        self._audit = audit

    @needs("desktop:read")
    def page(self, actor: Actor, wish: TableWish) -> TablePage:
        """The wanted page, or the last one there is. An administrator sees the organization's desktops, others their own."""
        size = min(max(wish.page_size, 1), MAX_PAGE)
        with self._db.reading() as tx:
            lines = _lines(tx, actor, wish)
            states = Counter(line.state for line in lines)
            chosen = [line for line in lines if wish.state in (None, line.state)]
            chosen.sort(key=lambda line: (line.name.casefold(), line.id))
            chosen.sort(key=_KEYS[wish.sort], reverse=wish.is_descending)
            pages = max(-(-len(chosen) // size), 1)
            page = min(max(wish.page, 1), pages)
            shown = chosen[(page - 1) * size : page * size]
            return TablePage(_views(tx, actor, shown), len(chosen), page, pages, states)


_KEYS: Mapping[SortBy, Callable[[_Line], Any]] = {
    SortBy.NAME: lambda line: line.name.casefold(),
    SortBy.OWNER: lambda line: line.owner,
    SortBy.STATE: lambda line: list(State).index(line.state),
    SortBy.CREATED: lambda line: line.created_at,
}


def _lines(tx: Session, actor: Actor, wish: TableWish) -> list[_Line]:
    query = (
        select(
            Desktop.id,
            Desktop.name,
            User.email,
            Desktop.created_at,
            Desktop.wanted,
            Desktop.observed_status,
            Desktop.ready_at,
            Desktop.binned_at,
            Operation.action,
            Operation.status,
        )
        .join(Operation, Operation.id == Desktop.operation_id)
        .join(User, User.id == Desktop.owner_id)
        .where(within_reach(actor, "desktop:read", Desktop.organization_id, Desktop.owner_id), Desktop.deleted_at.is_(None))
    )
    if wish.owner_id:
        query = query.where(Desktop.owner_id == wish.owner_id)
    if wish.search:
        query = query.where(or_(*(c.icontains(wish.search, autoescape=True) for c in (Desktop.name, User.email))))
    return [
        _Line(
            id=desktop_id,
            name=name,
            owner=owner,
            created_at=created_at,
            state=lifecycle.state(
                Facts(
                    wanted=Wanted(wanted),
                    observed=Observed(observed) if observed else None,
                    is_ready=ready_at is not None,
                    action=Action(action),
                    status=OperationStatus(status),
                    is_binned=binned_at is not None,
                )
            ),
        )
        for desktop_id, name, owner, created_at, wanted, observed, ready_at, binned_at, action, status in tx.execute(query)
    ]


def _views(tx: Session, actor: Actor, lines: Sequence[_Line]) -> Sequence[DesktopView]:
    query = (
        select(Desktop, Operation)
        .join(Operation, Operation.id == Desktop.operation_id)
        .where(Desktop.id.in_([line.id for line in lines]))
    )
    views = {
        view.id: view for view in desktop_views(tx, actor, [(desktop, operation) for desktop, operation in tx.execute(query)])
    }
    return [views[line.id] for line in lines]
