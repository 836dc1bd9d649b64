"""What lets other people in, for administrators: invitations, sessions, sign-ins, factors, tokens of service accounts."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.web.api import account_models as models
from yunzhuo.web.api.models import User
from yunzhuo.web.api.users import of_visible_person
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, Responses, refusals

blueprint = APIBlueprint("user_security", __name__, tag="Ways in of users")

_DONE: Responses = {204: {"description": "Done."}}


@blueprint.get("/invitations")
@blueprint.auth_required(bearer)
@blueprint.output(models.InvitationList)
@blueprint.doc(responses=refusals(401, 403))
def invitations() -> models.InvitationList:
    """List the invitations that still count"""
    return models.InvitationList(items=[models.Invitation.of(each) for each in services().registration.invitations(actor())])


@blueprint.post("/invitations")
@blueprint.auth_required(bearer)
@blueprint.input(models.NewInvitation)
@blueprint.output(models.Invitation, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409))
def invite(json_data: models.NewInvitation) -> models.Invitation:
    """Invite somebody

    Where no mail can be sent the answer has the link, told this once.
    """
    made = services().registration.invite(actor(), json_data.email, json_data.role, language=json_data.language)
    return models.Invitation.of(made)


@blueprint.delete("/invitations/<invitation_id>")
@blueprint.auth_required(bearer)
@blueprint.doc(responses=refusals(401, 403, 404, also=_DONE))
def withdraw(invitation_id: str) -> tuple[str, int]:
    """Withdraw an invitation"""
    services().registration.withdraw(actor(), invitation_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.post("/service-accounts")
@blueprint.auth_required(bearer)
@blueprint.input(models.NewServiceAccount)
@blueprint.output(User, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409))
def add_service(json_data: models.NewServiceAccount) -> User:
    """Make a service account"""
    return User.of(services().tokens.add_service(actor(), json_data.email, json_data.role))


@blueprint.get("/users/<user_id>/sessions")
@blueprint.auth_required(bearer)
@blueprint.output(models.SessionList)
@blueprint.doc(responses=refusals(401, 403, 404))
def sessions(user_id: str) -> models.SessionList:
    """List the browsers somebody is signed in with"""
    return models.SessionList.of(services().sessions.list_of(actor(), user_id))


@blueprint.delete("/users/<user_id>/sessions")
@blueprint.auth_required(bearer)
@blueprint.doc(responses=refusals(401, 403, 404, also=_DONE))
def end_sessions(user_id: str) -> tuple[str, int]:
    """Sign somebody out everywhere: sessions and tokens"""
    services().sessions.end_all_of(actor(), user_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.delete("/users/<user_id>/sessions/<session_id>")
@blueprint.auth_required(bearer)
@blueprint.doc(responses=refusals(401, 403, 404, also=_DONE))
def end_session(user_id: str, session_id: str) -> tuple[str, int]:
    """Sign somebody out in one browser"""
    services().sessions.end_of(actor(), user_id, session_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/users/<user_id>/sign-ins")
@blueprint.auth_required(bearer)
@blueprint.output(models.SignInList)
@blueprint.doc(responses=refusals(401, 403, 404))
def sign_ins(user_id: str) -> models.SignInList:
    """List the tries to come in by somebody's account"""
    return models.SignInList.of(services().sessions.history_of(actor(), user_id, limit=100))


@blueprint.delete("/users/<user_id>/factors")
@blueprint.auth_required(bearer)
@blueprint.doc(responses=refusals(401, 403, 404, 409, also=_DONE))
def reset_factors(user_id: str) -> tuple[str, int]:
    """Take all second factors from somebody who has lost them"""
    services().factors.reset(actor(), user_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/users/<user_id>/tokens")
@blueprint.auth_required(bearer)
@blueprint.output(models.TokenList)
@blueprint.doc(responses=refusals(401, 403, 404))
def tokens(user_id: str) -> models.TokenList:
    """List somebody's tokens"""
    return models.TokenList(items=[models.TokenInfo.of(view) for view in services().tokens.list_of(actor(), user_id)])


@blueprint.post("/users/<user_id>/tokens")
@blueprint.auth_required(bearer)
@of_visible_person
@blueprint.input(models.TokenLimits)
@blueprint.output(models.Token, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409))
def add_token(user_id: str, json_data: models.TokenLimits) -> models.Token:
    """Make a token for a service account"""
    made = services().tokens.create_for(actor(), user_id, json_data.wish())
    return models.Token(id=made.token.id, token=made.secret, expires_at=made.token.expires_at)


@blueprint.delete("/users/<user_id>/tokens/<token_id>")
@blueprint.auth_required(bearer)
@blueprint.doc(responses=refusals(401, 403, 404, also=_DONE))
def revoke_token(user_id: str, token_id: str) -> tuple[str, int]:
    """End one of somebody's tokens"""
    services().tokens.revoke_of(actor(), user_id, token_id)
    return "", HTTPStatus.NO_CONTENT
