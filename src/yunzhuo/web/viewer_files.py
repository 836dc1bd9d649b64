"""A file that opens a screen in a native viewer, as an answer to a browser or a program."""

import re

from flask import Response

from yunzhuo.services.consoles import Connection
from yunzhuo.services.rules.viewer_file import viewer_file

VIEWER_FILE_TYPE = "application/x-virt-viewer"


def viewer_file_answer(connection: Connection) -> Response:
    """The file, for saving; it holds a ticket, so nothing on the way may keep it."""
    text = viewer_file(
        url=connection.url,
        ticket=connection.ticket,
        title=connection.desktop_name,
        certificate=connection.certificate,
    )
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", connection.desktop_name).strip("-.") or "desktop"
    answer = Response(text, content_type=VIEWER_FILE_TYPE)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.vv"'
    answer.headers["Cache-Control"] = "no-store"
    return answer
