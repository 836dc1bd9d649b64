"""The web process: Flask in a pool of threads, event streams beside it, on one port."""

from typing import Any, cast

from a2wsgi import WSGIMiddleware

from yunzhuo.phoenix.common.logging import configure, get_logger
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.security.secrets import load_or_make
from yunzhuo.services.assembly import services, web_secret_file
from yunzhuo.services.guests import PIECE_BYTES
from yunzhuo.web import serving
from yunzhuo.web.app import create_app
from yunzhuo.web.asgi import App, Receive, Scope, Send
from yunzhuo.web.forwarding import EventForwarder
from yunzhuo.web.intake import Intake
from yunzhuo.web.transfers import Transfers
from yunzhuo.webkit.headers import security_headers

log = get_logger()

STREAM_PATHS = frozenset({"/events", "/api/v1/events"})


class Front:
    """Sends each request where it is answered: event streams to the stream process, everything else to Flask."""

    def __init__(self, pages: App, streams: App) -> None:
        self._pages = pages
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_stream = scope["path"] in STREAM_PATHS and scope["method"] == "GET"
        await (self._streams if is_stream else self._pages)(scope, receive, send)


def run(settings: Settings, supervised: bool) -> int:
    """Serve the portal and the API until told to end; the exit code is 0. Raises Unavailable when the port is taken."""
    configure("web", level=settings.log.level, style=settings.log.style)
    listener = serving.listen(settings.web.host, settings.web.port, setting="[web] port")
    with services(settings) as all_services:
        app = create_app(all_services, secret_key=load_or_make(web_secret_file(settings)))
        threads = cast(App, WSGIMiddleware(cast(Any, app), workers=settings.web.threads))  # its types name every key
        is_https = settings.public_url.startswith("https://")
        streams = EventForwarder(
            settings.stream.port,
            silence_seconds=2 * settings.stream.keepalive_seconds + 5,
            headers=security_headers(settings.gateway_url, is_https=is_https),
        )
        taken_in = Intake(threads, max_body_bytes=settings.web.max_body_bytes)
        pages = Transfers(taken_in, piece_bytes=min(PIECE_BYTES, settings.web.max_body_bytes))
        front = Front(pages, streams)
        log.info("web_listening", url=settings.public_url, host=settings.web.host, port=settings.web.port)
        serving.serve(front, listener, supervised=supervised, beside=streams, on_end=streams.close)
    return 0
