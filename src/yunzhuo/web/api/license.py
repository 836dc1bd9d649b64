"""The installation's license, for operators."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response, request

from yunzhuo.web.api import license_models as models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("license", __name__, tag="License")
_FILE: Any = {"description": "The file.", "content": {"application/json": {"schema": {"type": "object"}}}}


@blueprint.get("/license")
@blueprint.auth_required(bearer)
@blueprint.output(models.License)
@blueprint.doc(responses=refusals(401, 403))
def show() -> models.License:
    """Show what is licensed, and how much of it is used"""
    return models.License.of(services().licensing.status(actor()))


@blueprint.put("/license")
@blueprint.auth_required(bearer)
@blueprint.output(models.License)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409))
def take() -> models.License:
    """Give the installation a license

    The body is the file as it is. What is refused (422, with the reason as `code`) leaves the present license in force.
    """
    return models.License.of(services().licensing.take(actor(), request.get_data()))


@blueprint.post("/license/activation")
@blueprint.auth_required(bearer)
@blueprint.input(models.Activation)
@blueprint.output(models.License)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409, 503))
def activate(json_data: models.Activation) -> models.License:
    """Get the license from the vendor's server, now"""
    return models.License.of(services().license_renewal.activate(actor(), json_data.code))


@blueprint.get("/license/host-info")
@blueprint.auth_required(bearer)
@blueprint.doc(responses=refusals(401, 403, also={200: _FILE}))
def host_info() -> Response:
    """Get the file that the vendor makes a license from"""
    return Response(services().licensing.host_info(actor()), content_type="application/json")
