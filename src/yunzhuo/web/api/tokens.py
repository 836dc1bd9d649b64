"""Tokens: what a program shows instead of a password."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.web.api import models
from yunzhuo.web.api.authentication import bearer, present_token
from yunzhuo.web.api.documentation import BODY, refusals
from yunzhuo.webkit import actor, client_address, services

blueprint = APIBlueprint("tokens", __name__, tag="Tokens")


@blueprint.post("/tokens")
@blueprint.input(models.NewToken)
@blueprint.output(models.Token, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 429))
def create(json_data: models.NewToken) -> models.Token:
    """Make a token

    Answers 401 in the same words and time whether the address or the password was wrong, and 403 while a one-time
    password waits to be changed in the portal.
    """
    granted = services().accounts.create_token(json_data.email, json_data.password, client_address=client_address())
    return models.Token.of(granted)


@blueprint.delete("/tokens/current")
@blueprint.auth_required(bearer)
@blueprint.doc(responses=refusals(401, also={204: {"description": "The token is worthless now."}}))
def revoke() -> tuple[str, int]:
    """End the token this request came with"""
    services().accounts.revoke_token(actor(), present_token())
    return "", HTTPStatus.NO_CONTENT
