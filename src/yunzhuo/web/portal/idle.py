"""What is done about desktops that nobody uses: for the organization, and for pools."""

from collections.abc import Mapping

from flask import request, url_for
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.rules.idle import IdleDeed, Terms
from yunzhuo.web.portal.idle_words import DEEDS, LABELS
from yunzhuo.web.portal.pages import blueprint, for_those_who, page, require_token, saved
from yunzhuo.webkit import actor, services


@blueprint.get("/admin/idle")
@for_those_who("lease:read")
def idle_rules() -> Response:
    """What is done about idle desktops of the organization and of its pools."""
    return page("admin/idle.html", several=services().idle.list(actor()), deeds=DEEDS, labels=LABELS)


@blueprint.post("/admin/idle")
@for_those_who("lease:update")
def change_idle_rules() -> Response:
    """Say it for one of them, or let what holds elsewhere hold again."""
    require_token()
    person, asked, here = actor(), request.form, url_for("portal.idle_rules")
    subject_id = asked.get("subject", "")
    if asked.get("change") == "drop":
        return saved(lambda: services().idle.drop(person, subject_id), here)
    return saved(lambda: services().idle.put(person, subject_id, _terms(asked)), here)


def _terms(asked: Mapping[str, str]) -> Terms:
    """What the form says; what is no number, or no deed, is nobody's rules."""
    said = {name: asked.get(name, "").strip() for name in LABELS}
    wrong = {name: "A number." for name, text in said.items() if not text.isdecimal() and (text or name == "notice_minutes")}
    deeds = {name: asked.get(name, "") for name in ("disconnected_deed", "no_input_deed")}
    wrong |= {name: "One of them." for name, deed in deeds.items() if deed not in set(IdleDeed)}
    if wrong:
        raise InvalidInput("The rules are not valid.", fields=wrong)
    numbers = {name: int(text[:9]) if text else None for name, text in said.items()}
    notice_minutes = numbers.pop("notice_minutes") or 0
    return Terms(**numbers, **{name: IdleDeed(deed) for name, deed in deeds.items()}, notice_minutes=notice_minutes)  # type: ignore[arg-type]  # by name
