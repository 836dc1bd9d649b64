"""A desktop's own page: its screen, or what stands in its way; and the ticket that opens the screen."""

from dataclasses import replace

from flask import jsonify, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, YunzhuoError
from yunzhuo.services.access import may
from yunzhuo.services.consoles import Connection, ConsoleProtocol
from yunzhuo.services.desktop_views import DesktopView
from yunzhuo.services.guests import PIECE_BYTES
from yunzhuo.services.rules.lifecycle import STATE_DURING, State
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.pages import back_to, blueprint, events_from_now, notice, page, part, require_token
from yunzhuo.web.viewer_files import viewer_file_answer
from yunzhuo.webkit import actor, services, sessions
from yunzhuo.webkit.errors import problem_response
from yunzhuo.webkit.statuses import problem_of

# What the page shows first; from then on its script says (body[data-console]).
_FIRST = {
    State.STOPPED: "stopped",
    State.SUSPENDED: "stopped",
    State.BINNED: "stopped",
    State.ERROR: "failed",
    **dict.fromkeys(STATE_DURING.values(), "waiting"),
}


@blueprint.get("/desktops/<desktop_id>")
@sessions.signed_in
def desktop(desktop_id: str) -> Response:
    """The screen over the whole window; while there is none, what is going on and what can be done."""
    events_url = events_from_now()
    found = services().desktops.get(actor(), desktop_id)
    allowed = services().consoles.allowed(actor(), desktop_id) if may_connect(found) else {}
    state = console_state(found)
    return page("desktop.html", desktop=found, console=state, events_url=events_url, allowed=allowed, **_limits())


@blueprint.get("/desktops/<desktop_id>/stage")
@sessions.signed_in
def desktop_stage(desktop_id: str) -> Response:
    """What the page shows where there is no screen."""
    found = services().desktops.get(actor(), desktop_id)
    return part("_stage.html", desktop=found, console=console_state(found))


@blueprint.post("/desktops/<desktop_id>/connections")
def open_connection(desktop_id: str) -> Response:
    """A ticket for one session, as JSON; refusals are problem JSON in the person's language."""
    try:
        connection = services().consoles.open(
            actor(), desktop_id, _protocol(request.get_json(silent=True)), sign_in=sessions.current_secret()
        )
    except YunzhuoError as error:
        return problem_response(replace(problem_of(error), detail=messages.refusal(error)))
    return _told(connection)


@blueprint.post("/desktops/<desktop_id>/viewer-file")
@sessions.signed_in
def viewer_file(desktop_id: str) -> ResponseReturnValue:
    """A file that opens the screen in a native viewer."""
    require_token()
    here = url_for("portal.desktop", desktop_id=desktop_id)
    try:
        connection = services().consoles.open(actor(), desktop_id, ConsoleProtocol.SPICE, sign_in=sessions.current_secret())
    except Conflict as error:
        notice("bad", messages.refusal(error))
        return back_to(here)
    return viewer_file_answer(connection)


def _limits() -> dict[str, int]:
    """How much the page's script carries at once."""
    settings = services().settings
    return {
        "clipboard_bytes": settings.guests.clipboard_bytes,
        "file_bytes": settings.guests.file_bytes,
        "piece_bytes": min(PIECE_BYTES, settings.web.max_body_bytes),
    }


def console_state(desktop: DesktopView) -> str:
    """What the page of this desktop shows first to whoever asks."""
    if not may_connect(desktop):
        return "closed"
    return "connecting" if desktop.is_reachable else _FIRST.get(desktop.state, "failed")


def may_connect(desktop: DesktopView) -> bool:
    """Whether whoever asks may see this desktop's screen."""
    person = actor()
    return may(person, "desktop:connect", organization_id=person.organization_id, owner_id=desktop.owner_id)


def _protocol(body: object) -> ConsoleProtocol:
    try:
        return ConsoleProtocol(body["protocol"] if isinstance(body, dict) else "")
    except (KeyError, ValueError) as error:
        raise InvalidInput("There is no such protocol.", fields={"protocol": "One of vnc, spice."}) from error


def _told(connection: Connection) -> Response:
    answer = jsonify(
        id=connection.id,
        protocol=connection.protocol,
        url=connection.url,
        ticket=connection.ticket,
        subprotocol=connection.subprotocol,
        resume_subprotocol=connection.resume_subprotocol,
        resume_seconds=connection.resume_seconds,
        expires_at=connection.expires_at.isoformat(),
    )
    answer.status_code = 201
    return answer
