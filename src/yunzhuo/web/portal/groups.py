"""Groups and roles, as administrators run them; a teacher sees who is in their own groups."""

from flask import request, url_for
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.access import Scope, grants_of, scope_of
from yunzhuo.web.portal.administration import person_with
from yunzhuo.web.portal.pages import blueprint, for_those_who, page, require_token, saved
from yunzhuo.web.portal.verb_words import VERBS
from yunzhuo.webkit import actor, services

_GIVEN = (Scope.OWN, Scope.GROUP, Scope.ORGANIZATION)


@blueprint.get("/admin/groups")
@for_those_who("group:read")
def group_list() -> Response:
    """The groups by name."""
    may_create = scope_of(actor(), "group:create") is not None
    return page("admin/groups.html", groups=services().groups.list(actor()), may_create=may_create)


@blueprint.post("/admin/groups")
@for_those_who("group:create")
def new_group() -> Response:
    """Make a group."""
    require_token()
    return saved(lambda: services().groups.create(actor(), request.form.get("name", "")), url_for("portal.group_list"))


@blueprint.get("/admin/groups/<group_id>")
@for_those_who("group:read")
def group(group_id: str) -> Response:
    """Who is in a group, and what can be done with it."""
    groups, person = services().groups, actor()
    found, members = groups.get(person, group_id), groups.members(person, group_id)
    may_rule = scope_of(person, "group:delete") is not None
    may_change = scope_of(person, "group:update") is not None
    return page("admin/group.html", group=found, members=members, may_rule=may_rule, may_change=may_change)


@blueprint.post("/admin/groups/<group_id>")
@for_those_who("group:update")
def change_group(group_id: str) -> Response:
    """Rename a group, put somebody into it, take somebody out, or delete it."""
    require_token()
    groups, person, asked = services().groups, actor(), request.form
    here = url_for("portal.group", group_id=group_id)
    match asked.get("change"):
        case "rename":
            return saved(lambda: groups.rename(person, group_id, asked.get("name", "")), here)
        case "put":
            return saved(
                lambda: groups.put_member(
                    person, group_id, person_with(asked.get("email", "")), is_owner=asked.get("is_owner") == "yes"
                ),
                here,
            )
        case "drop":
            return saved(lambda: groups.drop_member(person, group_id, asked.get("user", "")), here)
        case "delete":
            return saved(lambda: groups.delete(person, group_id), url_for("portal.group_list"))
        case _:
            raise InvalidInput("There is no such change.", fields={"change": "rename, put, drop or delete"})


@blueprint.get("/admin/roles")
@for_those_who("role:read")
def role_list() -> Response:
    """The roles, what each of them may, and a form for a new one."""
    person = actor()
    roles, mine = services().roles.list(person), grants_of(person)
    verbs = [(verb, meaning, mine[verb]) for verb, meaning in VERBS.items() if verb in mine]
    may_change = scope_of(person, "role:create") is not None
    return page("admin/roles.html", roles=roles, verbs=verbs, scopes=_GIVEN, meanings=VERBS, may_change=may_change)


@blueprint.post("/admin/roles")
@for_those_who("role:create")
def new_role() -> Response:
    """Put a role together."""
    require_token()
    grants = {verb: request.form[verb] for verb in VERBS if request.form.get(verb)}
    name = request.form.get("name", "")
    return saved(lambda: services().roles.create(actor(), name, grants), url_for("portal.role_list"))


@blueprint.post("/admin/roles/<role_id>")
@for_those_who("role:grant")
def change_role_of(role_id: str) -> Response:
    """Give a role to somebody, take it away again, or delete it."""
    require_token()
    roles, person, asked = services().roles, actor(), request.form
    here = url_for("portal.role_list")
    match asked.get("change"):
        case "grant":
            return saved(lambda: roles.grant(person, role_id, _holder_id(asked.get("holder", ""))), here)
        case "withdraw":
            return saved(lambda: roles.withdraw(person, role_id, _holder_id(asked.get("holder", ""))), here)
        case "delete":
            return saved(lambda: roles.delete(person, role_id), here)
        case _:
            raise InvalidInput("There is no such change.", fields={"change": "grant, withdraw or delete"})


def _holder_id(named: str) -> str:
    """A group's name or a person's address."""
    for each in services().groups.list(actor()):
        if each.name == named.strip():
            return each.id
    return person_with(named)
