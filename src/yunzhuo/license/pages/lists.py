"""Everything as one list, taken in and taken away."""

from collections.abc import Iterator, Sequence

from flask import request
from werkzeug.wrappers import Response

from yunzhuo.license.context import license_server
from yunzhuo.license.exchange import COLUMNS, MAX_LINES, ExchangeReport, Made
from yunzhuo.license.pages.frame import blueprint, file, for_vendors
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput
from yunzhuo.services import list_files
from yunzhuo.services.list_files import MAX_BYTES, MEDIA_TYPES, FileKind
from yunzhuo.webkit import actor, messages
from yunzhuo.webkit.pages import page, require_token
from yunzhuo.webkit.statuses import STATUS

_SHOWN = 200
_MADE_COLUMNS = ("customer", "contact", "one_time_password", "installation", "installation_id", "activation_code")


@blueprint.get("/lists")
@for_vendors
def lists() -> Response:
    """Choose a list, or take one away."""
    return _page(None)


@blueprint.post("/lists")
@for_vendors
def take_list() -> Response:
    """Try a list, or make what it says and answer with the passwords and codes as a file, this once."""
    require_token()
    chosen = request.files.get("file")
    content = chosen.stream.read(MAX_BYTES + 1) if chosen else b""
    is_book = bool(chosen and (chosen.filename or "").lower().endswith(".xlsx"))
    kind, is_try = FileKind.XLSX if is_book else FileKind.CSV, request.form.get("dry_run") == "yes"
    try:
        report = license_server().exchange.run(actor(), content, kind, dry_run=is_try)
    except InvalidInput as error:
        return _page(None, STATUS[InvalidInput], problem=" ".join(error.fields.values()))
    except Conflict as error:
        return _page(None, STATUS[Conflict], problem=messages.refusal(error))
    if not report.made:
        return _page(report, STATUS[InvalidInput] if report.problems else 200)
    content = list_files.write(_rows(report.made), _MADE_COLUMNS, FileKind.CSV)
    return file(content, "made.csv", MEDIA_TYPES[FileKind.CSV])


@blueprint.get("/lists/export")
@for_vendors
def export_list() -> Response:
    """Everything as a file."""
    return file(license_server().exchange.export(actor(), _kind()), f"licenses.{_kind()}", MEDIA_TYPES[_kind()])


@blueprint.get("/lists/template")
@for_vendors
def list_template() -> Response:
    """A list with its columns and an example."""
    return file(license_server().exchange.template(_kind()), f"template.{_kind()}", MEDIA_TYPES[_kind()])


def _kind() -> FileKind:
    return FileKind.XLSX if request.args.get("kind") == FileKind.XLSX else FileKind.CSV


def _rows(made: Sequence[Made]) -> Iterator[Sequence[object]]:
    for each in made:
        contact = (each.contact.user.email, each.contact.one_time_password) if each.contact else ("", "")
        new = each.installation
        own = (new.installation.name, new.installation.id, new.code) if new else ("", "", "")
        yield (each.customer, *contact, *own)


def _page(report: ExchangeReport | None, status: int = 200, problem: str | None = None) -> Response:
    problems = report.problems[:_SHOWN] if report else ()
    return page(
        "license/lists.html", status, report=report, problems=problems, problem=problem, most=MAX_LINES, columns=COLUMNS
    )
