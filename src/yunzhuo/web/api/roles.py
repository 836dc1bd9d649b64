"""Roles, the verbs that they are made of, and what people let each other do."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.services.verbs import VERBS
from yunzhuo.web.api import rights_models as models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("roles", __name__, tag="Roles")
Nothing = tuple[str, HTTPStatus]


@blueprint.get("/verbs")
@blueprint.auth_required(bearer)
@blueprint.output(models.VerbList)
@blueprint.doc(responses=refusals(401))
def verbs() -> models.VerbList:
    """List all verbs and what they mean"""
    return models.VerbList(items=[models.Verb(name=name, meaning=meaning) for name, meaning in VERBS.items()])


@blueprint.get("/roles")
@blueprint.auth_required(bearer)
@blueprint.output(models.RoleList)
@blueprint.doc(responses=refusals(401, 403))
def index() -> models.RoleList:
    """List roles: the built-in ones, then the organization's own"""
    return models.RoleList(items=[models.RoleDetails.model_validate(each) for each in services().roles.list(actor())])


@blueprint.post("/roles")
@blueprint.auth_required(bearer)
@blueprint.input(models.NewRole)
@blueprint.output(models.RoleDetails, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409))
def create(json_data: models.NewRole) -> models.RoleDetails:
    """Put a role together from verbs that one has oneself"""
    return models.RoleDetails.model_validate(services().roles.create(actor(), json_data.name, json_data.grants))


@blueprint.put("/roles/<role_id>")
@blueprint.auth_required(bearer)
@blueprint.input(models.RoleGrants)
@blueprint.output(models.RoleDetails)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404))
def change(role_id: str, json_data: models.RoleGrants) -> models.RoleDetails:
    """Let a role allow something else"""
    return models.RoleDetails.model_validate(services().roles.change(actor(), role_id, json_data.grants))


@blueprint.delete("/roles/<role_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404))
def delete(role_id: str) -> Nothing:
    """Delete a role of the organization's own"""
    services().roles.delete(actor(), role_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/roles/<role_id>/holders")
@blueprint.auth_required(bearer)
@blueprint.output(models.Holders)
@blueprint.doc(responses=refusals(401, 403, 404))
def holders(role_id: str) -> models.Holders:
    """List the people and groups that have a role"""
    return models.Holders(items=list(services().roles.holders(actor(), role_id)))


@blueprint.put("/roles/<role_id>/holders/<holder_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404))
def grant(role_id: str, holder_id: str) -> Nothing:
    """Give a role to a person or a group"""
    services().roles.grant(actor(), role_id, holder_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.delete("/roles/<role_id>/holders/<holder_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404))
def withdraw(role_id: str, holder_id: str) -> Nothing:
    """Take a role from a person or a group"""
    services().roles.withdraw(actor(), role_id, holder_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/delegations")
@blueprint.auth_required(bearer)
@blueprint.output(models.DelegationList)
@blueprint.doc(responses=refusals(401, 403))
def delegations() -> models.DelegationList:
    """List what one lets others do, and others oneself"""
    found = services().delegations.list(actor())
    return models.DelegationList(items=[models.Delegation.model_validate(each) for each in found])


@blueprint.put("/delegations/<user_id>")
@blueprint.auth_required(bearer)
@blueprint.input(models.NewDelegation)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404))
def let(user_id: str, json_data: models.NewDelegation) -> Nothing:
    """Let somebody use one's desktops for a time"""
    services().delegations.let(actor(), user_id, json_data.verbs, json_data.until)
    return "", HTTPStatus.NO_CONTENT


@blueprint.delete("/delegations/<user_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403))
def take_back(user_id: str) -> Nothing:
    """Let somebody do nothing any more"""
    services().delegations.take_back(actor(), user_id)
    return "", HTTPStatus.NO_CONTENT
