"""Operations: the changes that are being made, and how far they are."""

from apiflask import APIBlueprint

from yunzhuo.web.api import models, snapshot_models
from yunzhuo.web.api.authentication import bearer
from yunzhuo.web.api.documentation import refusals
from yunzhuo.webkit import actor, services

blueprint = APIBlueprint("operations", __name__, tag="Operations")


@blueprint.get("/operations/<operation_id>")
@blueprint.auth_required(bearer)
@blueprint.output(models.Operation)
@blueprint.doc(responses=refusals(401, 404))
def show(operation_id: str) -> models.Operation:
    """Say how far an operation is"""
    return models.Operation.of(services().desktops.operation(actor(), operation_id))


@blueprint.get("/desktops/<desktop_id>/operations")
@blueprint.auth_required(bearer)
@blueprint.input(snapshot_models.HistoryQuery, location="query")
@blueprint.output(snapshot_models.History)
@blueprint.doc(responses=refusals(401, 404, 422))
def history(desktop_id: str, query_data: snapshot_models.HistoryQuery) -> snapshot_models.History:
    """List what was done to a desktop, the newest first"""
    page = services().history.of_desktop(actor(), desktop_id, limit=query_data.limit, cursor=query_data.cursor)
    return snapshot_models.History.of(page)
