"""Installations and their licenses."""

from http import HTTPStatus
from typing import Any

from apiflask import APIBlueprint
from flask import Response, request

from yunzhuo.license.api import models
from yunzhuo.license.context import license_server
from yunzhuo.license.rules import Act
from yunzhuo.phoenix.common.clock import SystemClock
from yunzhuo.webkit import actor
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("installations", __name__, tag="Installations")
_FILE: Any = {"description": "The file.", "content": {"application/json": {"schema": {"type": "object"}}}}
_clock = SystemClock()


@blueprint.get("/installations")
@blueprint.auth_required(bearer)
@blueprint.input(models.InstallationQuery, location="query")
@blueprint.output(models.InstallationList)
@blueprint.doc(responses=refusals(401, 403, 422))
def index(query_data: models.InstallationQuery) -> models.InstallationList:
    """List installations; a customer sees their own"""
    found = license_server().installations.list(actor(), customer_id=query_data.customer)
    return models.InstallationList(items=[models.Installation.of(each) for each in found])


@blueprint.post("/installations")
@blueprint.auth_required(bearer)
@blueprint.input(models.NewInstallation)
@blueprint.output(models.InstallationCode, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404))
def create(json_data: models.NewInstallation) -> models.InstallationCode:
    """Make an installation

    It waits for its host-info file, or for its computer to come with the code, which is told this once.
    """
    made = license_server().installations.create(
        actor(),
        json_data.customer_id,
        json_data.name,
        json_data.terms(_clock.now()),
        moves_allowed=json_data.moves_allowed,
    )
    return models.InstallationCode.of(made)


@blueprint.get("/installations/<installation_id>")
@blueprint.auth_required(bearer)
@blueprint.output(models.Installation)
@blueprint.doc(responses=refusals(401, 403, 404))
def show(installation_id: str) -> models.Installation:
    """Show an installation"""
    return models.Installation.of(license_server().installations.get(actor(), installation_id))


@blueprint.patch("/installations/<installation_id>")
@blueprint.auth_required(bearer)
@blueprint.input(models.InstallationChange)
@blueprint.output(models.Installation)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409))
def change(installation_id: str, json_data: models.InstallationChange) -> models.Installation:
    """Renew an installation, or let it do something else"""
    installations, person = license_server().installations, actor()
    changed = installations.change(
        person,
        installation_id,
        json_data.terms(installations.get(person, installation_id).terms),
        name=json_data.name,
        moves_allowed=json_data.moves_allowed,
    )
    return models.Installation.of(changed)


@blueprint.delete("/installations/<installation_id>")
@blueprint.auth_required(bearer)
@blueprint.doc(responses=refusals(401, 403, 404, 409, also={204: {"description": "It is deleted."}}))
def delete(installation_id: str) -> tuple[str, int]:
    """Delete an installation of which nothing counts any more

    409 while its license counts: revoke it first. What was issued stays on record.
    """
    license_server().installations.delete(actor(), installation_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.post("/installations/<installation_id>/actions")
@blueprint.auth_required(bearer)
@blueprint.input(models.ActionWish)
@blueprint.output(models.Installation)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409))
def act(installation_id: str, json_data: models.ActionWish) -> models.Installation:
    """Issue another license, suspend, resume or revoke"""
    found = license_server().installations.act(actor(), installation_id, Act(json_data.action.value))
    return models.Installation.of(found)


@blueprint.put("/installations/<installation_id>/host-info")
@blueprint.auth_required(bearer)
@blueprint.output(models.Installation)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409))
def take_host_info(installation_id: str) -> models.Installation:
    """Bind an installation to a host, or move it there; the body is the host-info file as it is

    A customer may do so with their own.
    """
    found = license_server().installations.take_host_info(actor(), installation_id, request.get_data())
    return models.Installation.of(found)


@blueprint.post("/installations/<installation_id>/code")
@blueprint.auth_required(bearer)
@blueprint.output(models.InstallationCode, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(401, 403, 404, 409))
def new_code(installation_id: str) -> models.InstallationCode:
    """Get another code for automatic activation, once, or for moving to another computer"""
    return models.InstallationCode.of(license_server().installations.new_code(actor(), installation_id))


@blueprint.post("/installations/<installation_id>/forgiveness")
@blueprint.auth_required(bearer)
@blueprint.output(models.Installation)
@blueprint.doc(responses=refusals(401, 403, 404))
def forgive_clone(installation_id: str) -> models.Installation:
    """Let the next computer that comes with the key be the one that counts"""
    return models.Installation.of(license_server().installations.forgive_clone(actor(), installation_id))


@blueprint.get("/installations/<installation_id>/licenses")
@blueprint.auth_required(bearer)
@blueprint.output(models.IssuedLicenseList)
@blueprint.doc(responses=refusals(401, 403, 404))
def licenses(installation_id: str) -> models.IssuedLicenseList:
    """List every license that it was given"""
    return models.IssuedLicenseList.of(list(license_server().installations.licenses(actor(), installation_id)))


@blueprint.get("/installations/<installation_id>/license")
@blueprint.auth_required(bearer)
@blueprint.doc(responses=refusals(401, 403, 404, also={200: _FILE}))
def license_file(installation_id: str) -> Response:
    """Get the newest license as a file"""
    document = license_server().installations.license_file(actor(), installation_id)
    return Response(document, content_type="application/json")


@blueprint.get("/installations/<installation_id>/licenses/<int:serial>")
@blueprint.auth_required(bearer)
@blueprint.doc(responses=refusals(401, 403, 404, also={200: _FILE}))
def earlier_license_file(installation_id: str, serial: int) -> Response:
    """Get one license of the history as a file"""
    document = license_server().installations.license_file(actor(), installation_id, serial)
    return Response(document, content_type="application/json")
