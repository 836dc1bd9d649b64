"""Tokens: what a program shows instead of a password."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.web.api import account_models as models
from yunzhuo.webkit import actor, client_address, services
from yunzhuo.webkit.bearer import bearer, come_in, present_token
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("tokens", __name__, tag="Tokens")


@blueprint.post("/tokens")
@blueprint.input(models.NewToken)
@blueprint.output(models.Token, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409, 429))
def create(json_data: models.NewToken) -> models.Token:
    """Make a token

    With an address and a password, and a code where there is a second factor: answers 401 in the same words and time whether
    the address or the password was wrong, and 403 while a one-time password waits to be changed in the portal or a code is
    missing. With a token instead: another one with a name, which may no more and ends no later than the one it was made with.
    """
    if json_data.email is None and json_data.password is None and present_token():
        come_in()
        if not json_data.name:
            raise InvalidInput("A token needs a name.", fields={"name": "1 to 64 visible characters."})
        made = services().tokens.create(actor(), json_data.wish(), present=present_token())
        return models.Token(id=made.token.id, token=made.secret, expires_at=made.token.expires_at)
    missing = [name for name in ("email", "password") if getattr(json_data, name) is None]
    if missing:
        raise InvalidInput("The request is not valid.", fields=dict.fromkeys(missing, "Field required"))
    granted = services().tokens.create_with_password(
        json_data.email or "",
        json_data.password or "",
        client_address=client_address(),
        code=json_data.code,
        wish=json_data.wish(),
    )
    return models.Token(id=granted.id, token=granted.secret, expires_at=granted.expires_at)


@blueprint.get("/tokens")
@blueprint.auth_required(bearer)
@blueprint.output(models.TokenList)
@blueprint.doc(responses=refusals(401, 403))
def index() -> models.TokenList:
    """List one's own tokens"""
    return models.TokenList(items=[models.TokenInfo.of(view) for view in services().tokens.list(actor())])


@blueprint.delete("/tokens/current")
@blueprint.auth_required(bearer)
@blueprint.doc(responses=refusals(401, also={204: {"description": "The token is worthless now."}}))
def revoke() -> tuple[str, int]:
    """End the token this request came with"""
    services().tokens.revoke_present(actor(), present_token())
    return "", HTTPStatus.NO_CONTENT


@blueprint.delete("/tokens/<token_id>")
@blueprint.auth_required(bearer)
@blueprint.doc(responses=refusals(401, 403, 404, also={204: {"description": "The token is worthless now."}}))
def revoke_one(token_id: str) -> tuple[str, int]:
    """End one of one's own tokens"""
    services().tokens.revoke(actor(), token_id)
    return "", HTTPStatus.NO_CONTENT
