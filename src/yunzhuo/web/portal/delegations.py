"""What people let each other do with their desktops."""

from datetime import UTC, date, datetime, time

from flask import request, url_for
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.delegations import DELEGATED_VERBS
from yunzhuo.web.portal.administration import person_with
from yunzhuo.web.portal.pages import blueprint, for_those_who, page, require_token, saved
from yunzhuo.web.portal.verb_words import VERBS
from yunzhuo.webkit import actor, services


@blueprint.get("/sharing")
@for_those_who("delegation:read")
def sharing() -> Response:
    """Whom one lets use one's desktops, and who lets oneself."""
    found, me = services().delegations.list(actor()), actor().user_id
    verbs = [(verb, VERBS[verb]) for verb in DELEGATED_VERBS if verb != "desktop:read"]
    given = [each for each in found if each.from_user_id == me]
    return page("sharing.html", given=given, got=[each for each in found if each.to_user_id == me], verbs=verbs, meanings=VERBS)


@blueprint.post("/sharing")
@for_those_who("delegation:create")
def share() -> Response:
    """Let somebody use one's desktops until the end of a day, or no more."""
    require_token()
    delegations, person, asked = services().delegations, actor(), request.form

    def change() -> None:
        if asked.get("change") == "take back":
            delegations.take_back(person, asked.get("user", ""))
            return
        to = person_with(asked.get("email", ""))
        delegations.let(person, to, asked.getlist("verbs"), _end_of(asked.get("until", "")))

    return saved(change, url_for("portal.sharing"))


def _end_of(day: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(day), time.max, UTC)
    except ValueError as error:
        raise InvalidInput("This is not a day.", fields={"until": "A day, as 2026-03-02."}) from error
