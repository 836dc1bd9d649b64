"""What a desktop's page carries into the desktop and out of it: clipboard and files, as JSON for its script."""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from http import HTTPStatus
from typing import Any

from flask import jsonify, make_response, request
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import InvalidInput, YunzhuoError
from yunzhuo.services.guests import FileView
from yunzhuo.web import file_pieces, thumbnails
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.pages import blueprint
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.errors import problem_response
from yunzhuo.webkit.statuses import problem_of


def _for_a_script(route: Callable[..., Response]) -> Callable[..., Response]:
    """Refusals are problem JSON in the person's language."""

    @wraps(route)
    def told(**values: Any) -> Response:
        try:
            return route(**values)
        except YunzhuoError as error:
            return problem_response(replace(problem_of(error), detail=messages.refusal(error)))

    return told


@blueprint.get("/desktops/<desktop_id>/clipboard")
@_for_a_script
def get_clipboard(desktop_id: str) -> Response:
    """The desktop's clipboard."""
    return jsonify(text=services().guests.get_clipboard(actor(), desktop_id))


@blueprint.put("/desktops/<desktop_id>/clipboard")
@_for_a_script
def set_clipboard(desktop_id: str) -> Response:
    """Text for the desktop's clipboard."""
    body = request.get_json(silent=True)
    text = body.get("text") if isinstance(body, dict) else None
    if not isinstance(text, str):
        raise InvalidInput("The body has no text.", fields={"text": "is missing"})
    services().guests.set_clipboard(actor(), desktop_id, text)
    return make_response("", HTTPStatus.NO_CONTENT)


@blueprint.get("/desktops/<desktop_id>/files")
@_for_a_script
def list_files(desktop_id: str) -> Response:
    """What lies in the desktop's download folder."""
    return _listed([_told(file) for file in services().guests.files(actor(), desktop_id)])


@blueprint.get(f"/desktops/<desktop_id>/{file_pieces.ARCHIVE_NAME}")
@_for_a_script
def get_folder(desktop_id: str) -> Response:
    """What the whole folder holds; what stands before us (transfers.py) makes a zip file of it."""
    return _listed([_told(file) for file in services().guests.folder(actor(), desktop_id)])


@blueprint.get("/desktops/<desktop_id>/files/<name>")
@_for_a_script
def get_file(desktop_id: str, name: str) -> Response:
    """A file, or a piece of one."""
    return file_pieces.give(desktop_id, name)


@blueprint.put("/desktops/<desktop_id>/files/<name>")
@_for_a_script
def put_file(desktop_id: str, name: str) -> Response:
    """A file, or a piece of one, for the desktop."""
    file = file_pieces.take(desktop_id, name)
    if file is None:
        return make_response(jsonify(is_whole=False), HTTPStatus.ACCEPTED)
    return make_response(jsonify(_told(file)), HTTPStatus.CREATED)


@blueprint.delete("/desktops/<desktop_id>/uploads/<name>")
@_for_a_script
def drop_upload(desktop_id: str, name: str) -> Response:
    """Forget the pieces of a file that is not going to be whole."""
    services().guests.drop_partial(actor(), desktop_id, name)
    return make_response("", HTTPStatus.NO_CONTENT)


@blueprint.get("/desktops/<desktop_id>/thumbnail")
@_for_a_script
def get_thumbnail(desktop_id: str) -> Response:
    """A small picture of the desktop's screen."""
    return thumbnails.give(desktop_id)


def _listed(items: list[dict[str, object]]) -> Response:
    return jsonify(items=items)


def _told(file: FileView) -> dict[str, object]:
    return {"name": file.name, "size_bytes": file.size_bytes, "modified_at": file.modified_at.isoformat()}
