"""Bearer tokens (RFC 6750), checked before anything else about a request is looked at."""

from typing import NoReturn

from apiflask import HTTPError, HTTPTokenAuth

from yunzhuo.phoenix.common.errors import NotSignedIn
from yunzhuo.services.accounts import UserView
from yunzhuo.webkit import context

bearer = HTTPTokenAuth(scheme="Bearer", security_scheme_name="bearer", description="A token from `POST /api/v1/tokens`.")


def _user_of(token: str) -> UserView:
    user = context.services().tokens.user(token, client_address=context.client_address())
    context.act_for(user)
    return user


def _refuse(_error: HTTPError) -> NoReturn:
    raise NotSignedIn("not_signed_in", "This needs a token: Authorization: Bearer ...")


bearer.verify_token(_user_of)
bearer.error_processor(_refuse)


def come_in() -> None:
    """Let this request be that of its token's user, on a route that can be asked without one. Raises NotSignedIn."""
    _user_of(present_token())


def present_token() -> str:
    """The token that this request came with."""
    authorization = bearer.get_auth()
    return str(authorization.token) if authorization else ""
