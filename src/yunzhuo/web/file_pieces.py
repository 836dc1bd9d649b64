"""Files over HTTP as both doors, portal and API, take and give them: a piece a request (RFC 9110, section 14)."""

from http import HTTPStatus
from urllib.parse import quote

from flask import Response, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.http import parse_content_range_header

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.guests import FileView, Piece
from yunzhuo.webkit import actor, services

ARCHIVE_NAME = "files.zip"


def take(desktop_id: str, name: str) -> FileView | None:
    """Put the request's body into the desktop; answers the file once it is whole.

    ``Content-Range: bytes 0-9/20`` (or ``/*``) says which part of the file the body is, without it the body is the file.
    """
    content = request.get_data(cache=False)
    offset, size = _place(len(content))
    return services().guests.write_piece(actor(), desktop_id, name, content, offset=offset, size_bytes=size)


def give(desktop_id: str, name: str) -> Response:
    """A file that is no more than a piece, or the piece of it that begins where ``Range`` says."""
    offset = _wanted_offset()
    piece = services().guests.read_piece(actor(), desktop_id, name, offset=offset)
    if offset and offset >= piece.size_bytes:
        raise RequestedRangeNotSatisfiable(length=piece.size_bytes)
    response = Response(piece.content, mimetype="application/octet-stream", headers=_headers(name, piece))
    is_whole = len(piece.content) == piece.size_bytes
    response.status_code = HTTPStatus.OK if is_whole else HTTPStatus.PARTIAL_CONTENT
    return response


def _place(length: int) -> tuple[int, int | None]:
    """Where the body stands in the file, and how large the file is."""
    header = request.headers.get("Content-Range")
    if header is None:
        return 0, length
    found = parse_content_range_header(header)
    if found is None or found.start is None or found.stop is None or found.stop - found.start != length:
        raise InvalidInput("Content-Range does not fit the body.", fields={"Content-Range": "bytes FIRST-LAST/SIZE"})
    return found.start, found.length


def _wanted_offset() -> int:
    wanted = request.range
    if wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1:
        return 0
    return max(wanted.ranges[0][0], 0)


def _headers(name: str, piece: Piece) -> dict[str, str]:
    headers = {
        "Accept-Ranges": "bytes",
        # Never shown by the browser, whatever it holds: it comes from a place that is not ours.
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
    }
    if len(piece.content) != piece.size_bytes:
        headers["Content-Range"] = f"bytes {piece.offset}-{piece.offset + len(piece.content) - 1}/{piece.size_bytes}"
    return headers
