"""What administrators do to one desktop's machine: console log, pause, shelve, lock, rescue, security groups."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.services.care import CareDeed
from yunzhuo.web.api import care_models as models
from yunzhuo.web.api.desktops import of_visible_desktop
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("care", __name__, tag="Care of desktops")


@blueprint.post("/desktops/<desktop_id>/care")
@blueprint.auth_required(bearer)
@of_visible_desktop
@blueprint.input(models.CareWish)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409, 503))
def care(desktop_id: str, json_data: models.CareWish) -> tuple[str, int]:
    """Pause, shelve, lock, unlock, rescue or unrescue a desktop

    Accepted by the cloud when this answers; what becomes of it the desktop's state says soon after.
    """
    image_id = json_data.image if json_data.deed is CareDeed.RESCUE else None
    services().care.do(actor(), desktop_id, json_data.deed, image_id=image_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/desktops/<desktop_id>/console-log")
@blueprint.auth_required(bearer)
@blueprint.output(models.ConsoleLog)
@blueprint.doc(responses=refusals(401, 403, 404, 409, 503))
def console_log(desktop_id: str) -> models.ConsoleLog:
    """Read the end of a desktop's console log"""
    return models.ConsoleLog(text=services().care.console_log(actor(), desktop_id))


@blueprint.get("/desktops/<desktop_id>/security-groups")
@blueprint.auth_required(bearer)
@blueprint.output(models.SecurityGroupIds)
@blueprint.doc(responses=refusals(401, 403, 404, 409, 503))
def security_groups(desktop_id: str) -> models.SecurityGroupIds:
    """Show a desktop's security groups"""
    return models.SecurityGroupIds(ids=list(services().care.security_groups(actor(), desktop_id)))


@blueprint.put("/desktops/<desktop_id>/security-groups")
@blueprint.auth_required(bearer)
@of_visible_desktop
@blueprint.input(models.SecurityGroupIds)
@blueprint.output(models.SecurityGroupIds)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409, 503))
def set_security_groups(desktop_id: str, json_data: models.SecurityGroupIds) -> models.SecurityGroupIds:
    """Put a desktop into exactly these security groups"""
    return models.SecurityGroupIds(ids=list(services().care.set_security_groups(actor(), desktop_id, json_data.ids)))
