"""For whoever is not signed in: registering, a forgotten password, links that came by mail."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.web.api import account_models as models
from yunzhuo.web.api.models import User
from yunzhuo.webkit import client_address, services
from yunzhuo.webkit.openapi import BODY, Responses, refusals

blueprint = APIBlueprint("entrance", __name__, tag="Entrance")

_DONE: Responses = {204: {"description": "Done."}}
_ASKED: Responses = {202: {"description": "If it can be done, a letter is on its way."}}


@blueprint.post("/registrations")
@blueprint.input(models.NewRegistration)
@blueprint.output(models.RegistrationAnswer, HTTPStatus.ACCEPTED)
@blueprint.doc(responses=refusals(*BODY, 403, 409, 429))
def register(json_data: models.NewRegistration) -> models.RegistrationAnswer:
    """Register

    Where mail can be sent a link is, and the answer is the same whether or not there is such an account. Elsewhere the account
    is made at once with the password.
    """
    registration = services().registration
    known = {"language": json_data.language, "client_address": client_address()}
    if registration.is_by_mail:
        registration.request(json_data.email, **known)
    elif json_data.password is None and registration.is_open:
        raise InvalidInput("A password is needed.", fields={"password": "Field required"})  # nosec B105 # words about it
    else:
        registration.register(json_data.email, json_data.password or "", **known)
    return models.RegistrationAnswer(by_mail=registration.is_by_mail)


@blueprint.post("/registrations/completion")
@blueprint.input(models.Completion)
@blueprint.output(User, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 403, 404, 409))
def complete(json_data: models.Completion) -> User:
    """Make the account that a link or an invitation is for"""
    made = services().registration.complete(json_data.proof, json_data.password, client_address=client_address())
    return User.of(made)


@blueprint.post("/password-resets")
@blueprint.input(models.NewReset)
@blueprint.doc(responses=refusals(*BODY, 409, 429, also=_ASKED))
def ask_reset(json_data: models.NewReset) -> tuple[str, int]:
    """Ask for a link for a new password"""
    services().regaining.request_reset(json_data.email, language=json_data.language, client_address=client_address())
    return "", HTTPStatus.ACCEPTED


@blueprint.post("/password-resets/completion")
@blueprint.input(models.Completion)
@blueprint.doc(responses=refusals(*BODY, 404, also=_DONE))
def reset(json_data: models.Completion) -> tuple[str, int]:
    """Choose a new password with a link"""
    services().regaining.reset(json_data.proof, json_data.password, client_address=client_address())
    return "", HTTPStatus.NO_CONTENT


@blueprint.post("/address-confirmations")
@blueprint.input(models.AddressConfirmation)
@blueprint.doc(responses=refusals(*BODY, 404, 409, also=_DONE))
def confirm_address(json_data: models.AddressConfirmation) -> tuple[str, int]:
    """Confirm a new address with a link"""
    services().regaining.confirm_address(json_data.proof, client_address=client_address())
    return "", HTTPStatus.NO_CONTENT
