"""Getting a token, and a password of one's own in the place of the one-time one."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.license.api import models
from yunzhuo.license.context import license_server
from yunzhuo.webkit import client_address, request_id, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("entrance", __name__, tag="Entrance")


@blueprint.post("/tokens")
@blueprint.input(models.NewToken)
@blueprint.output(models.Token, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 429))
def create_token(json_data: models.NewToken) -> models.Token:
    """Get a token

    403 while a one-time password waits to be changed.
    """
    granted = services().tokens.create_with_password(
        json_data.email, json_data.password, client_address=client_address(), code=json_data.code
    )
    return models.Token(id=granted.id, token=granted.secret, expires_at=granted.expires_at)


@blueprint.post("/passwords")
@blueprint.input(models.NewPassword)
@blueprint.doc(responses=refusals(*BODY, 401, 429, also={204: {"description": "It counts from now on."}}))
def choose_password(json_data: models.NewPassword) -> tuple[str, int]:
    """Choose a password of one's own"""
    user = services().sign_ins.verified(json_data.email, json_data.present, client_address=client_address())
    person = user.actor(client_address=client_address(), request_id=request_id())
    services().accounts.change_password(person, json_data.present, json_data.chosen)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/keys")
@blueprint.auth_required(bearer)
@blueprint.output(models.KeyList)
@blueprint.doc(responses=refusals(401))
def keys() -> models.KeyList:
    """List the vendor's public keys"""
    return models.KeyList.of(list(license_server().keys.list()))
