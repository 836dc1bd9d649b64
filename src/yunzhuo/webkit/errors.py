"""Errors as answers: a page for people, problem JSON for programs. What status an error has is for the application to say."""

from collections.abc import Callable

from flask import Flask, json, request
from markupsafe import escape
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import NotSignedIn
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.webkit import context, sessions
from yunzhuo.webkit.problems import MEDIA_TYPE, Problem

log = get_logger()

Describe = Callable[[Exception], Problem]
RenderPage = Callable[[Problem], str]
_EXTENSION = "yunzhuo-error-page"
_SERVER_ERROR = 500


def install(
    app: Flask, describe: Describe, *, programs_ask_below: tuple[str, ...], also: tuple[type[Exception], ...] = ()
) -> None:
    """Answer every error: with problem JSON below the given paths, with a page elsewhere.

    ``also`` are kinds of errors that somebody else has registered an answer for: ours counts.
    """

    def answer(error: Exception) -> Response | HTTPException:
        if isinstance(error, RequestRedirect):
            return error
        problem = describe(error)
        if problem.status >= _SERVER_ERROR:
            log.error("request_failed", code=problem.code, method=request.method, path=request.path, exc_info=error)
        if request.path.startswith(programs_ask_below):
            return problem_response(problem)
        if isinstance(error, NotSignedIn):
            return sessions.to_sign_in()
        return _page(app, problem)

    for kind in (Exception, HTTPException, *also):
        app.register_error_handler(kind, answer)


def error_page(app: Flask, render: RenderPage) -> None:
    """Let ``render`` make the page that people see when something went wrong."""
    app.extensions[_EXTENSION] = render


def problem_response(problem: Problem) -> Response:
    """The answer for programs."""
    body = json.dumps(problem.members(context.request_id()))
    return Response(body, problem.status, dict(problem.headers), content_type=MEDIA_TYPE)


def _page(app: Flask, problem: Problem) -> Response:
    render: RenderPage = app.extensions.get(_EXTENSION, _plain)
    try:
        text = render(problem)
    except Exception:
        # The page itself may need what has just failed (the database, say); people are told all the same.
        log.exception("error_page_failed", code=problem.code)
        text = _plain(problem)
    return Response(text, problem.status, dict(problem.headers), content_type="text/html; charset=utf-8")


def _plain(problem: Problem) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{problem.title}</title>'
        f"<h1>{problem.status} {problem.title}</h1><p>{escape(problem.detail)}</p>"
        f"<p>{context.request_id()}</p></html>"
    )
