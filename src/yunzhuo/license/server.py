"""The license server's process: Flask in a few threads on a port of its own, behind a proxy that speaks HTTPS."""

import contextlib
from typing import Any, cast

from a2wsgi import WSGIMiddleware

from yunzhuo.license.app import MAX_BODY_BYTES, create_app
from yunzhuo.license.assembly import license_services, upgrade_database, web_secret_file
from yunzhuo.phoenix.common.logging import configure, get_logger
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.security.secrets import load_or_make
from yunzhuo.webkit import serving
from yunzhuo.webkit.asgi import App
from yunzhuo.webkit.intake import Intake

log = get_logger()
_THREADS = 8


def run(settings: Settings, supervised: bool) -> int:
    """Serve until told to end; the exit code is 0. Raises Unavailable when the port is taken."""
    configure("license", level=settings.log.level, style=settings.log.style)
    server = settings.license_server
    listener = serving.listen(server.host, server.port, setting="[license_server] port")
    upgrade_database(settings)
    with license_services(settings) as all_services:
        app = create_app(all_services, secret_key=load_or_make(web_secret_file(settings)))
        threads = cast(App, WSGIMiddleware(cast(Any, app), workers=_THREADS))
        front = Intake(threads, max_body_bytes=MAX_BODY_BYTES)
        log.info("license_server_listening", host=server.host, port=server.port)
        serving.serve(front, listener, supervised=supervised, beside=contextlib.nullcontext(), on_end=_nothing)
    return 0


def _nothing() -> None:
    """There is nothing that would last for ever."""
