"""Operations: what can be done about one on a desktop's page, and all of an organization's for administrators."""

from dataclasses import dataclass

from flask import request, url_for
from flask_babel import gettext, ngettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import InvalidInput, NotFound, Refused
from yunzhuo.services.operation_desk import MAX_AT_ONCE, OperationRecord, OperationWish
from yunzhuo.services.rules.lifecycle import Action, OperationStatus
from yunzhuo.services.rules.remedies import Remedy
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.administration import for_administrators
from yunzhuo.web.portal.pages import HOME, back_to, blueprint, events_from_now, notice, page, require_token
from yunzhuo.webkit import actor, services, sessions
from yunzhuo.webkit.forms import EmptyForm

PAGE_SIZE = 50
MAX_SEARCH = 64
MAX_CURSOR = 256
_ACTIVE = "active"
_MANY = {"retry": Remedy.RETRY, "cancel": Remedy.CANCEL}


@dataclass(frozen=True, slots=True)
class _Shown:
    """What became of one of several operations, for the page of results."""

    name: str
    refusal: str | None


@blueprint.post("/operations/<operation_id>/<any(cancel, retry, undo):verb>")
@sessions.signed_in
def deal_with_operation(operation_id: str, verb: str) -> Response:
    """Cancel an operation, ask for it again, or take back what it left."""
    require_token()
    operations = services().operations
    ways = {"cancel": operations.cancel, "retry": operations.retry, "undo": operations.undo}
    try:
        ways[verb](actor(), operation_id)
    except NotFound:
        raise
    except Refused as refusal:
        notice("bad", messages.refusal(refusal))
    return back_to(sessions.local_path(request.form.get("back"), url_for(HOME)))


@blueprint.get("/admin/operations")
@for_administrators
def operation_list() -> Response:
    """What is being done, waits, was done; its form tries again or cancels what is selected."""
    wish, status = _wish()
    events_url = events_from_now()
    cursor = request.args.get("cursor", "")[:MAX_CURSOR] or None
    found = services().operations.list(actor(), wish, limit=PAGE_SIZE, cursor=cursor)
    return page(
        "admin/operations.html",
        found=found,
        wish=wish,
        chosen_status=status,
        query={"q": wish.search, "status": status or None, "action": wish.action},
        is_first=cursor is None,
        statuses=[(_ACTIVE, gettext("Not ended yet")), *((each.value, messages.status_name(each)) for each in OperationStatus)],
        actions=[(each.value, messages.action_name(each)) for each in Action],
        events_url=events_url,
    )


@blueprint.post("/admin/operations/actions")
@for_administrators
def deal_with_operations() -> Response:
    """Ask once whether it is meant for all that are selected, then do it and say what became of each."""
    verb = request.form.get("action", "")
    if not EmptyForm().validate_on_submit() or verb not in _MANY:
        raise InvalidInput("There is no such action.", fields={"action": f"One of {', '.join(_MANY)}."})
    ids = list(dict.fromkeys(request.form.getlist("id")))[:MAX_AT_ONCE]
    back = sessions.local_path(request.form.get("back"), url_for("portal.operation_list"))
    if not ids:
        notice("info", gettext("Select at least one operation first."))
        return back_to(back)
    chosen = _found(ids)
    if verb == "cancel" and request.form.get("confirmed") != "yes":
        return page("admin/confirm_operations.html", chosen=chosen, back=back)
    names = {
        record.operation.id: f"{record.desktop_name}: {messages.action_name(record.operation.action)}" for record in chosen
    }
    dealt = services().operations.deal_with_many(actor(), ids, _MANY[verb])
    refused = [
        _Shown(names.get(each.operation_id, "?"), messages.refusal(each.refusal)) for each in dealt if each.refusal is not None
    ]
    if not refused:
        text = ngettext("%(num)s operation was dealt with.", "%(num)s operations were dealt with.", len(dealt))
        notice("good", text)
        return back_to(back)
    results = [*refused, *(_Shown(names.get(each.operation_id, "?"), None) for each in dealt if each.refusal is None)]
    return page("admin/operation_results.html", results=results, back=back)


def _wish() -> tuple[OperationWish, str]:
    asked = request.args
    status, action = asked.get("status", ""), asked.get("action", "")
    wish = OperationWish(
        status=OperationStatus(status) if status in list(OperationStatus) else None,
        action=Action(action) if action in list(Action) else None,
        search=asked.get("q", "").strip()[:MAX_SEARCH] or None,
        is_active=status == _ACTIVE,
    )
    return wish, status if status == _ACTIVE or wish.status else ""


def _found(ids: list[str]) -> list[OperationRecord]:
    """Those of the operations that are still there."""
    found: list[OperationRecord] = []
    for operation_id in ids:
        try:
            found.append(services().operations.record(actor(), operation_id))
        except NotFound:
            continue
    return found
