"""Users: who is asking, and for administrators everybody."""

from collections.abc import Callable, Sequence
from functools import wraps
from http import HTTPStatus
from typing import TypeVar, cast

from apiflask import APIBlueprint

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.accounts import UserView
from yunzhuo.services.changes import OperationView
from yunzhuo.services.people import DesktopsOfDeleted
from yunzhuo.web.api import admin_models, models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("users", __name__, tag="Users")

_Answer = TypeVar("_Answer")


def of_visible_person(route: Callable[..., _Answer]) -> Callable[..., _Answer]:
    """Nothing is said about the rest of a request for somebody who does not exist for the asker."""

    @wraps(route)
    def checked(user_id: str, **data: object) -> _Answer:
        services().people.get(actor(), user_id)
        return route(user_id=user_id, **data)

    return checked


@blueprint.get("/users/me")
@blueprint.auth_required(bearer)
@blueprint.output(models.User)
@blueprint.doc(responses=refusals(401))
def me() -> models.User:
    """Say whose token this is"""
    return models.User.of(cast(UserView, bearer.current_user))


@blueprint.patch("/users/me")
@blueprint.auth_required(bearer)
@blueprint.input(admin_models.ProfileChange)
@blueprint.output(models.User)
@blueprint.doc(responses=refusals(*BODY, 401))
def change_me(json_data: admin_models.ProfileChange) -> models.User:
    """Choose one's own language and time zone"""
    accounts, person = services().accounts, actor()
    if json_data.language is not None:
        accounts.choose_language(person, json_data.language)
    if json_data.time_zone is not None:
        accounts.choose_time_zone(person, json_data.time_zone)
    return models.User.of(accounts.by_email(person.email))


@blueprint.get("/users")
@blueprint.auth_required(bearer)
@blueprint.input(admin_models.PeopleQuery, location="query")
@blueprint.output(admin_models.PersonList)
@blueprint.doc(responses=refusals(401, 403, 422))
def index(query_data: admin_models.PeopleQuery) -> admin_models.PersonList:
    """List the organization's accounts by address"""
    page = services().people.list(
        actor(),
        search=query_data.q,
        role=query_data.role,
        is_disabled=query_data.disabled,
        limit=query_data.limit,
        cursor=query_data.cursor,
    )
    return admin_models.PersonList.of(page)


@blueprint.post("/users")
@blueprint.auth_required(bearer)
@blueprint.input(admin_models.NewUser)
@blueprint.output(admin_models.Access, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409))
def create(json_data: admin_models.NewUser) -> admin_models.Access:
    """Make an account

    Without a password the answer has a one-time one, told this once.
    """
    made = services().people.create(actor(), json_data.email, json_data.role, password=json_data.password)
    return admin_models.Access.of(made)


@blueprint.get("/users/<user_id>")
@blueprint.auth_required(bearer)
@blueprint.output(admin_models.Person)
@blueprint.doc(responses=refusals(401, 403, 404))
def show(user_id: str) -> admin_models.Person:
    """Show an account"""
    return admin_models.Person.of_person(services().people.get(actor(), user_id))


@blueprint.patch("/users/<user_id>")
@blueprint.auth_required(bearer)
@of_visible_person
@blueprint.input(admin_models.UserChange)
@blueprint.output(admin_models.Person)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409))
def change(user_id: str, json_data: admin_models.UserChange) -> admin_models.Person:
    """Change an account's role, disable or enable it

    Disabling ends its sessions and tokens at once.
    """
    people, person = services().people, actor()
    if json_data.role is not None:
        people.change_role(person, user_id, json_data.role)
    if json_data.disabled is not None:
        (people.disable if json_data.disabled else people.enable)(person, user_id)
    return admin_models.Person.of_person(people.get(person, user_id))


@blueprint.delete("/users/<user_id>")
@blueprint.auth_required(bearer)
@of_visible_person
@blueprint.input(admin_models.UserDeletion, location="query")
@blueprint.output(admin_models.DeletedUser)
@blueprint.doc(responses=refusals(401, 403, 404, 409, 422))
def delete(user_id: str, query_data: admin_models.UserDeletion) -> admin_models.DeletedUser:
    """Delete an account

    One that has desktops needs an answer in `desktops`: `delete` them, or `hand_over` with `to`. One that has a personal disk
    needs `personal_disk=delete`.
    """
    return admin_models.DeletedUser.of(_deleted(user_id, query_data))


@blueprint.post("/users/<user_id>/password-reset")
@blueprint.auth_required(bearer)
@blueprint.output(admin_models.Access)
@blueprint.doc(responses=refusals(401, 403, 404, 409))
def reset_password(user_id: str) -> admin_models.Access:
    """Replace an account's password by a one-time one

    Told this once; all sessions and tokens of the account end.
    """
    return admin_models.Access.of(services().people.reset_password(actor(), user_id))


def _deleted(user_id: str, query: admin_models.UserDeletion) -> Sequence[OperationView]:
    with_disk = query.personal_disk is not None
    return services().people.delete(actor(), user_id, _answer(query), with_disk=with_disk)


def _answer(query: admin_models.UserDeletion) -> DesktopsOfDeleted | None:
    match query.desktops:
        case admin_models.DesktopsAnswer.DELETE:
            return DesktopsOfDeleted()
        case admin_models.DesktopsAnswer.HAND_OVER if query.to:
            return DesktopsOfDeleted(query.to)
        case admin_models.DesktopsAnswer.HAND_OVER:
            raise InvalidInput("It is not said who gets the desktops.", fields={"to": "The id of their new owner."})
        case _:
            return None
