"""A desktop's virtual machine as administrators see it: what is done to it beside its owner's day, and its console log."""

from flask import request, url_for
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, LimitReached, NotOffered, Unavailable
from yunzhuo.services.care import CareDeed, fitting_deeds
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.care_words import DEEDS
from yunzhuo.web.portal.pages import back_to, blueprint, for_those_who, notice, page
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.forms import EmptyForm
from yunzhuo.webkit.statuses import status_of

_DEED = f"<any({', '.join(deed.value for deed in CareDeed)}):name>"


@blueprint.get("/desktops/<desktop_id>/machine")
@for_those_who("desktop:care")
def machine(desktop_id: str) -> Response:
    """Where it is, what the cloud calls it, and what can be done to it now."""
    found = services().desktops.get(actor(), desktop_id)
    return page("machine.html", desktop=found, deeds=[(deed, DEEDS[deed]) for deed in fitting_deeds(found)])


@blueprint.route(f"/desktops/<desktop_id>/machine/{_DEED}", methods=["GET", "POST"])
@for_those_who("desktop:care")
def care_for(desktop_id: str, name: str) -> Response:
    """Ask whether it is meant, then do it."""
    deed, back = CareDeed(name), url_for("portal.machine", desktop_id=desktop_id)
    if not EmptyForm().validate_on_submit():
        found = services().desktops.get(actor(), desktop_id)
        images = services().catalog.images(actor()) if deed is CareDeed.RESCUE else []
        part = "portal/_care_question.html"
        return page("question.html", desktop=found, part=part, deed=deed, words=DEEDS[deed], images=images, back=back)
    image_id = request.form.get("image") if deed is CareDeed.RESCUE else None
    try:
        services().care.do(actor(), desktop_id, deed, image_id=image_id or None)
    except (Conflict, InvalidInput, LimitReached, NotOffered, Unavailable) as error:
        notice("bad", messages.refusal(error))
    else:
        notice("good", str(DEEDS[deed].accepted))
    return back_to(back)


@blueprint.get("/desktops/<desktop_id>/console-log")
@for_those_who("desktop:console_log")
def console_log(desktop_id: str) -> Response:
    """The end of what it has written to its serial console since it was switched on."""
    found = services().desktops.get(actor(), desktop_id)
    try:
        log = services().care.console_log(actor(), desktop_id)
    except (Conflict, NotOffered, Unavailable) as error:
        return page("console_log.html", status_of(error), desktop=found, log="", problem=messages.refusal(error))
    return page("console_log.html", desktop=found, log=log, problem=None)
