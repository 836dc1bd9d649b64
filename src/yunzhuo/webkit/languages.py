"""The language of a page: the person's choice, then this browser's, then what the browser asks for, then ours.

Times on a page are in the time zone of the person's choice, else in UTC.
"""

from datetime import tzinfo
from pathlib import Path

from babel.dates import get_timezone
from flask import Flask, has_request_context, request, session
from flask_babel import Babel, get_locale

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.accounts import LANGUAGES
from yunzhuo.webkit import context

_BY_PRIMARY = {language.split("_", maxsplit=1)[0]: language for language in LANGUAGES}
_TRANSLATIONS = Path(__file__).parent / "translations"


def install(app: Flask, *, default: str) -> None:
    """Choose a language for every request; ``default`` is the installation's."""

    def choose() -> str:
        return _chosen() or _asked_for() or default

    Babel(
        app,
        default_locale=default,
        default_translation_directories=str(_TRANSLATIONS),
        locale_selector=choose,
        timezone_selector=_time_zone,
    )
    app.jinja_env.globals.update(language=current, language_tag=current_tag)


def current() -> str:
    """The language of this request's answer, one of :data:`LANGUAGES`."""
    return _BY_PRIMARY[get_locale().language]  # Babel adds the script by itself: zh_Hans_CN


def current_tag() -> str:
    """The same as HTML writes it: ``en``, ``zh-CN``."""
    return current().replace("_", "-")


def remember(language: str) -> None:
    """Keep a person's choice: in this browser, and with their account when they are signed in. Raises InvalidInput."""
    if language not in LANGUAGES:
        raise InvalidInput("There is no such language.", fields={"language": f"One of {', '.join(LANGUAGES)}."})
    session["language"] = language
    if context.signed_in_user() is not None:
        context.services().accounts.choose_language(context.actor(), language)


def settle() -> None:
    """Keep the language of this page as the choice of a signed-in person who has made none: their desktops speak it."""
    user = context.signed_in_user()
    if user is not None and user.language is None:
        context.services().accounts.choose_language(context.actor(), current())


def _chosen() -> str | None:
    if not has_request_context():
        return None
    user = context.signed_in_user()
    choices = (user.language if user else None, session.get("language"))
    return next((choice for choice in choices if choice in LANGUAGES), None)


def _time_zone() -> tzinfo | None:
    user = context.signed_in_user() if has_request_context() else None
    try:
        return get_timezone(user.time_zone) if user and user.time_zone else None
    except LookupError:  # chosen from the system's zones, which may be newer than Babel's
        return None


def _asked_for() -> str | None:
    """The first of the browser's languages that we have, by the language alone: any Chinese is nearer than English."""
    wanted = (
        tag.replace("_", "-").split("-", maxsplit=1)[0].lower() for tag, quality in request.accept_languages if quality > 0
    )
    return next((_BY_PRIMARY[primary] for primary in wanted if primary in _BY_PRIMARY), None)
