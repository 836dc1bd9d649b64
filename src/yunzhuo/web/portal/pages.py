"""What all pages share: the blueprint, how a page or a part of one is rendered, and the page that says what went wrong."""

from collections.abc import Mapping
from typing import Any, cast

from flask import Blueprint, Flask, flash, make_response, redirect, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response

from yunzhuo.services.access import Actor, Role
from yunzhuo.services.accounts import UserView
from yunzhuo.web.portal import messages
from yunzhuo.webkit import errors, request_id, services, sessions
from yunzhuo.webkit.problems import Problem

HOME = "portal.desktop_list"
EVENTS = "/events"  # answered by the stream process
LANGUAGE_NAMES = {"en": "English", "zh_CN": "简体中文"}

blueprint = Blueprint("portal", __name__, template_folder="templates")


def _set_up(state: BlueprintSetupState) -> None:
    errors.error_page(cast(Flask, state.app), error_page)
    state.app.context_processor(_for_all_templates)
    state.app.jinja_env.filters.update(elapsed=messages.elapsed, moment=messages.moment, size=messages.size)


blueprint.record_once(_set_up)


def _for_all_templates() -> dict[str, object]:
    return {
        "language_names": LANGUAGE_NAMES,
        "messages": messages,
        "is_administrator": is_administrator,
        "present_path": request.full_path.removesuffix("?"),
        "request_number": request_id(),
    }


def is_administrator(user: UserView | Actor) -> bool:
    """Whether somebody sees everybody's desktops."""
    return user.role is Role.ADMINISTRATOR


def is_part() -> bool:
    """Whether the browser asks for a part of a page (htmx, or a script of ours), not for a page."""
    return request.headers.get("HX-Request") == "true"


def events_from_now() -> str:
    """The address of the stream of changes from now on: asked for before what a page shows is read, so that none is missed."""
    return f"{EVENTS}?last_event_id={services().events.latest_id()}"


def page(template: str, status: int = 200, **values: Any) -> Response:
    """A page."""
    return make_response(render_template(f"portal/{template}", user=sessions.current_user(), **values), status)


def part(template: str, headers: Mapping[str, str] | None = None, **values: Any) -> Response:
    """A part of a page, with the notices that wait to be shown."""
    html = render_template(f"portal/{template}", user=sessions.current_user(), **values)
    notices = render_template("notices.html", is_part=True)
    return make_response(html + notices, 200, dict(headers or {}))


def back_to(address: str | None) -> Response:
    """Send the browser on after a form: to ``address`` if it is one of ours, else to the list of desktops."""
    return redirect(sessions.local_path(address, url_for(HOME)), 303)


def notice(kind: str, text: str) -> None:
    """Let the next page say something; ``kind`` is good, bad or info."""
    flash(text, kind)


def error_page(problem: Problem) -> str:
    """The page that a person sees when something went wrong."""
    return render_template("error.html", problem=problem, trouble=messages.trouble(problem))
