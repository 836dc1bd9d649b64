"""A thumbnail over HTTP as both doors, portal and API, give it: asked for again and again, sent only when it is another."""

from flask import Response, request

from yunzhuo.services.thumbnails import MEDIA_TYPE
from yunzhuo.webkit import actor, services


def give(desktop_id: str) -> Response:
    """The picture, or 304 when the asker has it already (RFC 9110, section 13)."""
    thumbnail = services().thumbnails.look(actor(), desktop_id)
    response = Response(thumbnail.content, mimetype=MEDIA_TYPE)
    response.set_etag(thumbnail.etag)
    response.last_modified = thumbnail.taken_at
    # In the person's own browser only, and asked for again each time: the right to see it may end.
    response.headers["Cache-Control"] = "private, no-cache"
    response.make_conditional(request)
    return response
