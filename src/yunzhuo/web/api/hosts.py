"""Closing and opening hosts, and moving what is on them: for operators. `GET /hosts` is with the overview."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.web.api import host_models as models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("hosts", __name__, tag="Hosts")


@blueprint.post("/hosts/<host_id>")
@blueprint.auth_required(bearer)
@blueprint.input(models.HostWish)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409, 503))
def change(host_id: str, json_data: models.HostWish) -> tuple[str, int]:
    """Close a host, open it, or say that it is down"""
    services().hosts.change(actor(), host_id, json_data.change, json_data.reason)
    return "", HTTPStatus.NO_CONTENT


@blueprint.post("/hosts/<host_id>/moves")
@blueprint.auth_required(bearer)
@blueprint.input(models.MoveWish)
@blueprint.output(models.MovedServers, HTTPStatus.ACCEPTED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409, 503))
def move(host_id: str, json_data: models.MoveWish) -> models.MovedServers:
    """Move servers off a host

    One that cannot be moved does not keep the others. A host is evacuated only when it is silent and was forced down.
    """
    moved = services().hosts.move(
        actor(), host_id, json_data.how, server_id=json_data.server_id, target_host_id=json_data.target
    )
    return models.MovedServers(items=[models.MovedServer.of(each) for each in moved])
