"""Users: who is asking."""

from typing import cast

from apiflask import APIBlueprint

from yunzhuo.services.accounts import UserView
from yunzhuo.web.api import models
from yunzhuo.web.api.authentication import bearer
from yunzhuo.web.api.documentation import refusals

blueprint = APIBlueprint("users", __name__, tag="Users")


@blueprint.get("/users/me")
@blueprint.auth_required(bearer)
@blueprint.output(models.User)
@blueprint.doc(responses=refusals(401))
def me() -> models.User:
    """Say whose token this is"""
    return models.User.of(cast(UserView, bearer.current_user))
