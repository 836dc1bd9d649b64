"""What is carried into a desktop and out of it: clipboard, files, a look at its screen. For its owner alone."""

from http import HTTPStatus

from apiflask import APIBlueprint
from flask import Response

from yunzhuo.web import file_pieces, thumbnails
from yunzhuo.web.api import models
from yunzhuo.web.api.desktops import of_visible_desktop
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, Json, refusals

blueprint = APIBlueprint("guests", __name__, tag="Inside a desktop")

_BYTES = {"schema": {"type": "string", "format": "binary"}}


@blueprint.get("/desktops/<desktop_id>/clipboard")
@blueprint.auth_required(bearer)
@blueprint.output(models.Clipboard)
@blueprint.doc(responses=refusals(401, 403, 404, 409, 422, 503))
def get_clipboard(desktop_id: str) -> models.Clipboard:
    """Read the desktop's clipboard"""
    return models.Clipboard(text=services().guests.get_clipboard(actor(), desktop_id))


@blueprint.put("/desktops/<desktop_id>/clipboard")
@blueprint.auth_required(bearer)
@of_visible_desktop
@blueprint.input(models.NewClipboard)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409, 503))
def set_clipboard(desktop_id: str, json_data: models.NewClipboard) -> tuple[str, int]:
    """Put text into the desktop's clipboard"""
    services().guests.set_clipboard(actor(), desktop_id, json_data.text)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/desktops/<desktop_id>/files")
@blueprint.auth_required(bearer)
@blueprint.output(models.FileList)
@blueprint.doc(responses=refusals(401, 403, 404, 409, 503))
def list_files(desktop_id: str) -> models.FileList:
    """List the desktop's download folder"""
    return models.FileList.of(services().guests.files(actor(), desktop_id))


@blueprint.get(f"/desktops/<desktop_id>/{file_pieces.ARCHIVE_NAME}")
@blueprint.auth_required(bearer)
@blueprint.doc(
    responses=refusals(
        401, 403, 404, 409, 422, 503, also={200: {"description": "The zip file.", "content": {"application/zip": _BYTES}}}
    )
)
def get_folder(desktop_id: str) -> Json:
    """Get the desktop's download folder as a zip file"""
    # What stands before us (transfers.py) makes the zip file of these while it asks for them, piece by piece.
    return models.FileList.of(services().guests.folder(actor(), desktop_id)).model_dump(mode="json")


@blueprint.get("/desktops/<desktop_id>/files/<name>")
@blueprint.auth_required(bearer)
@blueprint.doc(
    responses=refusals(
        401, 403, 404, 409, 422, 503, also={200: {"description": "The file.", "content": {"application/octet-stream": _BYTES}}}
    )
)
def get_file(desktop_id: str, name: str) -> Response:
    """Get a file out of the desktop

    The header `Range` asks for the piece that begins there; a piece is at most 1 MiB.
    """
    return file_pieces.give(desktop_id, name)


@blueprint.put("/desktops/<desktop_id>/files/<name>")
@blueprint.auth_required(bearer)
@of_visible_desktop
@blueprint.output(models.File, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409, 503, also={202: {"description": "A piece; more is to come."}}))
def put_file(desktop_id: str, name: str) -> models.File | Response:
    """Put a file into the desktop

    The body is the file as it is. With `Content-Range` it is a piece of at most 1 MiB: 202 until the piece that ends it.
    """
    file = file_pieces.take(desktop_id, name)
    return models.File.of(file) if file is not None else Response(status=HTTPStatus.ACCEPTED)


@blueprint.delete("/desktops/<desktop_id>/uploads/<name>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404, 409, 422, 503))
def drop_upload(desktop_id: str, name: str) -> tuple[str, int]:
    """Forget the pieces of a file that is not going to be whole"""
    services().guests.drop_partial(actor(), desktop_id, name)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/desktops/<desktop_id>/thumbnail")
@blueprint.auth_required(bearer)
@blueprint.doc(
    responses=refusals(
        401,
        403,
        404,
        422,
        503,
        also={
            200: {"description": "The picture, at most 480 by 300 pixels.", "content": {"image/jpeg": _BYTES}},
            304: {"description": "It is the one that `If-None-Match` names."},
        },
    )
)
def get_thumbnail(desktop_id: str) -> Response:
    """Get a small picture of the desktop's screen

    At most a few seconds old; of a suspended or stopped desktop it shows what was there before.
    """
    return thumbnails.give(desktop_id)
