"""The images in the cloud's store: for operators. What people may choose from is `GET /images`."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.web.api import stored_image_models as models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("stored_images", __name__, tag="The cloud's images")


@blueprint.get("/stored-images")
@blueprint.auth_required(bearer)
@blueprint.output(models.StoredImageList)
@blueprint.doc(responses=refusals(401, 403, 503))
def index() -> models.StoredImageList:
    """List all images in the cloud, offered to people or not"""
    found = services().cloud_images.list(actor())
    return models.StoredImageList(items=[models.StoredImage.model_validate(each) for each in found])


@blueprint.post("/stored-images")
@blueprint.auth_required(bearer)
@blueprint.input(models.NewImage)
@blueprint.output(models.StoredImage, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409, 503))
def create(json_data: models.NewImage) -> models.StoredImage:
    """Make an image, and let the cloud fetch its content"""
    images, person = services().cloud_images, actor()
    request, url = json_data.asked(), json_data.url
    made = images.create(person, request) if url is None else images.fetch(person, request, url)
    return models.StoredImage.model_validate(made)


@blueprint.get("/stored-images/<image_id>")
@blueprint.auth_required(bearer)
@blueprint.output(models.StoredImage)
@blueprint.doc(responses=refusals(401, 403, 404, 503))
def show(image_id: str) -> models.StoredImage:
    """Show an image"""
    return models.StoredImage.model_validate(services().cloud_images.get(actor(), image_id))


@blueprint.patch("/stored-images/<image_id>")
@blueprint.auth_required(bearer)
@blueprint.input(models.ImageChange)
@blueprint.output(models.StoredImage)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409, 503))
def change(image_id: str, json_data: models.ImageChange) -> models.StoredImage:
    """Change an image, take it out of use or put it back"""
    images, person = services().cloud_images, actor()
    if json_data.is_active is not None:
        (images.reactivate if json_data.is_active else images.deactivate)(person, image_id)
    return models.StoredImage.model_validate(images.update(person, image_id, json_data.asked()))


@blueprint.delete("/stored-images/<image_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404, 409, 503))
def delete(image_id: str) -> tuple[str, int]:
    """Delete an image that nothing stands on"""
    services().cloud_images.delete(actor(), image_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/stored-images/<image_id>/projects")
@blueprint.auth_required(bearer)
@blueprint.output(models.Projects)
@blueprint.doc(responses=refusals(401, 403, 404, 503))
def projects(image_id: str) -> models.Projects:
    """List the projects that an image is shared with"""
    return models.Projects(items=list(services().cloud_images.shared_with(actor(), image_id)))


@blueprint.put("/stored-images/<image_id>/projects/<project_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404, 422, 503))
def share(image_id: str, project_id: str) -> tuple[str, int]:
    """Share an image with a project"""
    services().cloud_images.share(actor(), image_id, project_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.delete("/stored-images/<image_id>/projects/<project_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404, 503))
def unshare(image_id: str, project_id: str) -> tuple[str, int]:
    """Share an image with a project no more"""
    services().cloud_images.unshare(actor(), image_id, project_id)
    return "", HTTPStatus.NO_CONTENT
