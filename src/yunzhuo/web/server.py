"""The web process: Flask in a pool of threads, event streams beside it, on one port."""

import contextlib
from typing import Any, cast

from a2wsgi import WSGIMiddleware
from flask import Flask

from yunzhuo.phoenix.common.logging import configure, get_logger
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.security.secrets import load_or_make
from yunzhuo.services.assembly import services
from yunzhuo.services.first_start import web_secret_file
from yunzhuo.services.guests import PIECE_BYTES
from yunzhuo.web.app import create_app
from yunzhuo.web.forwarding import EventForwarder
from yunzhuo.web.transfers import Transfers
from yunzhuo.webkit import serving
from yunzhuo.webkit.asgi import App, Receive, Scope, Send
from yunzhuo.webkit.headers import security_headers
from yunzhuo.webkit.intake import Intake

log = get_logger()

STREAM_PATHS = frozenset({"/events", "/api/v1/events"})


# Where passwords come in. To compare one takes long, by intention: that needs threads of its own, or a class that signs in
# together would leave none for pages.
PASSWORD_PATHS = frozenset(
    {
        "/sign-in",
        "/register",
        "/reset",
        "/password",
        "/security/password",
        "/api/v1/tokens",
        "/api/v1/registrations",
        "/api/v1/password-resets/completion",
        "/api/v1/users/me/password",
    }
)
_PASSWORD_THREADS = 4


class Front:
    """Sends each request where it is answered: event streams to the stream process, everything else to Flask: passwords in
    threads of their own."""

    def __init__(self, pages: App, passwords: App, streams: App) -> None:
        self._pages = pages
        self._passwords = passwords
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._place(scope["method"], scope["path"])(scope, receive, send)

    def _place(self, method: str, path: str) -> App:
        if method == "GET" and path in STREAM_PATHS:
            return self._streams
        if method == "POST" and path in PASSWORD_PATHS:
            return self._passwords
        return self._pages


def run(settings: Settings, supervised: bool) -> int:
    """Serve the portal and the API until told to end; the exit code is 0. Raises Unavailable when the port is taken."""
    configure("web", level=settings.log.level, style=settings.log.style)
    listener = serving.listen(settings.web.host, settings.web.port, setting="[web] port")
    with services(settings) as all_services:
        app = create_app(all_services, secret_key=load_or_make(web_secret_file(settings)))
        threads, password_threads = _threads(app, settings.web.threads), _threads(app, _PASSWORD_THREADS)
        is_https = settings.public_url.startswith("https://")
        streams = EventForwarder(
            settings.stream.port,
            silence_seconds=2 * settings.stream.keepalive_seconds + 5,
            headers=security_headers(settings.gateway_url, is_https=is_https),
        )
        taken_in = Intake(threads, max_body_bytes=settings.web.max_body_bytes)
        pages = Transfers(taken_in, piece_bytes=min(PIECE_BYTES, settings.web.max_body_bytes))
        front = Front(pages, Intake(password_threads, max_body_bytes=settings.web.max_body_bytes), streams)
        log.info("web_listening", url=settings.public_url, host=settings.web.host, port=settings.web.port)
        serving.serve(front, listener, supervised=supervised, beside=contextlib.nullcontext(), on_end=streams.close)
    return 0


def _threads(app: Flask, number: int) -> App:
    """The application in so many threads."""
    return cast(App, WSGIMiddleware(cast(Any, app), workers=number))  # its types name every key
