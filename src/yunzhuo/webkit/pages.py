"""What the pages of every process share: how one is rendered, the way on after a form, who a page is for, what went wrong.

The blueprint of the pages is called ``portal`` in every process: templates that both have name endpoints by it.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec

from flask import Blueprint, Flask, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, NotFound
from yunzhuo.services.access import scope_of
from yunzhuo.webkit import errors, messages, product, sessions
from yunzhuo.webkit.context import actor, request_id
from yunzhuo.webkit.forms import EmptyForm
from yunzhuo.webkit.problems import Problem

LANGUAGE_NAMES = {"en": "English", "zh_CN": "简体中文"}
_Arguments = ParamSpec("_Arguments")
_Page = Callable[_Arguments, ResponseReturnValue]


class Routes:
    """Pages that more than one process has: each puts them into its own blueprint."""

    def __init__(self) -> None:
        self._rules: list[tuple[str, Callable[..., ResponseReturnValue], list[str]]] = []

    def get(self, rule: str) -> Callable[[_Page[_Arguments]], _Page[_Arguments]]:
        """A page to look at."""
        return self.route(rule, methods=["GET"])

    def post(self, rule: str) -> Callable[[_Page[_Arguments]], _Page[_Arguments]]:
        """What a form is sent to."""
        return self.route(rule, methods=["POST"])

    def route(self, rule: str, *, methods: list[str]) -> Callable[[_Page[_Arguments]], _Page[_Arguments]]:
        """As Flask's of the same name; the endpoint is the function's name."""

        def kept(view: _Page[_Arguments]) -> _Page[_Arguments]:
            self._rules.append((rule, view, methods))
            return view

        return kept

    def add_to(self, blueprint: Blueprint) -> None:
        """Put them into a process's blueprint."""
        for rule, view, methods in self._rules:
            blueprint.add_url_rule(rule, view_func=view, methods=methods)


def set_up(app: Flask, more: Callable[[], Mapping[str, object]]) -> None:
    """Give templates what they all use, and ``more``; errors get a page."""
    errors.error_page(app, _error_page)
    app.context_processor(lambda: {**_for_all_templates(), **more()})
    app.jinja_env.filters.update(elapsed=messages.elapsed, moment=messages.moment, size=messages.size)


def _for_all_templates() -> dict[str, object]:
    return {
        "language_names": LANGUAGE_NAMES,
        "messages": messages,
        "may_do": may_do,
        "present_path": request.full_path.removesuffix("?"),
        "request_number": request_id(),
    }


def _error_page(problem: Problem) -> str:
    return render_template("error.html", problem=problem, trouble=messages.trouble(problem))


def may_do(verb: str) -> bool:
    """Whether whoever asks may ``verb`` anything at all."""
    return scope_of(actor(), verb) is not None


def home() -> str:
    """The address where people land."""
    return url_for(product.product().home)


def page(template: str, status: int = 200, **values: Any) -> Response:
    """A page."""
    return make_response(render_template(template, user=sessions.current_user(), **values), status)


def back_to(address: str | None) -> Response:
    """Send the browser on after a form: to ``address`` if it is one of ours, else to where people land."""
    return redirect(sessions.local_path(address, home()), 303)


def notice(kind: str, text: str) -> None:
    """Let the next page say something; ``kind`` is good, bad or info."""
    flash(text, kind)


def for_those_who(verb: str) -> Callable[[_Page[_Arguments]], _Page[_Arguments]]:
    """A page that exists for those only who may ``verb``; others who are signed in get a 404, as for any wrong address."""

    def kept(route: _Page[_Arguments]) -> _Page[_Arguments]:
        @wraps(route)
        def guarded(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> ResponseReturnValue:
            if not may_do(verb):
                raise NotFound("not_found", "There is nothing at this address.")
            return route(*args, **kwargs)

        return sessions.signed_in(guarded)

    return kept


def require_token() -> None:
    """Raises InvalidInput for a form that is none of ours."""
    if not EmptyForm().validate_on_submit():
        raise InvalidInput("The form is not valid.")


def saved(change: Callable[[], object], address: str) -> Response:
    """Make a change, and go on to ``address`` with what became of it. What is not there or not allowed is an error page."""
    try:
        change()
    except (Conflict, InvalidInput) as error:
        known = messages.field_errors(error) if isinstance(error, InvalidInput) else {}
        notice("bad", " ".join(known.values()) or messages.refusal(error))
    else:
        notice("good", gettext("Saved."))
    return back_to(address)
