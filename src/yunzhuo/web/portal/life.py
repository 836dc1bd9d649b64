"""The rest of a desktop's life: what asks before it is done, another size, snapshots, and what was done."""

from collections.abc import Callable

from flask import abort, request, url_for
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, LimitReached, NotOffered
from yunzhuo.services.desktop_views import DesktopView
from yunzhuo.services.desktops import Accepted, RebootKind
from yunzhuo.services.rules.lifecycle import Action
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.consoles import may_connect
from yunzhuo.web.portal.forms import NameForm, SizeForm
from yunzhuo.web.portal.pages import HOME, back_to, blueprint, events_from_now, is_part, notice, page, part
from yunzhuo.webkit import actor, services, sessions
from yunzhuo.webkit.forms import EmptyForm
from yunzhuo.webkit.statuses import STATUS

HISTORY_SIZE = 20


def _rebuild(desktop_id: str) -> Accepted:
    return services().desktops.rebuild(actor(), desktop_id)


def _reboot_hard(desktop_id: str) -> Accepted:
    return services().desktops.act(actor(), desktop_id, Action.REBOOT, reboot_kind=RebootKind.HARD)


def _force_delete(desktop_id: str) -> Accepted:
    return services().desktops.act(actor(), desktop_id, Action.FORCE_DELETE)


# What is done only after a question; its words are those of ``messages.question``.
_QUESTIONS: dict[str, Callable[[str], Accepted]] = {
    "rebuild": _rebuild,
    "hard-reboot": _reboot_hard,
    "force-delete": _force_delete,
    "assign-address": lambda desktop_id: services().addresses.assign(actor(), desktop_id),
    "release-address": lambda desktop_id: services().addresses.release(actor(), desktop_id),
}


@blueprint.route("/desktops/<desktop_id>/confirm/<question>", methods=["GET", "POST"])
@sessions.signed_in
def confirm(desktop_id: str, question: str) -> Response:
    """Ask whether it is meant, then do it."""
    if question not in _QUESTIONS:
        abort(404)
    form = EmptyForm()
    if not form.validate_on_submit():
        found = services().desktops.get(actor(), desktop_id)
        return _asked("confirm", found, form=form, question=messages.question(question, found), asked=question)
    try:
        changed = _QUESTIONS[question](desktop_id).desktop
    except (Conflict, InvalidInput, LimitReached, NotOffered) as error:
        notice("bad", messages.refusal(error))
        changed = services().desktops.get(actor(), desktop_id)
    return _done(changed)


@blueprint.route("/desktops/<desktop_id>/size", methods=["GET", "POST"])
@sessions.signed_in
def resize_desktop(desktop_id: str) -> Response:
    """Choose another size; only those that fit are offered."""
    found = services().desktops.get(actor(), desktop_id)
    form = SizeForm()
    if form.validate_on_submit():
        try:
            return _done(services().desktops.resize(actor(), desktop_id, form.flavor.data).desktop)
        except InvalidInput as error:
            form.flavor.errors = [messages.refusal(error)]
        except Conflict as error:
            form.refuse(messages.refusal(error))
    fitting = services().desktops.sizes(actor(), desktop_id)
    flavors = [flavor for flavor in services().catalog.flavors(actor()) if flavor.id in fitting]
    return _asked("resize", found, form=form, flavors=flavors)


@blueprint.get("/desktops/<desktop_id>/details")
@sessions.signed_in
def desktop_details(desktop_id: str) -> Response:
    """A desktop's snapshots, and what was done to it."""
    return _details(desktop_id, NameForm(formdata=None))


@blueprint.post("/desktops/<desktop_id>/snapshots")
@sessions.signed_in
def keep_snapshot(desktop_id: str) -> Response:
    """Keep the present state under a name."""
    form = NameForm()
    status = STATUS[InvalidInput]
    if form.validate_on_submit():
        try:
            services().snapshots.create(actor(), desktop_id, form.name.data)
        except InvalidInput as error:
            form.name.errors = [messages.refusal(error) if error.code == "snapshot_name_taken" else messages.field("name")]
        except (Conflict, LimitReached) as error:
            form.refuse(messages.refusal(error))
            status = STATUS[type(error)]
        else:
            return back_to(_details_of(desktop_id))
    return _details(desktop_id, form, status)


@blueprint.route("/desktops/<desktop_id>/snapshots/<snapshot_id>/<any('roll-back', 'delete'):verb>", methods=["GET", "POST"])
@sessions.signed_in
def change_snapshot(desktop_id: str, snapshot_id: str, verb: str) -> Response:
    """Ask whether it is meant, then roll back to a snapshot or delete it."""
    form = EmptyForm()
    if not form.validate_on_submit():
        found = services().desktops.get(actor(), desktop_id)
        snapshot = services().snapshots.get(actor(), desktop_id, snapshot_id)
        return _asked("snapshot_question", found, form=form, verb=verb, snapshot=snapshot, back=_details_of(desktop_id))
    snapshots = services().snapshots
    try:
        (snapshots.roll_back if verb == "roll-back" else snapshots.delete)(actor(), desktop_id, snapshot_id)
    except Conflict as error:
        notice("bad", messages.refusal(error))
    return back_to(_details_of(desktop_id))


def _details(desktop_id: str, form: NameForm, status: int = 200) -> Response:
    events_url = events_from_now()
    cursor = request.args.get("cursor") or None
    found = services().desktops.get(actor(), desktop_id)
    return page(
        "details.html",
        status,
        desktop=found,
        form=form,
        snapshots=services().snapshots.list(actor(), desktop_id),
        history=services().history.of_desktop(actor(), desktop_id, limit=HISTORY_SIZE, cursor=cursor),
        is_first=cursor is None,
        events_url=events_url,
        may_connect=may_connect,
    )


def _details_of(desktop_id: str) -> str:
    return url_for("portal.desktop_details", desktop_id=desktop_id)


def _done(desktop: DesktopView) -> Response:
    if is_part():
        return part("_card.html", {"HX-Trigger": "dialog:done"}, desktop=desktop, may_connect=may_connect)
    return back_to(url_for(HOME))


def _asked(name: str, desktop: DesktopView, *, form: EmptyForm | SizeForm, **values: object) -> Response:
    """A question about a desktop: in the dialog of the page, or as a page of its own."""
    problems = bool(form.errors)
    values.setdefault("back", url_for(HOME))
    if is_part():
        again = {"HX-Retarget": "#dialog-content", "HX-Reswap": "innerHTML"} if problems else {}
        return part(f"_{name}.html", again, desktop=desktop, form=form, in_dialog=True, **values)
    status = STATUS[InvalidInput] if problems else 200
    return page("question.html", status, desktop=desktop, form=form, part=f"portal/_{name}.html", **values)
