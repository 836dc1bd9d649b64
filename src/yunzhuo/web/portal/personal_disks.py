"""Personal files: where they are, bringing them to a desktop, what was kept of them."""

from collections.abc import Callable, Sequence
from typing import Any

from flask import abort, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, LimitReached, NotFound, Unavailable
from yunzhuo.services.desktop_views import MAX_PAGE, DesktopView
from yunzhuo.services.kept_disk_snapshots import DiskSnapshotView
from yunzhuo.services.personal_disks import DiskView
from yunzhuo.services.rules.lifecycle import Action
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.forms import DiskForm, NameForm
from yunzhuo.web.portal.pages import back_to, blueprint, events_from_now, is_part, notice, page, part, require_token
from yunzhuo.webkit import actor, services, sessions
from yunzhuo.webkit.forms import EmptyForm
from yunzhuo.webkit.statuses import STATUS

_HOME = "portal.personal_files"
# A system takes a few seconds to mount what it was given, and one that never says is not asked for ever.
_USAGE_ASKED = 10
_ABOUT_DISK = frozenset({Action.CONNECT_DISK, Action.DISCONNECT_DISK, Action.RESTORE_DISK})
_REFUSALS = (Conflict, LimitReached, NotFound, Unavailable)


@blueprint.get("/personal-files")
@sessions.signed_in
def personal_files() -> Response:
    """The person's disk, or how to get one."""
    return _page(NameForm(formdata=None))


@blueprint.get("/personal-files/usage")
@sessions.signed_in
def disk_usage() -> Response:
    """How full it is; asked for by the page once it stands, as a desktop may take its time to answer."""
    asked = request.args.get("asked", 0, type=int) + 1
    usage = services().personal_disks.usage(actor())
    return part("_disk_usage.html", usage=usage, ask_again=asked if asked < _USAGE_ASKED else None)


@blueprint.post("/personal-files")
@sessions.signed_in
def make_disk() -> Response:
    """Give the person a disk."""
    require_token()
    return _told(lambda: services().personal_disks.create(actor()), gettext("Your personal disk is there."))


@blueprint.route("/personal-files/connect/<desktop_id>", methods=["GET", "POST"])
@sessions.signed_in
def connect_disk(desktop_id: str) -> Response:
    """Ask whether the files are to be taken away from where they are, then bring them."""
    form, disks = DiskForm(), services().personal_disks
    if form.validate_on_submit():
        return _told(lambda: disks.connect(actor(), desktop_id, force=form.force.data == "yes"))
    desktop = services().desktops.get(actor(), desktop_id)
    return _asked("connect", form, url_for("portal.connect_disk", desktop_id=desktop_id), desktop=desktop)


@blueprint.route("/personal-files/disconnect", methods=["GET", "POST"])
@sessions.signed_in
def disconnect_disk() -> Response:
    """Ask whether it is meant, then take the files away from the desktop that has them."""
    form, disks = DiskForm(), services().personal_disks
    if form.validate_on_submit():
        return _told(lambda: disks.disconnect(actor(), force=form.force.data == "yes"))
    return _asked("disconnect", form, url_for("portal.disconnect_disk"))


@blueprint.route("/personal-files/delete", methods=["GET", "POST"])
@sessions.signed_in
def delete_disk() -> Response:
    """Ask whether it is meant, then delete the disk."""
    form = EmptyForm()
    if form.validate_on_submit():
        return _told(lambda: services().personal_disks.delete(actor()), gettext("Your personal disk is deleted."))
    return _asked("delete", form, url_for("portal.delete_disk"))


@blueprint.post("/personal-files/snapshots")
@sessions.signed_in
def keep_disk_snapshot() -> Response:
    """Keep what is on the disk under a name."""
    form = NameForm()
    status = STATUS[InvalidInput]
    if form.validate_on_submit():
        try:
            services().personal_disks.take_snapshot(actor(), form.name.data)
        except InvalidInput as error:
            is_taken = error.code == "disk_snapshot_name_taken"
            form.name.errors = [messages.refusal(error) if is_taken else messages.field("name")]
        except _REFUSALS as error:
            form.refuse(messages.refusal(error))
            status = next(code for kind, code in STATUS.items() if isinstance(error, kind))
        else:
            return back_to(url_for(_HOME))
    return _page(form, status)


@blueprint.route("/personal-files/snapshots/<snapshot_id>/<any('restore', 'delete'):verb>", methods=["GET", "POST"])
@sessions.signed_in
def change_disk_snapshot(snapshot_id: str, verb: str) -> Response:
    """Ask whether it is meant, then put the disk back to a snapshot, or delete that."""
    form, disks = EmptyForm(), services().personal_disks
    if form.validate_on_submit():
        change = disks.restore if verb == "restore" else disks.delete_snapshot
        return _told(lambda: change(actor(), snapshot_id))
    snapshot = next((each for each in disks.get(actor()).snapshots if each.id == snapshot_id), None)
    if snapshot is None:
        abort(404)
    address = url_for("portal.change_disk_snapshot", snapshot_id=snapshot_id, verb=verb)
    return _asked(f"snapshot-{verb}", form, address, snapshot=snapshot)


def _page(form: NameForm, status: int = 200) -> Response:
    events_url = events_from_now()
    disk, mine = _disk(), _mine()
    return page(
        "personal_files.html",
        status,
        disk=disk,
        form=form,
        desktops=[desktop for desktop in mine if Action.CONNECT_DISK in desktop.actions],
        troubled=next((desktop for desktop in mine if _is_troubled(desktop)), None),
        largest_mib=services().personal_disks.largest_mib,
        events_url=events_url,
    )


def _disk() -> DiskView | None:
    try:
        return services().personal_disks.get(actor())
    except NotFound:
        return None


def _mine() -> Sequence[DesktopView]:
    """The person's own desktops; an administrator sees others, too, which get no files of theirs."""
    person = actor()
    found = services().desktops.list(person, limit=MAX_PAGE).items
    return [desktop for desktop in found if desktop.owner_id == person.user_id]


def _is_troubled(desktop: DesktopView) -> bool:
    """Whether the last thing tried with a desktop was to move the files, and that failed."""
    return desktop.failure is not None and desktop.operation.action in _ABOUT_DISK


def _told(change: Callable[[], object], done: str | None = None) -> Response:
    """Do it, and say on the page what came of it."""
    try:
        change()
    except (InvalidInput, *_REFUSALS) as error:
        notice("bad", messages.refusal(error))
    else:
        if done is not None:
            notice("good", done)
    return back_to(url_for(_HOME))


def _asked(
    question: str,
    form: EmptyForm | DiskForm,
    address: str,
    *,
    desktop: DesktopView | None = None,
    snapshot: DiskSnapshotView | None = None,
) -> Response:
    """A question about the disk: in the dialog of the page, or as a page of its own."""
    disk = services().personal_disks.get(actor())
    values: dict[str, Any] = {"disk": disk, "form": form, "asked": question, "address": address}
    values |= {"desktop": desktop, "snapshot": snapshot}
    if is_part():
        return part("_disk_question.html", in_dialog=True, **values)
    return page("disk_question.html", **values)
