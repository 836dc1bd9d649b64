"""Being signed in with a browser. The truth is a row in the database; the cookie only carries its secret.

Every request looks the row up, so a session that was ended elsewhere is over at once.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import ParamSpec
from urllib.parse import urlsplit

from flask import Flask, current_app, redirect, request, session, url_for
from flask.sessions import SecureCookieSessionInterface
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, login_user, logout_user
from itsdangerous import URLSafeTimedSerializer
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import NotSignedIn
from yunzhuo.services.accounts import Granted, UserView
from yunzhuo.services.sessions import Browser
from yunzhuo.webkit import context, cookies

_Arguments = ParamSpec("_Arguments")
_SIGN_IN_ENDPOINT = "YUNZHUO_SIGN_IN_ENDPOINT"
_AWAITING = "awaiting"
_LONGEST_USER_AGENT = 255


class Person:
    """A signed-in user, in the shape that Flask-Login asks for."""

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def __init__(self, view: UserView, secret: str) -> None:
        self.view = view
        self._secret = secret

    def get_id(self) -> str:
        """What identifies the session in the cookie."""
        return self._secret


class _CookieInterface(SecureCookieSessionInterface):
    """Flask's sessions, signed in a way that the stream process can read without Flask."""

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        return cookies.serializer(str(app.secret_key)) if app.secret_key else None


def install(app: Flask, *, is_https: bool, sign_in_endpoint: str, first_steps: context.FirstSteps) -> None:
    """Prepare the application for signed-in browsers; the endpoint is where people are sent to sign in."""
    app.config.update(
        {
            "SESSION_COOKIE_NAME": cookies.name_of(cookies.COOKIE_NAME, is_https=is_https),
            "SESSION_COOKIE_HTTPONLY": True,
            "SESSION_COOKIE_SAMESITE": "Lax",
            "SESSION_COOKIE_SECURE": is_https,
            "PERMANENT_SESSION_LIFETIME": timedelta(seconds=cookies.MAX_AGE_SECONDS),
            _SIGN_IN_ENDPOINT: sign_in_endpoint,
            context.STEPS: first_steps,
        }
    )
    app.session_interface = _CookieInterface()
    manager = LoginManager(app)
    manager.session_protection = None  # binding to the client's address would sign out whoever walks between networks
    manager.user_loader(_person)


def _person(secret: str) -> Person | None:
    try:
        return Person(context.services().sessions.user(secret), secret)
    except NotSignedIn:
        return None


def sign_in(granted: Granted) -> None:
    """Make this browser the session's. What the cookie held before is forgotten, except for the language.

    A session that awaits a factor is kept beside, where it counts for nothing but giving the factor.
    """
    language = session.get("language")
    session.clear()
    if language is not None:
        session["language"] = language
    if granted.awaits_factor:
        session[_AWAITING] = granted.secret
        return
    # A remembered browser keeps its cookie when it is closed; how long it counts stands in the database.
    if granted.is_remembered:
        session.permanent = True
    login_user(Person(granted.user, granted.secret))
    # Flask-Login's guesses whether it is the same browser: not used, so not carried.
    session.pop("_fresh", None)
    session.pop("_id", None)


def awaiting_secret() -> str | None:
    """The secret of a session that awaits its second factor, or None."""
    secret = session.get(_AWAITING)
    return secret if isinstance(secret, str) else None


def browser() -> Browser:
    """What this browser says of itself."""
    user_agent = request.headers.get("User-Agent", "")[:_LONGEST_USER_AGENT]
    return Browser(user_agent or None, request.cookies.get(_device_cookie(), ""))


def know_browser(response: Response, user: UserView) -> Response:
    """Mark this browser as one that its owner has used; it survives signing out, and lets nobody in."""
    marks = context.services().sign_ins.marked(browser().marks, user.id)
    response.set_cookie(
        _device_cookie(),
        marks,
        max_age=cookies.DEVICE_SECONDS,
        secure=_is_https(),
        httponly=True,
        samesite="Strict",
    )
    return response


def sign_out() -> None:
    """End this browser's session, here and in the database."""
    secret = current_secret()
    if secret is not None:
        context.services().sessions.sign_out(secret)
    language = session.get("language")
    logout_user()
    session.clear()
    if language is not None:
        session["language"] = language


def current_user() -> UserView | None:
    """Who this browser is signed in as, or None."""
    return context.signed_in_user()


def current_secret() -> str | None:
    """The secret of this browser's session, or None; for keeping this session when all others end."""
    secret = session.get(cookies.SECRET_FIELD)
    return secret if isinstance(secret, str) else None


def renew(secret: str | None) -> None:
    """Let this browser's session go on under another secret; None: under the one it has."""
    if secret is not None:
        session[cookies.SECRET_FIELD] = secret


def signed_in(page: Callable[_Arguments, ResponseReturnValue]) -> Callable[_Arguments, ResponseReturnValue]:
    """A page for signed-in people only: others are sent to sign in, and come back afterwards.

    Whoever still has a one-time password is sent to choose one of their own, wherever they want to go; then whoever has to
    have a second factor is sent to set one up.
    """

    @wraps(page)
    def guarded(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> ResponseReturnValue:
        user = current_user()
        if user is None:
            return to_sign_in()
        step = context.first_step(user)
        if step is not None:
            return go_to(url_for(step))
        return page(*args, **kwargs)

    return guarded


def to_sign_in() -> Response:
    """Send the browser to the sign-in page, with the way back where there is one."""
    endpoint = current_app.config[_SIGN_IN_ENDPOINT]
    if request.method not in {"GET", "HEAD"} or _is_part_of_page():
        return go_to(url_for(endpoint))
    wanted = request.full_path.removesuffix("?")
    return go_to(url_for(endpoint, next=wanted) if wanted != "/" else url_for(endpoint))


def go_to(address: str) -> Response:
    """Send the browser to another page; the whole window, also when only a part of it was asked for (htmx)."""
    if _is_part_of_page():
        return Response(status=204, headers={"HX-Redirect": address})
    return redirect(address, 303)


def local_path(address: str | None, default: str) -> str:
    """``address`` if it is a path on this site, else ``default``: a link to us must not lead people elsewhere."""
    if not address or not address.startswith("/") or address.startswith(("//", "/\\")):
        return default
    if any(character < " " or character == "\x7f" for character in address):
        return default  # browsers drop tabs and newlines, and may find another host behind them
    try:
        parts = urlsplit(address)
    except ValueError:
        return default
    return address if not parts.scheme and not parts.netloc else default


def _is_https() -> bool:
    return bool(current_app.config["SESSION_COOKIE_SECURE"])


def _device_cookie() -> str:
    return cookies.name_of(cookies.DEVICE_COOKIE_NAME, is_https=_is_https())


def _is_part_of_page() -> bool:
    return request.headers.get("HX-Request") == "true"
