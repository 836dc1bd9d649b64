"""Gateways and segments, for operators."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.services.gateways import NewKey
from yunzhuo.web.api import gateway_models as models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("gateways", __name__, tag="Gateways")


@blueprint.get("/gateways")
@blueprint.auth_required(bearer)
@blueprint.output(models.GatewayList)
@blueprint.doc(responses=refusals(401, 403))
def index() -> models.GatewayList:
    """List the gateways and how they are"""
    found = services().gateways.list(actor())
    return models.GatewayList(items=[models.Gateway.model_validate(each) for each in found])


@blueprint.post("/gateways")
@blueprint.auth_required(bearer)
@blueprint.input(models.NewGateway)
@blueprint.output(models.GatewayKey, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409))
def create(json_data: models.NewGateway) -> models.GatewayKey:
    """Make a gateway known, and get its key"""
    return _told(services().gateways.create(actor(), json_data.name, json_data.public_url, json_data.internal_url))


@blueprint.get("/gateways/<gateway_id>")
@blueprint.auth_required(bearer)
@blueprint.output(models.Gateway)
@blueprint.doc(responses=refusals(401, 403, 404))
def show(gateway_id: str) -> models.Gateway:
    """Show a gateway"""
    return models.Gateway.model_validate(services().gateways.get(actor(), gateway_id))


@blueprint.patch("/gateways/<gateway_id>")
@blueprint.auth_required(bearer)
@blueprint.input(models.GatewayChange)
@blueprint.output(models.Gateway)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404))
def change(gateway_id: str, json_data: models.GatewayChange) -> models.Gateway:
    """Change a gateway's addresses, drain it or take it into use again"""
    changed = services().gateways.update(
        actor(),
        gateway_id,
        public_url=json_data.public_url,
        internal_url=json_data.internal_url,
        state=json_data.state,
    )
    return models.Gateway.model_validate(changed)


@blueprint.post("/gateways/<gateway_id>/key")
@blueprint.auth_required(bearer)
@blueprint.output(models.GatewayKey, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(401, 403, 404))
def rotate_key(gateway_id: str) -> models.GatewayKey:
    """Give a gateway another key

    The one before it counts for an hour more.
    """
    return _told(services().gateways.rotate_key(actor(), gateway_id))


@blueprint.delete("/gateways/<gateway_id>")
@blueprint.auth_required(bearer)
@blueprint.doc(responses=refusals(401, 403, 404, 409, also={204: {"description": "It is forgotten."}}))
def delete(gateway_id: str) -> tuple[str, int]:
    """Forget a gateway that nobody is connected through"""
    services().gateways.delete(actor(), gateway_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/segments")
@blueprint.auth_required(bearer)
@blueprint.output(models.SegmentList)
@blueprint.doc(responses=refusals(401, 403))
def segments() -> models.SegmentList:
    """List the client networks that are inside"""
    found = services().gateways.segments(actor())
    return models.SegmentList(items=[models.Segment.model_validate(each) for each in found])


@blueprint.post("/segments")
@blueprint.auth_required(bearer)
@blueprint.input(models.NewSegment)
@blueprint.output(models.Segment, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409))
def add_segment(json_data: models.NewSegment) -> models.Segment:
    """Take a client network for an inner one"""
    return models.Segment.model_validate(services().gateways.add_segment(actor(), json_data.name, json_data.network))


@blueprint.delete("/segments/<segment_id>")
@blueprint.auth_required(bearer)
@blueprint.doc(responses=refusals(401, 403, 404, also={204: {"description": "It is taken out."}}))
def remove_segment(segment_id: str) -> tuple[str, int]:
    """Take a client network out again"""
    services().gateways.remove_segment(actor(), segment_id)
    return "", HTTPStatus.NO_CONTENT


def _told(made: NewKey) -> models.GatewayKey:
    return models.GatewayKey(gateway=models.Gateway.model_validate(made.gateway), key=made.key)
