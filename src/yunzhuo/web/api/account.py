"""One's own account: password, address, factors, passkeys, sessions. What proves somebody asks for the password again."""

import json
from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.services.step_up import Proven
from yunzhuo.web.api import account_models as models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, Responses, refusals

blueprint = APIBlueprint("account", __name__, tag="Account")

_DONE: Responses = {204: {"description": "Done."}}


def _proven(body: models.PasswordAgain) -> Proven:
    return services().step_up.by_password(actor(), body.password)


@blueprint.post("/users/me/password")
@blueprint.auth_required(bearer)
@blueprint.input(models.PasswordChange)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 429, also=_DONE))
def change_password(json_data: models.PasswordChange) -> tuple[str, int]:
    """Choose another password

    All sessions and tokens end with that, the one of this request too.
    """
    services().accounts.change_password(actor(), json_data.present, json_data.chosen)
    return "", HTTPStatus.NO_CONTENT


@blueprint.post("/users/me/address")
@blueprint.auth_required(bearer)
@blueprint.input(models.AddressChange)
@blueprint.output(models.AddressAnswer)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409, 429))
def change_address(json_data: models.AddressChange) -> models.AddressAnswer:
    """Choose another address

    Where mail can be sent the address changes once the link that is sent to it was followed, and the old one is told.
    """
    changed = services().regaining.change_address(actor(), _proven(json_data), json_data.email)
    return models.AddressAnswer(changed=changed)


@blueprint.get("/users/me/sessions")
@blueprint.auth_required(bearer)
@blueprint.output(models.SessionList)
@blueprint.doc(responses=refusals(401, 403))
def sessions() -> models.SessionList:
    """List the browsers one is signed in with"""
    return models.SessionList.of(services().sessions.list(actor()))


@blueprint.delete("/users/me/sessions")
@blueprint.auth_required(bearer)
@blueprint.doc(responses=refusals(401, 403, also=_DONE))
def end_sessions() -> tuple[str, int]:
    """Sign out in all browsers"""
    services().sessions.end_others(actor())
    return "", HTTPStatus.NO_CONTENT


@blueprint.delete("/users/me/sessions/<session_id>")
@blueprint.auth_required(bearer)
@blueprint.doc(responses=refusals(401, 403, 404, also=_DONE))
def end_session(session_id: str) -> tuple[str, int]:
    """Sign out in one browser"""
    services().sessions.end(actor(), session_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/users/me/sign-ins")
@blueprint.auth_required(bearer)
@blueprint.output(models.SignInList)
@blueprint.doc(responses=refusals(401, 403))
def sign_ins() -> models.SignInList:
    """List the tries to come in by one's account"""
    return models.SignInList.of(services().sessions.history(actor(), limit=100))


@blueprint.get("/users/me/factors")
@blueprint.auth_required(bearer)
@blueprint.output(models.Factors)
@blueprint.doc(responses=refusals(401, 403))
def factors() -> models.Factors:
    """Say what proves one beside the password"""
    return models.Factors.of(services().factors.of(actor()))


@blueprint.post("/users/me/factors/totp")
@blueprint.auth_required(bearer)
@blueprint.input(models.PasswordAgain)
@blueprint.output(models.TotpSecret, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409, 429))
def offer_totp(json_data: models.PasswordAgain) -> models.TotpSecret:
    """Ask for the secret of an authenticator app

    It counts once a code of it was given.
    """
    return models.TotpSecret.of(services().factors.offer_totp(actor(), _proven(json_data)))


@blueprint.post("/users/me/factors/totp/confirmation")
@blueprint.auth_required(bearer)
@blueprint.input(models.TotpCode)
@blueprint.output(models.RecoveryCodes)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409, 429))
def confirm_totp(json_data: models.TotpCode) -> models.RecoveryCodes:
    """Let the authenticator app count from now on"""
    codes = services().factors.confirm_totp(actor(), _proven(json_data), json_data.code)
    return models.RecoveryCodes(recovery_codes=codes)


@blueprint.post("/users/me/factors/totp/removal")
@blueprint.auth_required(bearer)
@blueprint.input(models.PasswordAgain)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 429, also=_DONE))
def remove_totp(json_data: models.PasswordAgain) -> tuple[str, int]:
    """Let the authenticator app count no more"""
    services().factors.remove_totp(actor(), _proven(json_data))
    return "", HTTPStatus.NO_CONTENT


@blueprint.post("/users/me/factors/recovery-codes")
@blueprint.auth_required(bearer)
@blueprint.input(models.PasswordAgain)
@blueprint.output(models.RecoveryCodes, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409, 429))
def make_recovery_codes(json_data: models.PasswordAgain) -> models.RecoveryCodes:
    """Make new recovery codes in place of the old ones"""
    codes = services().factors.new_recovery_codes(actor(), _proven(json_data))
    return models.RecoveryCodes(recovery_codes=codes)


@blueprint.get("/users/me/passkeys")
@blueprint.auth_required(bearer)
@blueprint.output(models.PasskeyList)
@blueprint.doc(responses=refusals(401, 403))
def passkeys() -> models.PasskeyList:
    """List one's passkeys"""
    return models.PasskeyList(items=[models.Passkey.of(view) for view in services().passkeys.list(actor())])


@blueprint.post("/users/me/passkeys/options")
@blueprint.auth_required(bearer)
@blueprint.input(models.PasswordAgain)
@blueprint.output(models.PasskeyOptions)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409, 429))
def passkey_options(json_data: models.PasswordAgain) -> models.PasskeyOptions:
    """Ask for what a passkey is made from"""
    options = services().passkeys.offer_registration(actor(), _proven(json_data))
    return models.PasskeyOptions(public_key=json.loads(options))


@blueprint.post("/users/me/passkeys")
@blueprint.auth_required(bearer)
@blueprint.input(models.NewPasskeyCredential)
@blueprint.output(models.MadePasskey, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409, 429))
def add_passkey(json_data: models.NewPasskeyCredential) -> models.MadePasskey:
    """Add a passkey"""
    proven = _proven(json_data)
    made = services().passkeys.register(actor(), proven, json_data.name, json.dumps(json_data.credential))
    return models.MadePasskey.made(made)


@blueprint.post("/users/me/passkeys/<passkey_id>/removal")
@blueprint.auth_required(bearer)
@blueprint.input(models.PasswordAgain)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 429, also=_DONE))
def remove_passkey(passkey_id: str, json_data: models.PasswordAgain) -> tuple[str, int]:
    """Remove a passkey"""
    services().passkeys.remove(actor(), _proven(json_data), passkey_id)
    return "", HTTPStatus.NO_CONTENT
