"""A person's own settings."""

from collections.abc import Mapping, Sequence
from functools import cache

from babel import Locale
from babel.dates import get_timezone_location
from flask import url_for
from flask_babel import get_locale, gettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.accounts import time_zones
from yunzhuo.webkit import actor, languages, messages, services, sessions
from yunzhuo.webkit.forms import ProfileForm
from yunzhuo.webkit.pages import Routes, back_to, notice, page
from yunzhuo.webkit.statuses import STATUS

routes = Routes()


@routes.route("/profile", methods=["GET", "POST"])
@sessions.signed_in
def profile() -> Response:
    """Who I am here, in which language I read, and in which time zone."""
    user = sessions.current_user()
    form = ProfileForm(language=languages.current(), time_zone=user.time_zone or "" if user else "")
    if form.validate_on_submit():
        try:
            services().accounts.choose_time_zone(actor(), form.time_zone.data or None)
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        else:
            languages.remember(form.language.data)
            notice("good", gettext("Saved."))
            return back_to(url_for("portal.profile"))
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    return page("account/profile.html", status, form=form, zones=_zones(str(get_locale())))


@cache
def _zones(locale: str) -> Mapping[str, Sequence[tuple[str, str]]]:
    """(Zone, place as people read it) by part of the world; naming four hundred places takes its time, so once a language."""
    language = Locale.parse(locale)
    zones: dict[str, list[tuple[str, str]]] = {}
    for zone in sorted(time_zones()):
        zones.setdefault(zone.partition("/")[0], []).append((zone, _place(zone, language)))
    return zones


def _place(zone: str, language: Locale) -> str:
    place = get_timezone_location(zone, locale=language, return_city=True)
    return f"{place} ({zone})" if place else zone
