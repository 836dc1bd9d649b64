"""Gateways, inner networks, and who has which screen open, as administrators see them."""

from collections.abc import Mapping

from flask import request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, InvalidInput
from yunzhuo.services.gateways import GatewayState, NewKey
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.pages import blueprint, for_those_who, is_part, notice, page, part, require_token, saved
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.statuses import status_of


@blueprint.get("/admin/screens")
@for_those_who("screen:read")
def screen_list() -> Response:
    """Who is on what, and how good the line is; asked again by the page every few seconds."""
    screens, person = services().screens, actor()
    is_history = request.args.get("show") == "history"
    found = screens.history(person) if is_history else screens.open_now(person)
    if is_part():
        return part("admin/_screens.html", screens=found, is_history=is_history)
    return page("admin/screens.html", screens=found, is_history=is_history)


@blueprint.post("/admin/screens/<screen_id>/end")
@for_those_who("screen:end")
def end_screen(screen_id: str) -> Response:
    """Close a screen that somebody has open."""
    require_token()
    return saved(lambda: services().screens.end(actor(), screen_id), url_for("portal.screen_list"))


@blueprint.get("/admin/gateways")
@for_those_who("gateway:read")
def gateway_list() -> Response:
    """The gateways and the inner networks."""
    return _gateway_page()


@blueprint.post("/admin/gateways")
@for_those_who("gateway:create")
def new_gateway() -> Response:
    """Make a gateway known; its key is shown once."""
    require_token()
    asked = request.form
    try:
        made = services().gateways.create(
            actor(), asked.get("name", ""), asked.get("public_url", ""), asked.get("internal_url") or None
        )
    except (Conflict, InvalidInput) as error:
        known = messages.field_errors(error) if isinstance(error, InvalidInput) else {}
        notice("bad", " ".join(known.values()) or messages.refusal(error))
        return _gateway_page(asked=asked, status=status_of(error))
    return _gateway_page(made)


@blueprint.post("/admin/gateways/<gateway_id>")
@for_those_who("gateway:update")
def change_gateway(gateway_id: str) -> Response:
    """Drain a gateway, take it into use again, give it another key, or forget it."""
    require_token()
    gateways, person, here = services().gateways, actor(), url_for("portal.gateway_list")
    match request.form.get("change"):
        case "drain":
            return saved(lambda: gateways.update(person, gateway_id, state=GatewayState.DRAINING), here)
        case "use":
            return saved(lambda: gateways.update(person, gateway_id, state=GatewayState.ACTIVE), here)
        case "key":
            return _gateway_page(gateways.rotate_key(person, gateway_id))
        case "delete":
            return saved(lambda: gateways.delete(person, gateway_id), here)
        case _:
            raise InvalidInput("There is no such change.", fields={"change": "drain, use, key or delete"})


@blueprint.post("/admin/segments")
@for_those_who("gateway:update")
def new_segment() -> Response:
    """Take a client network for an inner one."""
    require_token()
    name, network = request.form.get("name", ""), request.form.get("network", "")
    return saved(lambda: services().gateways.add_segment(actor(), name, network), url_for("portal.gateway_list"))


@blueprint.post("/admin/segments/<segment_id>/remove")
@for_those_who("gateway:update")
def remove_segment(segment_id: str) -> Response:
    """Take a client network out again."""
    require_token()
    return saved(lambda: services().gateways.remove_segment(actor(), segment_id), url_for("portal.gateway_list"))


def _gateway_page(made: NewKey | None = None, *, asked: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """``asked``: what somebody wrote that was refused, to be put right."""
    gateways, person = services().gateways, actor()
    if made is not None:
        notice("info", gettext("The key is shown this once."))
    answer = page(
        "admin/gateways.html",
        status,
        gateways=gateways.list(person),
        segments=gateways.segments(person),
        made=made,
        asked=asked or {},
    )
    if made is not None:
        answer.headers["Cache-Control"] = "no-store"
    return answer
