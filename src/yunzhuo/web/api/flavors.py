"""Flavors: how large a desktop can be."""

from apiflask import APIBlueprint

from yunzhuo.web.api import models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import refusals

blueprint = APIBlueprint("flavors", __name__, tag="Flavors")


@blueprint.get("/flavors")
@blueprint.auth_required(bearer)
@blueprint.output(models.FlavorList)
@blueprint.doc(responses=refusals(401))
def index() -> models.FlavorList:
    """List the flavors, the smallest first"""
    flavors = services().catalog.flavors(actor())
    return models.FlavorList(items=[models.Flavor.of(flavor) for flavor in flavors], next_cursor=None)
