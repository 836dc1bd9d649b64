"""Images: what a desktop can start from."""

from apiflask import APIBlueprint

from yunzhuo.web.api import models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import refusals

blueprint = APIBlueprint("images", __name__, tag="Images")


@blueprint.get("/images")
@blueprint.auth_required(bearer)
@blueprint.output(models.ImageList)
@blueprint.doc(responses=refusals(401))
def index() -> models.ImageList:
    """List the images, the default one first"""
    images = services().catalog.images(actor())
    return models.ImageList(items=[models.Image.of(image) for image in images], next_cursor=None)
