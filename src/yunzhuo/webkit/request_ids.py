"""A name for every request, in the log, in the audit entries and in the answer; a proxy may have given it already."""

import re

import structlog
from flask import Flask, Response, g, request

from yunzhuo.phoenix.common.ids import new_id

HEADER = "X-Request-ID"
_SANE = re.compile(r"[A-Za-z0-9._-]{8,64}")


def sane_or_new(given: str | None) -> str:
    """The id that came with the request if it is one that is safe to write anywhere, else a new one."""
    return given if given is not None and _SANE.fullmatch(given) else new_id()


def install(app: Flask) -> None:
    """Name every request. To be installed before everything else that looks at requests."""

    def begin() -> None:
        g.request_id = sane_or_new(request.headers.get(HEADER))
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    def finish(response: Response) -> Response:
        response.headers[HEADER] = g.request_id
        return response

    def forget(_error: BaseException | None) -> None:
        structlog.contextvars.unbind_contextvars("request_id")

    app.before_request(begin)
    app.after_request(finish)
    app.teardown_request(forget)
