"""Desktops as people see them: frozen views, read in few queries, page by page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.phoenix.db.models import Desktop, Flavor, Image, Operation, User
from yunzhuo.services import cursors
from yunzhuo.services.access import Actor, forbidden, may, require
from yunzhuo.services.changes import Failure, OperationView, facts_of, operation_view, state_of, steps_of
from yunzhuo.services.reach import in_groups_of
from yunzhuo.services.rules import lifecycle
from yunzhuo.services.rules.lifecycle import Action, State, Wanted

MAX_PAGE = 200
_Row = TypeVar("_Row", Image, Flavor, User)
Pair = tuple[Desktop, Operation]


@dataclass(frozen=True, slots=True)
class DesktopView:
    """A desktop as a person sees it. ``operation`` is the latest, running or ended; ``actions`` what may be asked now."""

    id: str
    name: str
    hostname: str
    owner_id: str
    owner_email: str
    image_id: str
    image_name: str
    flavor_id: str
    flavor_name: str
    state: State
    wanted: Wanted
    fault: str | None
    observed_at: datetime | None
    created_at: datetime
    operation: OperationView
    actions: frozenset[Action]

    @property
    def failure(self) -> Failure | None:
        """Why the latest operation failed, if it did."""
        return self.operation.error


@dataclass(frozen=True, slots=True)
class Page:
    """Some desktops, and where to go on; ``next_cursor`` None: that was all."""

    items: Sequence[DesktopView]
    next_cursor: str | None


def may_with(tx: Session, actor: Actor, desktop: Desktop, verb: str) -> bool:
    """Whether the actor may ``verb`` this desktop."""
    in_groups = in_groups_of(tx, actor, [desktop.owner_id])
    return may(actor, verb, organization_id=desktop.organization_id, owner_id=desktop.owner_id, in_groups=in_groups)


def may_see(tx: Session, actor: Actor, desktop: Desktop) -> bool:
    """Whether the desktop exists for the actor."""
    return may_with(tx, actor, desktop, "desktop:read")


def visible_desktop(tx: Session, actor: Actor, desktop_id: str, verb: str) -> Pair:
    """The desktop and its latest operation, locked unless it is only read.

    Raises NotFound when it does not exist for the actor, Forbidden when it does and ``verb`` is not allowed.
    """
    require(actor, "desktop:read")
    desktop = tx.get(Desktop, desktop_id, with_for_update=verb != "desktop:read")
    if desktop is None or desktop.deleted_at is not None or not may_see(tx, actor, desktop):
        raise NotFound("desktop_not_found", "There is no such desktop.")
    if not may_with(tx, actor, desktop, verb):
        raise forbidden(verb)
    return desktop, tx.get_one(Operation, desktop.operation_id)


def verb_for(action: Action) -> str:
    """The permission that a change needs. To try a create again is to start."""
    return f"desktop:{Action.START if action is Action.CREATE else action}"


def desktop_views(tx: Session, actor: Actor, rows: Sequence[Pair]) -> Sequence[DesktopView]:
    """Views of several desktops in five queries, whatever their number; ``actions`` are those that ``actor`` may ask for."""
    steps = steps_of(tx, [operation.id for _, operation in rows])
    images = _by_id(tx, Image, {desktop.image_id for desktop, _ in rows})
    flavors = _by_id(tx, Flavor, {desktop.flavor_id for desktop, _ in rows})
    owners = _by_id(tx, User, {desktop.owner_id for desktop, _ in rows})
    in_groups = in_groups_of(tx, actor, owners)
    return [
        DesktopView(
            id=desktop.id,
            name=desktop.name,
            hostname=desktop.hostname,
            owner_id=desktop.owner_id,
            owner_email=owners[desktop.owner_id].email,
            image_id=desktop.image_id,
            image_name=images[desktop.image_id].name,
            flavor_id=desktop.flavor_id,
            flavor_name=flavors[desktop.flavor_id].name,
            state=state_of(desktop, operation),
            wanted=Wanted(desktop.wanted),
            fault=desktop.observed_fault,
            observed_at=desktop.observed_at,
            created_at=desktop.created_at,
            operation=operation_view(operation, steps[operation.id]),
            actions=_possible(actor, desktop, operation, in_groups),
        )
        for desktop, operation in rows
    ]


def _possible(actor: Actor, desktop: Desktop, operation: Operation, in_groups: frozenset[str]) -> frozenset[Action]:
    def is_allowed(action: Action) -> bool:
        whose = {"organization_id": desktop.organization_id, "owner_id": desktop.owner_id}
        return may(actor, verb_for(action), **whose, in_groups=in_groups)

    return frozenset(action for action in lifecycle.allowed_actions(facts_of(desktop, operation)) if is_allowed(action))


def read_page(
    tx: Session, actor: Actor, query: Select[Desktop, Operation], *, limit: int, cursor: str | None, state: State | None
) -> Page:
    """One page of ``query`` (ordered by creation time and id, newest first).

    A state is computed and not stored, so what has another one is left out while reading on.
    """
    limit = min(max(limit, 1), MAX_PAGE)
    found: list[Pair] = []
    for pair in _after(tx, query, cursor, batch=limit + 1):
        if state is None or state_of(*pair) is state:
            found.append(pair)
            if len(found) > limit:
                break
    shown = found[:limit]
    last = shown[-1][0] if len(found) > limit else None
    return Page(desktop_views(tx, actor, shown), cursors.after(last.created_at, last.id) if last else None)


def _after(tx: Session, query: Select[Desktop, Operation], cursor: str | None, *, batch: int) -> Iterable[Pair]:
    place = cursors.place(cursor) if cursor else None
    while True:
        part = query if place is None else query.where(_older_than(*place))
        rows = [(desktop, operation) for desktop, operation in tx.execute(part.limit(batch))]
        yield from rows
        if len(rows) < batch:
            return
        place = (rows[-1][0].created_at, rows[-1][0].id)


def _older_than(created_at: datetime, desktop_id: str) -> Any:
    return or_(Desktop.created_at < created_at, and_(Desktop.created_at == created_at, Desktop.id < desktop_id))


def _by_id(tx: Session, model: type[_Row], ids: set[str]) -> Mapping[str, _Row]:
    return {row.id: row for row in tx.scalars(select(model).where(model.id.in_(ids)))}
