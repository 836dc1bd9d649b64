"""Who has which screen open, how good the line is, and who had."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.web.api import gateway_models as models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import refusals

blueprint = APIBlueprint("screens", __name__, tag="Screens")


@blueprint.get("/screens")
@blueprint.auth_required(bearer)
@blueprint.input(models.ScreenQuery, location="query")
@blueprint.output(models.ScreenList)
@blueprint.doc(responses=refusals(401, 403, 422))
def index(query_data: models.ScreenQuery) -> models.ScreenList:
    """List the screens that are open now"""
    found = services().screens.open_now(actor(), user_id=query_data.user, desktop_id=query_data.desktop)
    return models.ScreenList(items=[models.Screen.model_validate(each) for each in found])


@blueprint.get("/screens/history")
@blueprint.auth_required(bearer)
@blueprint.input(models.HistoryQuery, location="query")
@blueprint.output(models.ScreenList)
@blueprint.doc(responses=refusals(401, 403, 422))
def history(query_data: models.HistoryQuery) -> models.ScreenList:
    """List screens that were closed"""
    found = services().screens.history(
        actor(),
        user_id=query_data.user,
        desktop_id=query_data.desktop,
        before=query_data.before,
        limit=query_data.limit,
    )
    return models.ScreenList(items=[models.Screen.model_validate(each) for each in found])


@blueprint.delete("/screens/<screen_id>")
@blueprint.auth_required(bearer)
@blueprint.doc(responses=refusals(401, 403, 404, also={204: {"description": "It is closed within a second."}}))
def end(screen_id: str) -> tuple[str, int]:
    """Close a screen that somebody has open"""
    services().screens.end(actor(), screen_id)
    return "", HTTPStatus.NO_CONTENT
