"""What is done about desktops that nobody uses."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.web.api import idle_models as models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("idle", __name__, tag="Idle desktops")


@blueprint.get("/idle-rules")
@blueprint.auth_required(bearer)
@blueprint.output(models.IdleRulesList)
@blueprint.doc(responses=refusals(401, 403))
def index() -> models.IdleRulesList:
    """List what is done about idle desktops of the organization and of its pools"""
    return models.IdleRulesList(items=[models.IdleRules.of(each) for each in services().idle.list(actor())])


@blueprint.put("/idle-rules/<subject_id>")
@blueprint.auth_required(bearer)
@blueprint.input(models.AskedIdleRules)
@blueprint.output(models.IdleRules)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404))
def put(subject_id: str, json_data: models.AskedIdleRules) -> models.IdleRules:
    """Say what is done about idle desktops of the organization, or of a pool"""
    return models.IdleRules.of(services().idle.put(actor(), subject_id, json_data.wish()))


@blueprint.delete("/idle-rules/<subject_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404))
def drop(subject_id: str) -> tuple[str, HTTPStatus]:
    """Let what holds elsewhere hold again"""
    services().idle.drop(actor(), subject_id)
    return "", HTTPStatus.NO_CONTENT
