"""Groups and who is in them."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.web.api import rights_models as models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("groups", __name__, tag="Groups")


@blueprint.get("/groups")
@blueprint.auth_required(bearer)
@blueprint.output(models.GroupList)
@blueprint.doc(responses=refusals(401, 403))
def index() -> models.GroupList:
    """List groups by name

    A teacher's are those that they own.
    """
    return models.GroupList(items=[models.Group.model_validate(each) for each in services().groups.list(actor())])


@blueprint.post("/groups")
@blueprint.auth_required(bearer)
@blueprint.input(models.Named)
@blueprint.output(models.Group, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409))
def create(json_data: models.Named) -> models.Group:
    """Make a group"""
    return models.Group.model_validate(services().groups.create(actor(), json_data.name))


@blueprint.get("/groups/<group_id>")
@blueprint.auth_required(bearer)
@blueprint.output(models.Group)
@blueprint.doc(responses=refusals(401, 403, 404))
def show(group_id: str) -> models.Group:
    """Show a group"""
    return models.Group.model_validate(services().groups.get(actor(), group_id))


@blueprint.patch("/groups/<group_id>")
@blueprint.auth_required(bearer)
@blueprint.input(models.Named)
@blueprint.output(models.Group)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409))
def change(group_id: str, json_data: models.Named) -> models.Group:
    """Rename a group"""
    return models.Group.model_validate(services().groups.rename(actor(), group_id, json_data.name))


@blueprint.delete("/groups/<group_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404))
def delete(group_id: str) -> tuple[str, HTTPStatus]:
    """Delete a group; its people stay"""
    services().groups.delete(actor(), group_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/groups/<group_id>/members")
@blueprint.auth_required(bearer)
@blueprint.output(models.MemberList)
@blueprint.doc(responses=refusals(401, 403, 404))
def members(group_id: str) -> models.MemberList:
    """List who is in a group"""
    found = services().groups.members(actor(), group_id)
    return models.MemberList(items=[models.Member.model_validate(each) for each in found])


@blueprint.put("/groups/<group_id>/members/<user_id>")
@blueprint.auth_required(bearer)
@blueprint.input(models.MemberChange)
@blueprint.output(models.MemberList)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404))
def put_member(group_id: str, user_id: str, json_data: models.MemberChange) -> models.MemberList:
    """Put a person into a group

    Who owns a group is said by those who run the organization.
    """
    found = services().groups.put_member(actor(), group_id, user_id, is_owner=json_data.is_owner)
    return models.MemberList(items=[models.Member.model_validate(each) for each in found])


@blueprint.delete("/groups/<group_id>/members/<user_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404))
def drop_member(group_id: str, user_id: str) -> tuple[str, HTTPStatus]:
    """Take a person out of a group"""
    services().groups.drop_member(actor(), group_id, user_id)
    return "", HTTPStatus.NO_CONTENT
