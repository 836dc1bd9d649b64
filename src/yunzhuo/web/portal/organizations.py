"""Organizations, as operators run them: they make them, and go into one to work there."""

from flask import request, session, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.projects import Placing
from yunzhuo.web.portal.pages import back_to, blueprint, for_those_who, notice, page, require_token, saved
from yunzhuo.webkit import actor, services, sessions
from yunzhuo.webkit.context import ORGANIZATION_FIELD


@blueprint.get("/admin/organizations")
@for_those_who("organization:read")
def organization_list() -> Response:
    """All organizations by name."""
    found = services().organizations.list(actor())
    has_projects = any(one.placing is not Placing.SHARED for one in found)
    here = actor().organization_id
    return page("admin/organizations.html", organizations=found, has_projects=has_projects, here=here)


@blueprint.post("/admin/organizations")
@for_those_who("organization:create")
def new_organization() -> Response:
    """Make an organization."""
    require_token()
    name = request.form.get("name", "")
    return saved(lambda: services().organizations.create(actor(), name), url_for("portal.organization_list"))


@blueprint.post("/admin/organizations/leave")
@sessions.signed_in
def leave_organization() -> Response:
    """Go back to one's own organization."""
    require_token()
    session.pop(ORGANIZATION_FIELD, None)
    return back_to(url_for("portal.organization_list"))


@blueprint.post("/admin/organizations/<organization_id>")
@for_those_who("organization:read")
def change_organization(organization_id: str) -> Response:
    """Rename an organization, disable or enable it, or go into it."""
    require_token()
    organizations, person, asked = services().organizations, actor(), request.form
    here = url_for("portal.organization_list")
    match asked.get("change"):
        case "rename":
            return saved(lambda: organizations.rename(person, organization_id, asked.get("name", "")), here)
        case "disable":
            return saved(lambda: organizations.disable(person, organization_id), here)
        case "enable":
            return saved(lambda: organizations.enable(person, organization_id), here)
        case "enter":
            found = organizations.get(person, organization_id)
            session[ORGANIZATION_FIELD] = found.id
            notice("info", gettext("You work in %(name)s now.", name=found.name))
            return back_to(url_for("portal.overview"))
        case _:
            raise InvalidInput("There is no such change.", fields={"change": "rename, disable, enable or enter"})
