"""All desktops of the organization as a table: found, sorted, and changed many at once."""

from dataclasses import dataclass

from flask import request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import InvalidInput, NotFound, Refused
from yunzhuo.services.bulk import MAX_AT_ONCE
from yunzhuo.services.desktop_table import SortBy, TableWish
from yunzhuo.services.desktop_views import DesktopView
from yunzhuo.services.rules.lifecycle import Action, State
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.administration import for_administrators
from yunzhuo.web.portal.pages import back_to, blueprint, events_from_now, notice, page
from yunzhuo.webkit import actor, services, sessions
from yunzhuo.webkit.forms import EmptyForm

PAGE_SIZE = 50
MAX_SEARCH = 64
MAX_PAGE_NUMBER = 1_000_000
_MANY = {
    "start": Action.START,
    "stop": Action.STOP,
    "reboot": Action.REBOOT,
    "rebuild": Action.REBUILD,
    "delete": Action.DELETE,
}


@dataclass(frozen=True, slots=True)
class _Shown:
    """What became of one of several desktops, for the page of results."""

    name: str
    refusal: str | None


@blueprint.get("/admin/desktops")
@for_administrators
def all_desktops() -> Response:
    """The table; its columns sort, its form changes what is selected."""
    wish = _wish()
    events_url = events_from_now()
    found = services().desktop_table.page(actor(), wish)
    return page(
        "admin/desktops.html",
        found=found,
        wish=wish,
        query=_query(wish),
        present_owner=_owner(wish.owner_id),
        state_names={state: messages.state_name(state) for state in State if state is not State.DELETED},
        columns=list(SortBy),
        events_url=events_url,
    )


@blueprint.post("/admin/desktops/actions")
@for_administrators
def change_many() -> Response:
    """Ask once whether it is meant for all that are selected, then do it and say what became of each."""
    action = _MANY.get(request.form.get("action", ""))
    if not EmptyForm().validate_on_submit() or action is None:
        raise InvalidInput("There is no such action.", fields={"action": f"One of {', '.join(_MANY)}."})
    ids = list(dict.fromkeys(request.form.getlist("id")))[:MAX_AT_ONCE]
    back = sessions.local_path(request.form.get("back"), url_for("portal.all_desktops"))
    if not ids:
        notice("info", gettext("Select at least one desktop first."))
        return back_to(back)
    chosen = _found(ids)
    if request.form.get("confirmed") != "yes":
        rehearsal = services().bulk.change(actor(), ids, action, rehearse=True)
        against = {each.desktop_id: _why(each.refusal) for each in rehearsal.items if each.refusal}
        return page(
            "admin/confirm_many.html", action=action, chosen=chosen, against=against, outlook=rehearsal.outlook, back=back
        )
    outcomes = services().bulk.change(actor(), ids, action).items
    names = {desktop.id: desktop.name for desktop in chosen}
    results = [
        _Shown(names.get(each.desktop_id or "", each.desktop_id or ""), _why(each.refusal) if each.refusal else None)
        for each in outcomes
    ]
    return page("admin/results.html", action=action, results=results, back=back)


def _why(refusal: Refused) -> str:
    """Why one of several was refused; of a state that does not allow it, which one that is."""
    state = refusal.details.get("state")
    if refusal.code == "not_possible_now" and state in list(State):
        return str(gettext("Not possible in its state: %(state)s.", state=messages.state_name(State(str(state)))))
    return messages.refusal(refusal)


def _wish() -> TableWish:
    asked = request.args
    state, sort, number = asked.get("state", ""), asked.get("sort", ""), asked.get("page", "")
    return TableWish(
        search=asked.get("q", "").strip()[:MAX_SEARCH] or None,
        owner_id=asked.get("owner", "")[:MAX_SEARCH] or None,
        state=State(state) if state in list(State) else None,
        sort=SortBy(sort) if sort in list(SortBy) else SortBy.CREATED,
        is_descending=asked.get("order", "desc" if sort in ("", SortBy.CREATED) else "asc") == "desc",
        page=int(number) if number.isdecimal() and len(number) < len(str(MAX_PAGE_NUMBER)) else 1,
        page_size=PAGE_SIZE,
    )


def _query(wish: TableWish) -> dict[str, str | None]:
    """The wish as it stands in an address, without the page."""
    return {
        "q": wish.search,
        "owner": wish.owner_id,
        "state": wish.state,
        "sort": wish.sort,
        "order": "desc" if wish.is_descending else "asc",
    }


def _owner(owner_id: str | None) -> str | None:
    """The address of the person whose desktops are shown."""
    if owner_id is None:
        return None
    try:
        return services().people.get(actor(), owner_id).user.email
    except NotFound:
        return None


def _found(ids: list[str]) -> list[DesktopView]:
    """Those of the desktops that are still there."""
    desktops = services().desktops
    found: list[DesktopView] = []
    for desktop_id in ids:
        try:
            found.append(desktops.get(actor(), desktop_id))
        except NotFound:
            continue
    return found
