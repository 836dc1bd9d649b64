"""Desktops as people see them: frozen views, read in few queries, page by page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.phoenix.db.models import Desktop, Flavor, Image, Operation, User
from yunzhuo.services import address_claims, agent_book, cursors
from yunzhuo.services.access import Actor, forbidden, may, require, scope_of
from yunzhuo.services.agent_book import AgentView
from yunzhuo.services.changes import Failure, OperationView, facts_of, operation_view, state_of, steps_of
from yunzhuo.services.lease_book import terms_for_many
from yunzhuo.services.queue_places import queue_places
from yunzhuo.services.reach import in_groups_of
from yunzhuo.services.rules import lifecycle
from yunzhuo.services.rules.leases import extensions_left, goes_to_bin
from yunzhuo.services.rules.lifecycle import Action, Facts, State, Wanted
from yunzhuo.services.rules.remedies import UNDO, Remedy, remedies

MAX_PAGE = 200
_Row = TypeVar("_Row", Image, Flavor, User)
Pair = tuple[Desktop, Operation]


@dataclass(frozen=True, slots=True)
class DesktopView:
    """A desktop as a person sees it. ``operation`` is the latest, running or ended; ``actions`` what may be asked now;
    ``is_reachable``: its screen can be opened, also while its state says that something is on its way.

    ``ends_at`` is when it is taken away (None: never), which ``is_ending`` says is near; its person may put that off
    ``extensions_left`` times. When it is deleted it waits ``bin_days`` in the bin (0: it does not), as it does until
    ``bin_until``. From ``renews_at`` it may be put onto another image when nobody uses it (None: it is not).

    ``idle_until`` is when something is done about it because nobody uses it (None: it is used).

    ``address`` is its floating IP. ``server_name`` and ``host`` are what the cloud calls its server and where it put it; None:
    not for the one who looks. ``agent`` is what the agent inside said last, where there is one.
    ``is_locked``: nobody changes it.
    """

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
    is_reachable: bool
    wanted: Wanted
    fault: str | None
    fault_code: str | None
    observed_at: datetime | None
    created_at: datetime
    operation: OperationView
    actions: frozenset[Action]
    server_name: str | None = None
    host: str | None = None
    address: str | None = None
    ends_at: datetime | None = None
    is_ending: bool = False
    extensions_left: int = 0
    bin_days: int = 0
    bin_until: datetime | None = None
    renews_at: datetime | None = None
    idle_until: datetime | None = None
    agent: AgentView | None = None
    is_locked: bool = False

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
        raise NotFound("desktop_not_found", "There is no such desktop.", verb=verb)
    if not may_with(tx, actor, desktop, verb):
        raise forbidden(verb)
    return desktop, tx.get_one(Operation, desktop.operation_id)


def verb_for(action: Action) -> str:
    """The permission that a change needs. To try a create again is to start."""
    return f"desktop:{Action.START if action is Action.CREATE else action}"


def visible_operation(tx: Session, actor: Actor, operation_id: str) -> tuple[Operation, Desktop]:
    """The operation and its desktop, there or deleted. Raises NotFound when it does not exist for the actor."""
    require(actor, "desktop:read")
    operation = tx.get(Operation, operation_id)
    desktop = tx.get(Desktop, operation.desktop_id) if operation else None
    if operation is None or desktop is None or not may_see(tx, actor, desktop):
        raise no_such_operation()
    return operation, desktop


def seen_operation(tx: Session, actor: Actor, operation: Operation, desktop: Desktop) -> OperationView:
    """An operation as the actor sees it."""
    return operation_view(
        operation,
        steps_of(tx, [operation.id])[operation.id],
        queue=queue_places(tx, [operation]).get(operation.id),
        remedies=possible_remedies(actor, desktop, operation, in_groups_of(tx, actor, [desktop.owner_id])),
    )


def no_such_operation() -> NotFound:
    """There is none, or it is none of the asker's business."""
    return NotFound("operation_not_found", "There is no such operation.")


def desktop_views(tx: Session, actor: Actor, rows: Sequence[Pair], *, with_places: bool = True) -> Sequence[DesktopView]:
    """Views of several desktops in a few queries, whatever their number; ``actions`` are those that ``actor`` may ask for."""
    steps = steps_of(tx, [operation.id for _, operation in rows])
    is_told_all = scope_of(actor, "operation:trace") is not None
    places = queue_places(tx, [operation for _, operation in rows]) if with_places else {}
    images = _by_id(tx, Image, {desktop.image_id for desktop, _ in rows})
    flavors = _by_id(tx, Flavor, {desktop.flavor_id for desktop, _ in rows})
    owners = _by_id(tx, User, {desktop.owner_id for desktop, _ in rows})
    in_groups = in_groups_of(tx, actor, owners)
    addresses = address_claims.of_desktops(tx, [desktop.id for desktop, _ in rows])
    agents = agent_book.of_desktops(tx, [desktop.id for desktop, _ in rows])
    has_more = scope_of(actor, "desktop:assign_address") is not None and address_claims.offered(tx) is not None
    terms = terms_for_many(tx, [desktop for desktop, _ in rows])

    def view(desktop: Desktop, operation: Operation) -> DesktopView:
        facts = facts_of(desktop, operation)
        state, term = lifecycle.state(facts), terms[desktop.id]
        return DesktopView(
            id=desktop.id,
            name=desktop.name,
            hostname=desktop.hostname,
            owner_id=desktop.owner_id,
            owner_email=owners[desktop.owner_id].email,
            image_id=desktop.image_id,
            image_name=images[desktop.image_id].name,
            flavor_id=desktop.flavor_id,
            flavor_name=flavors[desktop.flavor_id].name,
            state=state,
            is_reachable=lifecycle.is_reachable(facts),
            wanted=Wanted(desktop.wanted),
            fault=desktop.observed_fault,
            fault_code=desktop.observed_fault_code,
            observed_at=desktop.observed_at,
            created_at=desktop.created_at,
            operation=operation_view(
                operation,
                steps[operation.id],
                queue=places.get(operation.id),
                remedies=_remedies(actor, desktop, operation, facts, in_groups),
            ),
            actions=_possible(actor, desktop, facts, in_groups) - _impossible(desktop.id in addresses, has_more=has_more),
            server_name=desktop.server_name if is_told_all else None,
            host=desktop.host if is_told_all else None,
            address=addresses[desktop.id].address if desktop.id in addresses else None,
            ends_at=desktop.ends_at,
            is_ending=desktop.warned_at is not None,
            extensions_left=extensions_left(term, desktop.extended) if desktop.ends_at is not None else 0,
            bin_days=term.bin_days if goes_to_bin(facts, None, term.bin_days) else 0,
            bin_until=desktop.bin_until,
            renews_at=desktop.renews_at,
            idle_until=desktop.idle_ends_at if state is State.AVAILABLE else None,
            agent=agents.get(desktop.id),
            is_locked=desktop.is_locked,
        )

    return [view(desktop, operation) for desktop, operation in rows]


def desktop_view(tx: Session, actor: Actor, desktop_id: str) -> DesktopView:
    """One desktop, whoever's it is; what its row names is read with it, in one query."""
    query = (
        select(Desktop, Operation, Image, Flavor, User)
        .join(Operation, Operation.id == Desktop.operation_id)
        .join(Image, Image.id == Desktop.image_id)
        .join(Flavor, Flavor.id == Desktop.flavor_id)
        .join(User, User.id == Desktop.owner_id)
        .where(Desktop.id == desktop_id)
    )
    # The session has the others for as long as somebody here does.
    desktop, operation, *_others = tx.execute(query).one()
    return desktop_views(tx, actor, [(desktop, operation)])[0]


def possible_remedies(actor: Actor, desktop: Desktop, operation: Operation, in_groups: frozenset[str]) -> frozenset[Remedy]:
    """What the actor can do about an operation: nothing about one that is not the desktop's latest."""
    return _remedies(actor, desktop, operation, facts_of(desktop, operation), in_groups)


def _remedies(
    actor: Actor, desktop: Desktop, operation: Operation, facts: Facts, in_groups: frozenset[str]
) -> frozenset[Remedy]:
    if operation.id != desktop.operation_id or desktop.deleted_at is not None:
        return frozenset()
    whose = {"organization_id": desktop.organization_id, "owner_id": desktop.owner_id}
    action = Action(operation.action)
    needed = {
        Remedy.CANCEL: verb_for(action),
        Remedy.RETRY: verb_for(action),
        Remedy.UNDO: verb_for(UNDO.get(action, action)),
        Remedy.DELETE: verb_for(Action.DELETE),
    }
    found = remedies(facts, is_undoing="undoes" in operation.arguments)
    return frozenset(remedy for remedy in found if may(actor, needed[remedy], **whose, in_groups=in_groups))


def _possible(actor: Actor, desktop: Desktop, facts: Facts, in_groups: frozenset[str]) -> frozenset[Action]:
    def is_allowed(action: Action) -> bool:
        whose = {"organization_id": desktop.organization_id, "owner_id": desktop.owner_id}
        return may(actor, verb_for(action), **whose, in_groups=in_groups)

    return frozenset(action for action in lifecycle.allowed_actions(facts) if is_allowed(action))


def _impossible(has_address: bool, *, has_more: bool) -> frozenset[Action]:
    """What cannot be asked about an address."""
    if has_address:
        return frozenset({Action.ASSIGN_ADDRESS})
    return frozenset({Action.RELEASE_ADDRESS} if has_more else {Action.RELEASE_ADDRESS, Action.ASSIGN_ADDRESS})


class Order(StrEnum):
    """In what order a list of desktops is read: by when they were made, or by name."""

    CREATED = "created"
    NAME = "name"


def read_page(
    tx: Session,
    actor: Actor,
    query: Select[Desktop, Operation],
    *,
    limit: int,
    cursor: str | None,
    state: State | None,
    order: Order = Order.CREATED,
    is_descending: bool = True,
) -> Page:
    """One page of ``query``, in order.

    A state is computed and not stored, so what has another one is left out while reading on.
    """
    limit = min(max(limit, 1), MAX_PAGE)
    found: list[Pair] = []
    for pair in _after(tx, query, cursor, order, is_descending=is_descending, batch=limit + 1):
        if state is None or state_of(*pair) is state:
            found.append(pair)
            if len(found) > limit:
                break
    shown = found[:limit]
    last = shown[-1][0] if len(found) > limit else None
    return Page(desktop_views(tx, actor, shown), _cursor_after(last, order) if last else None)


def _cursor_after(desktop: Desktop, order: Order) -> str:
    if order is Order.NAME:
        return cursors.after_value(desktop.name, desktop.id)
    return cursors.after(desktop.created_at, desktop.id)


def _after(
    tx: Session, query: Select[Desktop, Operation], cursor: str | None, order: Order, *, is_descending: bool, batch: int
) -> Iterable[Pair]:
    column: Any = Desktop.name if order is Order.NAME else Desktop.created_at
    keys = (column.desc(), Desktop.id.desc()) if is_descending else (column, Desktop.id)
    ordered = query.order_by(*keys)
    place: Any = None
    if cursor:
        place = cursors.value_place(cursor) if order is Order.NAME else cursors.place(cursor)
    while True:
        part = ordered if place is None else ordered.where(_beyond(column, *place, is_descending=is_descending))
        rows = [(desktop, operation) for desktop, operation in tx.execute(part.limit(batch))]
        yield from rows
        if len(rows) < batch:
            return
        last = rows[-1][0]
        place = (last.name if order is Order.NAME else last.created_at, last.id)


def _beyond(column: Any, value: Any, desktop_id: str, *, is_descending: bool) -> Any:
    if is_descending:
        return or_(column < value, and_(column == value, Desktop.id < desktop_id))
    return or_(column > value, and_(column == value, Desktop.id > desktop_id))


def _by_id(tx: Session, model: type[_Row], ids: set[str]) -> Mapping[str, _Row]:
    if len(ids) == 1:  # which the session often has already
        found = tx.get(model, next(iter(ids)))
        return {found.id: found} if found is not None else {}
    return {row.id: row for row in tx.scalars(select(model).where(model.id.in_(ids)))}
