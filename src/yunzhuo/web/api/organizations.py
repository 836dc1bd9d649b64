"""Organizations, for operators. To work in one, send its id or name in the header `X-Organization`."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.web.api import rights_models as models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("organizations", __name__, tag="Organizations")


@blueprint.get("/organizations")
@blueprint.auth_required(bearer)
@blueprint.output(models.OrganizationList)
@blueprint.doc(responses=refusals(401, 403))
def index() -> models.OrganizationList:
    """List all organizations"""
    found = services().organizations.list(actor())
    return models.OrganizationList(items=[models.Organization.model_validate(each) for each in found])


@blueprint.post("/organizations")
@blueprint.auth_required(bearer)
@blueprint.input(models.Named)
@blueprint.output(models.Organization, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409))
def create(json_data: models.Named) -> models.Organization:
    """Make an organization"""
    return models.Organization.model_validate(services().organizations.create(actor(), json_data.name))


@blueprint.get("/organizations/<organization_id>")
@blueprint.auth_required(bearer)
@blueprint.output(models.Organization)
@blueprint.doc(responses=refusals(401, 403, 404))
def show(organization_id: str) -> models.Organization:
    """Show an organization"""
    return models.Organization.model_validate(services().organizations.get(actor(), organization_id))


@blueprint.patch("/organizations/<organization_id>")
@blueprint.auth_required(bearer)
@blueprint.input(models.OrganizationChange)
@blueprint.output(models.Organization)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409))
def change(organization_id: str, json_data: models.OrganizationChange) -> models.Organization:
    """Rename an organization, disable or enable it"""
    organizations, person = services().organizations, actor()
    if json_data.name is not None:
        organizations.rename(person, organization_id, json_data.name)
    if json_data.disabled is not None:
        (organizations.disable if json_data.disabled else organizations.enable)(person, organization_id)
    return models.Organization.model_validate(organizations.get(person, organization_id))


@blueprint.get("/organizations/<organization_id>/project")
@blueprint.auth_required(bearer)
@blueprint.output(models.OrganizationProject)
@blueprint.doc(responses=refusals(401, 403, 404, 503))
def show_project(organization_id: str) -> models.OrganizationProject:
    """Show where an organization's things are in the cloud"""
    return models.OrganizationProject.model_validate(services().projects.get(actor(), organization_id))


@blueprint.put("/organizations/<organization_id>/project")
@blueprint.auth_required(bearer)
@blueprint.output(models.OrganizationProject)
@blueprint.doc(responses=refusals(401, 403, 404, 409, 503))
def make_project(organization_id: str) -> models.OrganizationProject:
    """Give an organization a project of its own in the cloud

    What is new is made there; what is there already stays where it is.
    """
    return models.OrganizationProject.model_validate(services().projects.make(actor(), organization_id))


@blueprint.delete("/organizations/<organization_id>/project")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404, 409, 503))
def delete_project(organization_id: str) -> tuple[str, int]:
    """Take an organization's own project away

    The organization has to be disabled, and the project empty.
    """
    services().projects.delete(actor(), organization_id)
    return "", HTTPStatus.NO_CONTENT
