"""Events: changes as they happen, as server-sent events.

The stream process answers these; the web process's listener sends requests there before they come here. So what stands
here is the documentation, and the answer of a web process that nobody put a listener before.
"""

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from yunzhuo.phoenix.common.errors import Unavailable
from yunzhuo.web.api import models
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import refusals

blueprint = APIBlueprint("events", __name__, tag="Events")

_EXAMPLE = """retry: 2000

id: 41
event: desktop.changed
data: {"event_id": 41, "object_id": "0b6f7a0e-6d0c-4d6a-9a35-0f0a3f6d8a11", "at": "2026-03-02T08:00:00.123456Z", \
"state": "building", "wanted": "running", \
"operation": {"id": "5b1f...", "action": "create", "status": "running", "position": 2, "error": null}}

: keepalive

"""
_STREAM: dict[str, str | dict[str, dict[str, Any]]] = {
    "description": "The stream: one `desktop.changed` for every change, and a comment now and then. `stream.reset` says that "
    "what was missed is too long ago to be told: read anew what matters.",
    "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
}


@blueprint.get("/events")
@blueprint.auth_required(bearer)
@blueprint.input(models.EventQuery, location="query")
@blueprint.doc(responses=refusals(401, 422, 503, also={200: _STREAM}))
def stream(query_data: models.EventQuery) -> Response:
    """Watch changes as they happen

    A stream ends when its token does. Taken up again with `Last-Event-ID`, it first tells what was missed; around the cut
    an event may be told twice, and none is lost. Events are kept for a week.
    """
    raise Unavailable("stream_unavailable", "The event stream cannot be reached; try again in a moment.")
