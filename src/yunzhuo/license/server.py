"""The license server's process: Flask in a few threads on a port of its own, with TLS itself or behind a proxy."""

import asyncio
import contextlib
from typing import Any, cast

from a2wsgi import WSGIMiddleware

from yunzhuo.license.app import MAX_BODY_BYTES, create_app
from yunzhuo.license.assembly import license_services, upgrade_database, web_secret_file
from yunzhuo.license.notices import Notices
from yunzhuo.phoenix.common.logging import configure, get_logger
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.security.secrets import load_or_make
from yunzhuo.webkit import serving
from yunzhuo.webkit.asgi import App
from yunzhuo.webkit.intake import Intake

log = get_logger()
_THREADS = 8
MAIL_SECONDS = 10.0


class Repeated:
    """Looks at what is to be told, and sends it, every ``seconds`` while it is entered. What fails is tried again."""

    def __init__(self, notices: Notices, seconds: float) -> None:
        self._notices = notices
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._go_on())

    async def __aexit__(self, *_error: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _go_on(self) -> None:
        while True:
            await asyncio.to_thread(self._once)
            await asyncio.sleep(self._seconds)

    def _once(self) -> None:
        try:
            self._notices.round()
            self._notices.send_due()
        except Exception:  # whatever it is, the next round may do
            log.exception("notices_failed")


def run(settings: Settings, supervised: bool) -> int:
    """Serve until told to end; the exit code is 0. Raises Unavailable when the port is taken."""
    configure("license", level=settings.log.level, style=settings.log.style)
    server = settings.license_server
    tls = None
    if server.tls_certificate:
        tls = serving.tls_of(server.tls_certificate, server.tls_key, setting="[license_server] tls_certificate and tls_key")
    listener = serving.listen(server.host, server.port, setting="[license_server] port")
    upgrade_database(settings)
    with license_services(settings) as all_services:
        app = create_app(all_services, secret_key=load_or_make(web_secret_file(settings)))
        threads = cast(App, WSGIMiddleware(cast(Any, app), workers=_THREADS))
        mail = Repeated(all_services.notices, MAIL_SECONDS)
        front = Intake(threads, max_body_bytes=MAX_BODY_BYTES)
        log.info("license_server_listening", url=settings.license_server_url, host=server.host, port=server.port)
        serving.serve(front, listener, supervised=supervised, beside=mail, on_end=_nothing, tls=tls)
    return 0


def _nothing() -> None:
    """There is nothing that would last for ever."""
