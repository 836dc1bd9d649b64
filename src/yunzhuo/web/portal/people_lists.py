"""Many people at once: taken in from a file, taken away as a file, changed together."""

from flask import request, url_for
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, InvalidInput
from yunzhuo.services import list_files
from yunzhuo.services.list_files import MAX_BYTES, MAX_ROWS, MEDIA_TYPES, FileKind
from yunzhuo.services.people import DesktopsOfDeleted
from yunzhuo.services.people_import import Change, ImportReport
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.pages import back_to, blueprint, for_those_who, notice, page, require_token
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.statuses import STATUS

_SHOWN = 200


@blueprint.get("/admin/users/import")
@for_those_who("user:import")
def import_users() -> Response:
    """Choose a list."""
    return _import_page(None)


@blueprint.post("/admin/users/import")
@for_those_who("user:import")
def run_import() -> Response:
    """Try a list, or make its accounts and answer with their one-time passwords as a file, this once."""
    require_token()
    file = request.files.get("file")
    content = file.stream.read(MAX_BYTES + 1) if file else b""
    is_book = bool(file and (file.filename or "").lower().endswith(".xlsx"))
    try:
        report = services().people_import.run(
            actor(), content, FileKind.XLSX if is_book else FileKind.CSV, dry_run=request.form.get("dry_run") == "yes"
        )
    except InvalidInput as error:
        return _import_page(None, STATUS[InvalidInput], problem=" ".join(error.fields.values()))
    except Conflict as error:
        return _import_page(None, STATUS[Conflict], problem=messages.refusal(error))
    if not report.made:
        return _import_page(report, STATUS[InvalidInput] if report.problems else 200)
    pairs = [(access.user.email, access.one_time_password) for access in report.made]
    return _file(list_files.write(pairs, ("email", "one_time_password"), FileKind.CSV), FileKind.CSV, "passwords")


@blueprint.get("/admin/users/export")
@for_those_who("user:export")
def export_users() -> Response:
    """All accounts as a file."""
    return _file(services().people_import.export(actor(), _kind()), _kind(), "users")


@blueprint.get("/admin/users/template")
@for_those_who("user:import")
def user_list_template() -> Response:
    """A list with its columns and an example."""
    return _file(services().people_import.template(_kind()), _kind(), "template")


@blueprint.post("/admin/users/actions")
@for_those_who("user:disable")
def change_users() -> Response:
    """Disable, enable, reset or delete those who are chosen, after a question where something is lost."""
    require_token()
    ids, asked = request.form.getlist("ids"), request.form.get("change", "")
    if asked not in list(Change) or not ids:
        notice("bad", messages.nobody_chosen())
        return back_to(url_for("portal.user_list"))
    change = Change(asked)
    if request.form.get("confirmed") != "yes":
        people = [services().people.get(actor(), user_id) for user_id in ids[:_SHOWN]]
        return page("admin/confirm_people.html", people=people, change=change)
    desktops = DesktopsOfDeleted() if request.form.get("desktops") == "delete" else None
    outcomes = services().people_import.change_many(actor(), ids, change, desktops)
    names = dict(zip(ids, request.form.getlist("names"), strict=False))
    told = [
        (names.get(each.user_id, each.user_id), messages.refusal(each.refusal) if each.refusal else None, each.access)
        for each in outcomes
    ]
    return page("admin/people_results.html", told=told, change=change)


def _kind() -> FileKind:
    return FileKind.XLSX if request.args.get("kind") == FileKind.XLSX else FileKind.CSV


def _import_page(report: ImportReport | None, status: int = 200, problem: str | None = None) -> Response:
    problems = report.problems[:_SHOWN] if report else ()
    return page("admin/import_users.html", status, report=report, problems=problems, problem=problem, most=MAX_ROWS)


def _file(content: bytes, kind: FileKind, name: str) -> Response:
    answer = Response(content, content_type=MEDIA_TYPES[kind])
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.{kind}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer
