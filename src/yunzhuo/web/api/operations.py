"""Operations: the changes that are being made, and how far they are."""

from apiflask import APIBlueprint

from yunzhuo.web.api import models
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
