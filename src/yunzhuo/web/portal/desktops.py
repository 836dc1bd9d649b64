"""My desktops: the list and its cards, a new one, and what can be done with one."""

from flask import request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, LimitReached
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.services.access import scope_of
from yunzhuo.services.desktop_views import DesktopView
from yunzhuo.services.rules.lifecycle import Action, State
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.consoles import may_connect
from yunzhuo.web.portal.forms import ActionForm, NameForm, NewDesktopForm
from yunzhuo.web.portal.pages import HOME, admin_ways, back_to, blueprint, events_from_now, is_part, notice, page, part
from yunzhuo.webkit import actor, languages, services, sessions
from yunzhuo.webkit.forms import EmptyForm
from yunzhuo.webkit.statuses import STATUS

PAGE_SIZE = 24
MAX_SEARCH = 64
# What people press a button for; everything else has a page of its own. "retry" tries a failed create again.
_BUTTONS = {
    "start": Action.START,
    "stop": Action.STOP,
    "reboot": Action.REBOOT,
    "suspend": Action.SUSPEND,
    "resume": Action.RESUME,
    "retry": Action.CREATE,
}


@blueprint.get("/desktops")
@sessions.signed_in
def desktop_list() -> Response:
    """The person's desktops, newest first; an administrator's: everybody's."""
    if scope_of(actor(), "desktop:read") is None:  # an auditor has none, and something else to look at
        return back_to(url_for(admin_ways()[0][1]) if admin_ways() else url_for("portal.profile"))
    search = request.args.get("q", "").strip()[:MAX_SEARCH]
    cursor = request.args.get("cursor") or None
    events_url = events_from_now()
    found = services().desktops.list(actor(), limit=PAGE_SIZE, cursor=cursor, search=search or None)
    is_front = cursor is None and not search
    return page(
        "desktops.html",
        found=found,
        search=search,
        is_first=cursor is None,
        offered=_Offered(),
        pools=services().claims.mine(actor()) if is_front and scope_of(actor(), "pool:claim") else [],
        has_bin=is_front and bool(services().desktops.list(actor(), limit=1, state=State.BINNED).items),
        thumbnails=services().thumbnails.is_on,
        may_connect=may_connect,
        idempotency_key=new_id(),
        events_url=events_url,
    )


@blueprint.get("/desktops/new")
@sessions.signed_in
def new_desktop() -> Response:
    """Choose what a new desktop is made from; what most people want is chosen already."""
    form = NewDesktopForm(formdata=None, idempotency_key=new_id())
    return _new_page(form)


@blueprint.post("/desktops")
@sessions.signed_in
def request_desktop() -> Response:
    """Ask for a new desktop, and go to its page to see it come."""
    form = NewDesktopForm()
    status = STATUS[InvalidInput]
    if form.validate_on_submit():
        languages.settle()
        try:
            accepted = services().desktops.request(
                actor(),
                image_id=form.image.data,
                flavor_id=form.flavor.data,
                name=form.name.data or None,
                idempotency_key=form.idempotency_key.data or None,
            )
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        except (LimitReached, Conflict) as error:
            form.refuse(messages.refusal(error))
            status = STATUS[type(error)]
        else:
            return back_to(url_for("portal.desktop", desktop_id=accepted.desktop.id))
    form.idempotency_key.data = new_id()
    return _new_page(form, status)


@blueprint.get("/desktops/<desktop_id>/card")
@sessions.signed_in
def desktop_card(desktop_id: str) -> Response:
    """One desktop as it stands in the list."""
    return _card(services().desktops.get(actor(), desktop_id))


@blueprint.post("/desktops/<desktop_id>/actions")
@sessions.signed_in
def change_desktop(desktop_id: str) -> Response:
    """Start, stop, reboot, suspend, resume, try again."""
    form = ActionForm()
    action = _BUTTONS.get(form.action.data)
    if not form.validate_on_submit() or action is None:
        raise InvalidInput("There is no such action.", fields={"action": f"One of {', '.join(_BUTTONS)}."})
    try:
        changed = services().desktops.act(actor(), desktop_id, action).desktop
    except Conflict as error:
        notice("bad", messages.refusal(error))
        changed = services().desktops.get(actor(), desktop_id)
    return _card(changed) if is_part() else back_to(form.back.data)


@blueprint.route("/desktops/<desktop_id>/delete", methods=["GET", "POST"])
@sessions.signed_in
def delete_desktop(desktop_id: str) -> Response:
    """Ask whether it is meant, then delete."""
    form = EmptyForm()
    if not form.validate_on_submit():
        found = services().desktops.get(actor(), desktop_id)
        return _question("delete", found, form)
    try:
        deleted = services().desktops.act(actor(), desktop_id, Action.DELETE).desktop
    except Conflict:  # it is being deleted already
        deleted = services().desktops.get(actor(), desktop_id)
    except LimitReached as error:
        notice("bad", messages.refusal(error))
        deleted = services().desktops.get(actor(), desktop_id)
        return _card(deleted, closes_dialog=True) if is_part() else back_to(url_for(HOME))
    if is_part():
        return _card(deleted, closes_dialog=True)
    if deleted.state is State.BINNED:
        notice("info", gettext("“%(name)s” is in the bin.", name=deleted.name))
    else:
        notice("info", gettext("“%(name)s” is being deleted.", name=deleted.name))
    return back_to(url_for(HOME))


@blueprint.route("/desktops/<desktop_id>/name", methods=["GET", "POST"])
@sessions.signed_in
def rename_desktop(desktop_id: str) -> Response:
    """Give it another name."""
    found = services().desktops.get(actor(), desktop_id)
    form = NameForm(name=found.name)
    if form.validate_on_submit():
        try:
            renamed = services().desktops.rename(actor(), desktop_id, form.name.data)
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        else:
            return _card(renamed, closes_dialog=True) if is_part() else back_to(url_for(HOME))
    return _question("rename", found, form)


class _Offered:
    """What a desktop can be made from now, and what is taken when nobody chooses."""

    def __init__(self) -> None:
        catalog, person = services().catalog, actor()
        self.images = catalog.images(person)
        self.flavors = catalog.flavors(person)
        self.image = self.images[0] if self.images else None
        self.flavor = next((flavor for flavor in self.flavors if self.image and flavor.fits(self.image)), None)


def _new_page(form: NewDesktopForm, status: int = 200) -> Response:
    offered = _Offered()
    if form.image.data is None and offered.image is not None:
        form.image.data = offered.image.id
    if form.flavor.data is None and offered.flavor is not None:
        form.flavor.data = offered.flavor.id
    allowances = services().quotas.mine(actor())
    return page("new_desktop.html", status, form=form, offered=offered, allowances=allowances)


def _card(desktop: DesktopView, *, closes_dialog: bool = False) -> Response:
    headers = {"HX-Trigger": "dialog:done"} if closes_dialog else {}
    return part("_card.html", headers, desktop=desktop, may_connect=may_connect)


def _question(name: str, desktop: DesktopView, form: EmptyForm | NameForm) -> Response:
    """A question about a desktop: in the dialog of the list, or as a page of its own."""
    if is_part():
        # Asked again, it stays in the dialog instead of taking the card's place.
        again = {"HX-Retarget": "#dialog-content", "HX-Reswap": "innerHTML"} if form.errors else {}
        return part(f"_{name}.html", again, desktop=desktop, form=form, in_dialog=True)
    return page(f"{name}.html", STATUS[InvalidInput] if form.errors else 200, desktop=desktop, form=form)
