"""Desktops: asked for, looked at, changed, opened, given back.

What takes a while answers 202 with the operation that does it, and says in ``Location`` where to watch that.
"""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any, TypeVar

from apiflask import APIBlueprint
from flask import Response

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.consoles import Connection, ConsoleProtocol
from yunzhuo.services.desktop_views import Order
from yunzhuo.services.desktops import Accepted
from yunzhuo.services.rules.lifecycle import Action
from yunzhuo.web.api import bulk_models, models
from yunzhuo.web.api.lease_models import DeletionQuery
from yunzhuo.web.api.paths import operation_path
from yunzhuo.web.viewer_files import VIEWER_FILE_TYPE, viewer_file_answer
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer, present_token
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("desktops", __name__, tag="Desktops")

_Answer = TypeVar("_Answer")
_FILE: Any = {"schema": {"type": "string"}}
AcceptedAnswer = tuple[models.Accepted, int, dict[str, str]]


def of_visible_desktop(route: Callable[..., _Answer]) -> Callable[..., _Answer]:
    """Nothing is said about the body of a request for a desktop that does not exist for the asker: it answers 404 first."""

    @wraps(route)
    def checked(desktop_id: str, **data: object) -> _Answer:
        services().desktops.get(actor(), desktop_id)
        return route(desktop_id=desktop_id, **data)

    return checked


@blueprint.get("/desktops")
@blueprint.auth_required(bearer)
@blueprint.input(models.DesktopQuery, location="query")
@blueprint.output(models.DesktopList)
@blueprint.doc(responses=refusals(401, 422))
def index(query_data: models.DesktopQuery) -> models.DesktopList:
    """List desktops, the newest first unless another order is asked for

    A user's own; an administrator's whole organization. `next_cursor` is null on the last page.
    """
    page = services().desktops.list(
        actor(),
        limit=query_data.limit,
        cursor=query_data.cursor,
        search=query_data.q,
        state=query_data.state,
        owner_id=query_data.owner,
        order=query_data.sort,
        is_descending=query_data.sort is Order.CREATED if query_data.descending is None else query_data.descending,
    )
    return models.DesktopList.of(page)


@blueprint.post("/desktops")
@blueprint.auth_required(bearer)
@blueprint.input(models.CreateHeaders, location="headers")
@blueprint.input(models.NewDesktop)
@blueprint.output(models.Accepted, HTTPStatus.ACCEPTED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409))
def create(json_data: models.NewDesktop, headers_data: models.CreateHeaders) -> AcceptedAnswer:
    """Ask for a new desktop"""
    accepted = services().desktops.request(
        actor(),
        image_id=json_data.image,
        flavor_id=json_data.flavor,
        name=json_data.name,
        owner_id=json_data.owner,
        idempotency_key=headers_data.idempotency_key,
    )
    return accepted_answer(accepted)


@blueprint.post("/desktops/bulk")
@blueprint.auth_required(bearer)
@blueprint.input(models.CreateHeaders, location="headers")
@blueprint.input(bulk_models.ManyDesktops)
@blueprint.output(bulk_models.Results)
@blueprint.doc(responses=refusals(*BODY, 401))
def create_many(json_data: bulk_models.ManyDesktops, headers_data: models.CreateHeaders) -> bulk_models.Results:
    """Ask for hundreds of new desktops

    Each has its own result, in the order asked. With an `Idempotency-Key` the same request again makes none twice.
    """
    outcomes = services().bulk.create(
        actor(), json_data.wanted(), idempotency_key=headers_data.idempotency_key, rehearse=json_data.dry_run
    )
    return bulk_models.Results.of(outcomes)


@blueprint.post("/desktops/actions")
@blueprint.auth_required(bearer)
@blueprint.input(bulk_models.ManyActions)
@blueprint.output(bulk_models.Results)
@blueprint.doc(responses=refusals(*BODY, 401))
def act_on_many(json_data: bulk_models.ManyActions) -> bulk_models.Results:
    """Start, stop, reboot, rebuild, delete hundreds of desktops

    Each has its own result, in the order asked: an operation, or why it was refused.
    """
    outcomes = services().bulk.change(
        actor(),
        json_data.ids,
        models.ACTIONS[json_data.action],
        image_id=json_data.image,
        reboot_kind=json_data.kind,
        rehearse=json_data.dry_run,
    )
    return bulk_models.Results.of(outcomes)


@blueprint.get("/desktops/<desktop_id>")
@blueprint.auth_required(bearer)
@blueprint.output(models.Desktop)
@blueprint.doc(responses=refusals(401, 404))
def show(desktop_id: str) -> models.Desktop:
    """Show a desktop"""
    return models.Desktop.of(services().desktops.get(actor(), desktop_id))


@blueprint.patch("/desktops/<desktop_id>")
@blueprint.auth_required(bearer)
@of_visible_desktop
@blueprint.input(models.DesktopChange)
@blueprint.output(models.Desktop)
@blueprint.doc(responses=refusals(*BODY, 401, 404))
def change(desktop_id: str, json_data: models.DesktopChange) -> models.Desktop:
    """Rename a desktop"""
    return models.Desktop.of(services().desktops.rename(actor(), desktop_id, json_data.name))


@blueprint.delete("/desktops/<desktop_id>")
@blueprint.auth_required(bearer)
@blueprint.input(DeletionQuery, location="query")
@blueprint.output(models.Accepted, HTTPStatus.ACCEPTED)
@blueprint.doc(responses=refusals(401, 404, 409, 422))
def delete(desktop_id: str, query_data: DeletionQuery) -> AcceptedAnswer:
    """Delete a desktop

    Whatever is going on with it ends in favor of this. Where its terms have a bin it is put there, stopped, until `bin_until`;
    deleted once more, or `for_good`, it is gone.
    """
    asked = services().desktops.act(actor(), desktop_id, Action.DELETE, for_good=query_data.for_good)
    return accepted_answer(asked)


@blueprint.post("/desktops/<desktop_id>/actions")
@blueprint.auth_required(bearer)
@of_visible_desktop
@blueprint.input(models.DesktopAction)
@blueprint.output(models.Accepted, HTTPStatus.ACCEPTED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409))
def act(desktop_id: str, json_data: models.DesktopAction) -> AcceptedAnswer:
    """Start, stop, reboot, rebuild, resize, delete a desktop and so on; give it a floating IP; try its creation again"""
    desktops, snapshots = services().desktops, services().snapshots
    action = models.ACTIONS[json_data.action]
    match action:
        case Action.RESIZE:
            return accepted_answer(desktops.resize(actor(), desktop_id, _needed("flavor", json_data.flavor)))
        case Action.REBUILD:
            return accepted_answer(desktops.rebuild(actor(), desktop_id, image_id=json_data.image))
        case Action.SNAPSHOT:
            return accepted_answer(snapshots.create(actor(), desktop_id, _needed("name", json_data.name)))
        case Action.ROLL_BACK:
            return accepted_answer(snapshots.roll_back(actor(), desktop_id, _needed("snapshot", json_data.snapshot)))
        case Action.DELETE_SNAPSHOT:
            return accepted_answer(snapshots.delete(actor(), desktop_id, _needed("snapshot", json_data.snapshot)))
        case Action.ASSIGN_ADDRESS:
            return accepted_answer(services().addresses.assign(actor(), desktop_id))
        case Action.RELEASE_ADDRESS:
            return accepted_answer(services().addresses.release(actor(), desktop_id))
        case _:
            return accepted_answer(desktops.act(actor(), desktop_id, action, reboot_kind=json_data.kind))


@blueprint.post("/desktops/<desktop_id>/connections")
@blueprint.auth_required(bearer)
@of_visible_desktop
@blueprint.input(models.NewConnection)
@blueprint.output(models.Connection, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409))
def connect(desktop_id: str, json_data: models.NewConnection) -> models.Connection:
    """Get a ticket for a desktop's screen

    Spent by the first use, worthless after a minute.
    """
    return models.Connection.of(_connection(desktop_id, json_data))


@blueprint.post("/desktops/<desktop_id>/viewer-file")
@blueprint.auth_required(bearer)
@of_visible_desktop
@blueprint.doc(
    responses=refusals(401, 403, 404, 409, also={200: {"description": "The file.", "content": {VIEWER_FILE_TYPE: _FILE}}})
)
def viewer_file(desktop_id: str) -> Response:
    """Get a file that opens a desktop's screen in a native viewer

    For `remote-viewer`, which deletes it. It holds a ticket: worthless after a minute, or once used.
    """
    return viewer_file_answer(_connection(desktop_id, models.NewConnection(protocol=ConsoleProtocol.SPICE)))


def _connection(desktop_id: str, asked: models.NewConnection) -> Connection:
    return services().consoles.open(
        actor(), desktop_id, asked.protocol, view_only=asked.view_only, sign_in=present_token() or None
    )


def _needed(name: str, value: str | None) -> str:
    if value is None:
        raise InvalidInput("This action needs to know more.", fields={name: "Is needed for this action."})
    return value


def accepted_answer(accepted: Accepted) -> AcceptedAnswer:
    """202, with the address where the operation can be watched."""
    return (
        models.Accepted.of(accepted),
        HTTPStatus.ACCEPTED,
        {"Location": operation_path(accepted.operation.id)},
    )
